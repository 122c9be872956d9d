"""Stages of the smoke study as real processes in a tree of their own: started as dvc.yaml does, killed, and
looked at after."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from filelock import FileLock

from lib import models
from lib.core.tensors import load_tensors
from lib.models import sparse
from lib.settings import config

TREES = ("lib", "notebooks", "studies")
PATIENCE = 900  # seconds: nothing here is asked to be fast
LOST_PORT = "Kernel died before replying to kernel_info"  # of jupyter_client: two kernels had drawn one port
MARK = {
    "SNN_FAULTS": str(os.getpid())
}  # in the environment of all that these tests start, and of all that those start
STAGES = {  # the notebook and its parameters; tokens takes the network of dense for its teacher
    "data": ("10_prepare_data", {"name": "digits"}),
    "warmup": ("16_warm_up", {"task": "digits-vgg"}),
    "dense": ("11_train_dense", {"task": "digits-spikformer"}),
    "channels": ("12_prune_channels", {"stage": "channels", "task": "digits-vgg", "method": "sca"}),
    "weights": ("13_rewire_weights", {"task": "digits-vgg", "method": "pq"}),
    "tokens": ("14_select_tokens", {"task": "digits-spikformer", "method": "learned"}),
}
REFUSALS = (
    "ConfigError: ",
    "DataError: ",
    "WriteError: ",
    "TrainingError: ",
    "Stopped: ",
    "OSError: ",
    "PermissionError: ",
)

# of the repository that `tiny` makes: shell stages, whose outputs hang together as those of a study do
PIPELINE = """
stages:
  raw:
    cmd: echo 1 > raw.txt
    outs: [raw.txt]
  run:
    matrix: {seed: [0, 1]}
    wdir: work
    cmd: cat ../raw.txt > run-${item.seed}.txt
    deps: [../raw.txt]
    params: [../params.yaml: [threads]]
    outs: ["run-${item.seed}.txt"]
  figure:
    cmd: cat work/run-0.txt work/run-1.txt > figure.txt
    deps: [work/run-0.txt, work/run-1.txt]
    outs: [figure.txt: {cache: false, persist: true}]
"""


def tiny(folder: Path) -> Path:
    """A repository of a few shell stages, which take no time."""
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for name in (".dvc", "work", "build/logs"):
        (folder / name).mkdir(parents=True)
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "params.yaml").write_text("threads: 1\n")
    return folder


def copied(folder: Path) -> Path:
    """A repository of one's own, without data, results or builds."""
    for name in TREES:
        left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(config.ROOT / name, folder / name, ignore=left_out)
    shutil.copy(config.ROOT / "params.yaml", folder)
    (folder / "build").mkdir()
    return folder


