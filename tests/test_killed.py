"""A run stopped by `kill -9` goes on from its last epoch when it is started again, and ends with the very same file."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from lib import config

TREES = ("lib", "notebooks", "studies")
RUN = "notebooks/12_prune_channels.ipynb"
RESULT = "build/smoke/results/smoke/channels/digits-vgg-sca/0.json"
PATIENCE = 120  # seconds


def copied(folder: Path) -> Path:
    """A repository of one's own, without data, results or builds."""
    for name in TREES:
        left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "build", "data", "runs")
        shutil.copytree(config.ROOT / name, folder / name, ignore=left_out)
    shutil.copy(config.ROOT / "params.yaml", folder)
    (folder / "build").mkdir()
    return folder


def start(folder: Path, name: str) -> subprocess.Popen:
    """The channels stage of the smoke study, as dvc.yaml runs it."""
    command = [sys.executable, "-m", "papermill", RUN, f"build/{name}.ipynb", "--cwd", ".", "--no-progress-bar"]
    given = {"study": "smoke", "stage": "channels", "cell": "digits-vgg", "method": "sca"}
    with open(folder / "build" / f"{name}.log", "w") as log:
        return subprocess.Popen(
            command + [word for key, value in given.items() for word in ("-p", key, value)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def finish(folder: Path, name: str) -> str:
    """Runs to the end; returns the executed notebook."""
    assert start(folder, name).wait(PATIENCE) == 0, (folder / "build" / f"{name}.log").read_text()
    return (folder / "build" / f"{name}.ipynb").read_text()


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to papermill and to the kernel that it started, which is no member of its process group."""
    alive = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in alive:
        one.kill()
    process.wait(PATIENCE)
    psutil.wait_procs(alive, PATIENCE)


def epochs_kept(folder: Path) -> int:
    found = list(folder.glob("build/resume/*/0.pt"))
    return len(torch.load(found[0], weights_only=True)["log"]) if found else 0


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="SIGKILL is POSIX's")
def test_a_killed_run_ends_with_the_bytes_of_an_unbroken_one(tmp_path):
    unbroken, broken = copied(tmp_path / "unbroken"), copied(tmp_path / "broken")
    whole = finish(unbroken, "run")

    process, until = start(broken, "killed"), time.monotonic() + PATIENCE
    while epochs_kept(broken) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    kill(process)
    epochs = config.load("smoke").cells["digits-vgg"].train.epochs
    assert epochs_kept(broken) == 2 < epochs and not (broken / RESULT).exists()

    rest = finish(broken, "resumed")
    assert f"{epochs}/{epochs} " in whole and f"{epochs - 2}/{epochs - 2} " in rest  # epochs on its progress bar
    assert (broken / RESULT).read_bytes() == (unbroken / RESULT).read_bytes()
    for folder in (broken, unbroken):
        assert not list(folder.glob("build/resume/*")), "a finished run keeps nothing to resume"
