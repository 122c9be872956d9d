import shutil
import subprocess
from pathlib import Path

import pytest

from lib.settings import config

MADE = {".venv", ".git", "build", "runs", "data"}  # at the root
CACHES = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.egg-info", ".*_cache", "cache", "tmp")


def left_out(folder: str, names: list[str]) -> set[str]:
    return CACHES(folder, names) | (MADE if Path(folder) == config.ROOT else set())


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """A copy of what git keeps or would keep, as a repository of its own."""
    folder = tmp_path_factory.mktemp("clone") / "study"
    shutil.copytree(config.ROOT, folder, ignore=left_out, symlinks=True)
    (folder / "build").mkdir()
    (folder / "build" / ".gitkeep").touch()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    subprocess.run(["git", "-C", folder, "-c", "core.excludesFile=", "add", "--all"], check=True)
    return folder