def start(folder: Path, stage: str, name: str, below: tuple[str, ...] = ()) -> subprocess.Popen:
    """A stage of the smoke study, as dvc.yaml runs it; below: the command that runs it, as `sh -c ...`."""
    notebook, given = STAGES[stage]
    command = [
        sys.executable,
        "-m",
        "papermill",
        f"notebooks/{notebook}.ipynb",
        f"build/{name}.ipynb",
        "--cwd",
        ".",
    ]
    command += ["--no-progress-bar", "--log-level", "ERROR"]
    with open(folder / "build" / f"{name}.log", "w") as log:
        return subprocess.Popen(
            [
                *below,
                *command,
                *(word for key, value in {"study": "smoke", **given}.items() for word in ("-p", key, value)),
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", **MARK},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def said(folder: Path, name: str) -> str:
    return (folder / "build" / f"{name}.log").read_text()


def ended(process: subprocess.Popen, folder: Path, stage: str, name: str) -> int:
    """The exit status of a stage that was started. It is run once more, as `make repro` does, if its kernel
    lost the race for a port with another that started: nothing of ours had begun."""
    code = process.wait(PATIENCE)
    if code != 0 and LOST_PORT in said(folder, name):
        return start(folder, stage, name).wait(PATIENCE)
    return code


def finish(folder: Path, stage: str, name: str) -> str:
    """Runs to the end; returns the executed notebook."""
    assert ended(start(folder, stage, name), folder, stage, name) == 0, said(folder, name)
    return (folder / "build" / f"{name}.ipynb").read_text()


def refused(folder: Path, stage: str, name: str, below: tuple[str, ...] = ()) -> str:
    """Runs, and fails; returns the one line that the user is told, as tools/repro.py picks it."""
    assert start(folder, stage, name, below).wait(PATIENCE) != 0, "it should have failed"
    told = [line for line in said(folder, name).splitlines() if line.startswith(REFUSALS)]
    assert told, said(folder, name)
    return told[-1]


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """The process and all below it: papermill and the kernel that it started, which is no member of its
    process group."""
    try:
        return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def hold(process: subprocess.Popen) -> list[psutil.Process]:
    """Stops it and all below it where they are, so that what they have made can be looked at; returns
    them."""
    held = []
    while len(found := family(process)) > len(held):
        held = found
        for one in held:
            with suppress(psutil.NoSuchProcess):
                one.suspend()  # so that none starts another in between
    return held


def go_on(held: list[psutil.Process]) -> None:
    for one in held:
        with suppress(psutil.NoSuchProcess):
            one.resume()


def kill(process: subprocess.Popen, whom: str = "all") -> None:
    """SIGKILL to papermill, to its kernel, or to all; waits until none is left. whom: all, first or rest"""
    held = hold(process)
    for one in {"all": held, "first": held[:1], "rest": held[1:] or held}[whom]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    go_on(held)
    process.wait(PATIENCE)
    assert not left(held), "orphans go on"


def killed(
    begin: Callable, seconds: float, chance: random.Random, whom: str = "all", anew: Callable = lambda: None
) -> float:
    """Kills the run that `begin` starts at a random moment of so many seconds; returns when it began. If it
    ends before that,
    `anew` takes back what it has made, and the next one has half the time: some moment is early enough on
    any machine."""
    while True:
        begun, process = time.time(), begin()
        time.sleep(chance.uniform(0, seconds))
        if process.poll() is None:
            kill(process, whom)
        if process.returncode != 0:
            assert process.returncode == -signal.SIGKILL or whom == "rest", "it failed by itself"
            return begun
        anew()
        seconds /= 2


def caught(folder: Path, stage: str, name: str, epochs: int, below: tuple[str, ...] = ()) -> tuple:
    """A stage that is held where it has kept so many epochs and no more: the process, and all that `hold`
    holds."""
    for _ in range(20):
        process = start(folder, stage, name, below)
        until(lambda: epochs_kept(folder) >= epochs, process)
        held = hold(process)
        if epochs_kept(folder) == epochs and process.poll() is None:
            return process, held
        kill(process)  # it was faster than this look at it
        shutil.rmtree(folder / "build" / "resume", ignore_errors=True)
        shutil.rmtree(folder / "build" / "smoke" / "results", ignore_errors=True)
    raise AssertionError(f"it is never seen after epoch {epochs}: {said(folder, name)}")


def left(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a minute; a dead one that nobody has asked for its status does not."""
    end, found = time.monotonic() + 60, [one for one in processes if runs(one)]
    while found and time.monotonic() < end:
        time.sleep(0.1)
        found = [one for one in found if runs(one)]
    return found


def ours(process: psutil.Process) -> bool:
    """Whether these tests have started it, or something that they have started did."""
    try:
        return MARK.items() <= process.environ().items()
    except (psutil.Error, OSError):
        return False


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(holds, process: subprocess.Popen) -> None:
    """Waits until it holds, or the process has ended."""
    end = time.monotonic() + PATIENCE
    while not holds() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


def checkpoint(folder: Path) -> Path | None:
    return next(iter(folder.glob("build/resume/*.pt")), None)


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
    root = folder / "build" / "smoke"
    kept = {*folder.glob("build/resume/*.pt"), *root.glob("runs/smoke/warmup*/*/*.pt")}  # to go on from
    for path in kept:
        load_tensors(path)
    for path in {root / name for name in made(folder)} - kept:
        if path.name != "params-checked":  # a word that the stage `check` leaves
            READERS[path.suffix](path)


def shared(tmp_path_factory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one of pytest's workers makes for all of them; not to be touched."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with FileLock(root / f"{name}.lock"):
        if not (done := root / f"{name}.done").exists():
            shutil.rmtree(root / name, ignore_errors=True)  # of a worker that failed
            make(root / name)
            done.touch()
    return root / name


@dataclass(frozen=True)
class Unbroken:
    """Stages to which nothing happens, one after another in one tree."""

    folder: Path
    seconds: dict[str, float]  # that each takes
    files: dict[str, dict[str, bytes]]  # that each adds

    def notebook(self, stage: str) -> str:
        """As it was executed."""
        return (self.folder / "build" / f"{stage}.ipynb").read_text()


def unbroken(tmp_path_factory, *stages: str) -> Unbroken:
    def run(folder: Path) -> None:
        copied(folder)
        record, before = {}, {}
        for stage in stages:
            started = time.monotonic()
            finish(folder, stage, stage)
            seconds, after = time.monotonic() - started, made(folder)
            record[stage] = {"seconds": seconds, "files": sorted(set(after) - set(before))}
            before = after
        assert not leftovers(folder) and not list(folder.glob("build/resume/*")), (
            "a finished run keeps nothing to resume"
        )
        (folder / "record.json").write_text(json.dumps(record))

    folder = shared(tmp_path_factory, "-".join(stages), run)
    record, content = json.loads((folder / "record.json").read_text()), made(folder)
    files = {stage: {name: content[name] for name in each["files"]} for stage, each in record.items()}
    return Unbroken(folder, {stage: each["seconds"] for stage, each in record.items()}, files)


@contextmanager
def trial(record_property, fault: str):
    """For the table of tools/faults.py: a try, and if nothing fails, a recovery, with what the block notes
    in the dict."""
    record_property("tried", fault)
    noted = {}
    yield noted
    record_property("recovered", json.dumps({"fault": fault, **noted}))
