import shutil
import subprocess
from pathlib import Path

import pytest

from lib.settings import config

CACHES = ("__pycache__", ".ipynb_checkpoints", "*.egg-info", ".*_cache", "cache", "tmp")


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """A copy of what git keeps or would keep, as a repository of its own."""
    folder = tmp_path_factory.mktemp("clone") / "study"
    left_out = shutil.ignore_patterns(".venv", ".git", "build", "runs", "data", *CACHES)
    shutil.copytree(config.ROOT, folder, ignore=left_out, symlinks=True)
    shutil.copytree(
        config.ROOT / "lib" / "data", folder / "lib" / "data", ignore=left_out, dirs_exist_ok=True
    )
    (folder / "build").mkdir()
    (folder / "build" / ".gitkeep").touch()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    subprocess.run(["git", "-C", folder, "-c", "core.excludesFile=", "add", "--all"], check=True)
    return folder
