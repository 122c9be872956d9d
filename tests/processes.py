"""Stages of the smoke study as real processes in a tree of their own: started as dvc.yaml does, killed, and looked at after."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil

from lib import config, models, sparse
from lib.files import load_tensors

TREES = ("lib", "notebooks", "studies")
PATIENCE = 240  # seconds
STAGES = {  # the notebook and its parameters; tokens takes the network of dense for its teacher
    "data": ("10_prepare_data", {"name": "digits"}),
    "dense": ("11_train_dense", {"cell": "digits-spikformer"}),
    "channels": ("12_prune_channels", {"stage": "channels", "cell": "digits-vgg", "method": "sca"}),
    "weights": ("13_rewire_weights", {"cell": "digits-vgg", "method": "pq"}),
    "tokens": ("14_select_tokens", {"cell": "digits-spikformer", "method": "learned"}),
}
REFUSALS = ("ConfigError: ", "DataError: ", "WriteError: ", "TrainingError: ", "Stopped: ", "OSError: ", "PermissionError: ")


def copied(folder: Path) -> Path:
    """A repository of one's own, without data, results or builds."""
    for name in TREES:
        left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "build", "data", "runs")
        shutil.copytree(config.ROOT / name, folder / name, ignore=left_out)
    shutil.copy(config.ROOT / "params.yaml", folder)
    (folder / "build").mkdir()
    return folder


def start(folder: Path, stage: str, name: str, below: tuple[str, ...] = ()) -> subprocess.Popen:
    """A stage of the smoke study, as dvc.yaml runs it; below: the command that runs it, as `sh -c ...`."""
    notebook, given = STAGES[stage]
    command = [sys.executable, "-m", "papermill", f"notebooks/{notebook}.ipynb", f"build/{name}.ipynb", "--cwd", "."]
    command += ["--no-progress-bar", "--log-level", "ERROR"]
    with open(folder / "build" / f"{name}.log", "w") as log:
        return subprocess.Popen(
            [*below, *command, *(word for key, value in {"study": "smoke", **given}.items() for word in ("-p", key, value))],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def said(folder: Path, name: str) -> str:
    return (folder / "build" / f"{name}.log").read_text()


def finish(folder: Path, stage: str, name: str) -> str:
    """Runs to the end; returns the executed notebook."""
    assert start(folder, stage, name).wait(PATIENCE) == 0, said(folder, name)
    return (folder / "build" / f"{name}.ipynb").read_text()


def refused(folder: Path, stage: str, name: str, below: tuple[str, ...] = ()) -> str:
    """Runs, and fails; returns the one line that the user is told, as tools/repro.py picks it."""
    assert start(folder, stage, name, below).wait(PATIENCE) != 0, "it should have failed"
    told = [line for line in said(folder, name).splitlines() if line.startswith(REFUSALS)]
    assert told, said(folder, name)
    return told[-1]


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """The process and all below it: papermill and the kernel that it started, which is no member of its process group."""
    try:
        return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(process: subprocess.Popen, whom: str = "all") -> None:
    """SIGKILL to papermill, to its kernel, or to all; waits until none is left. whom: all, first or rest"""
    alive = []
    while len(found := family(process)) > len(alive):
        alive = found
        for one in alive if whom == "all" else ():
            with suppress(psutil.NoSuchProcess):
                one.suspend()  # so that none starts another in between
    for one in {"all": alive, "first": alive[:1], "rest": alive[1:] or alive}[whom]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(PATIENCE)
    assert not left(alive), "orphans go on"


def left(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after ten seconds; a dead one that nobody has asked for its status does not."""
    end, found = time.monotonic() + 10, processes
    while found and time.monotonic() < end:
        found = [one for one in found if runs(one)]
        time.sleep(0.05)
    return found


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(holds, process: subprocess.Popen) -> None:
    """Waits until it holds, or the process has ended."""
    end = time.monotonic() + PATIENCE
    while not holds() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


def checkpoint(folder: Path) -> Path | None:
    return next(iter(folder.glob("build/resume/*/0.pt")), None)


def epochs_kept(folder: Path) -> int:
    try:
        return len(load_tensors(path)["log"]) if (path := checkpoint(folder)) else 0
    except FileNotFoundError:  # it was done with just now
        return 0


def made(folder: Path) -> dict[str, bytes]:
    """All that the stages have made: data, results and networks, but for what a killed run was writing."""
    root = folder / "build" / "smoke"
    files = (path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".part"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def leftovers(folder: Path) -> list[Path]:
    """What a killed run was writing, beside its place."""
    return list((folder / "build").rglob("*.part"))


READERS = {
    ".json": lambda path: json.loads(path.read_text()),
    ".npz": lambda path: [np.load(path)[name] for name in np.load(path).files],
    ".safetensors": sparse.load,
    ".pt": models.load,
}


def assert_whole(folder: Path) -> None:
    """No file is half-written: every one is read to its end."""
    for name in made(folder):
        path = folder / "build" / "smoke" / name
        if path.name != "params-checked":  # a word that the stage `check` leaves
            READERS[path.suffix](path)
    for path in folder.glob("build/resume/*/*.pt"):
        load_tensors(path)


@contextmanager
def trial(record_property, fault: str):
    """For the table of tools/faults.py: a try, and if nothing fails, a recovery, with what the block notes in the dict."""
    record_property("tried", fault)
    noted = {}
    yield noted
    record_property("recovered", json.dumps({"fault": fault, **noted}))
