"""`dvc pull` and `dvc checkout` without a word more, in a clone, after the quick study alone was run and
pushed."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dvc_inside
import pytest

from lib.settings import config

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")]


def ran(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> Path:
    """A clone in which the quick study's data and networks are files made by hand, entered into dvc.lock and
    pushed."""
    root = tmp_path_factory.mktemp("pull") / "study"
    listed = ran(config.ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split(
        "\0"
    )
    for name in filter(None, listed):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(config.ROOT / name, root / name, follow_symlinks=False)
    ran(root, "git", "init", "--quiet")
    ran(root, sys.executable, "tools/notebook_code.py", "build/code/quick")
    with contextlib.chdir(root):
        found = [stage for stage in dvc_inside.stages().values() if stage.pipeline == "dvc.yaml"]
    for path in (Path(path) for stage in found for path in stage.writes if not Path(path).exists()):
        file = path if path.suffix or path.name == "params-checked" else path / "0" / "net.pt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{path.name}\n")
    ran(root, sys.executable, "-m", "dvc", "remote", "add", "--default", "store", str(root.parent / "store"))
    ran(root, sys.executable, "-m", "dvc", "commit", "--force", "dvc.yaml")
    ran(root, sys.executable, "-m", "dvc", "push")
    ran(root, "git", "add", "--all")
    return root


@pytest.mark.parametrize("command", ["pull", "checkout"])
def test_what_was_never_run_is_not_missed(pushed, tmp_path, command):
    clone = tmp_path / "clone"
    ran(pushed, "git", "checkout-index", "--all", f"--prefix={clone}/")
    ran(clone, "git", "init", "--quiet")
    if command == "checkout":
        shutil.copytree(pushed / ".dvc" / "cache", clone / ".dvc" / "cache")
    said = ran(clone, sys.executable, "-m", "dvc", command)
    assert "WARNING" not in said and "small" not in said and "paper" not in said, said
    made = {path.relative_to(pushed) for path in pushed.glob("runs/quick/*/*/*/0/net.pt")}
    assert len(made) > 10 and made == {
        path.relative_to(clone) for path in clone.glob("runs/quick/*/*/*/0/net.pt")
    }
    assert list(clone.glob("data/quick/*.npz"))
