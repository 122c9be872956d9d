"""Where a trial keeps its last epoch, so that a stopped run goes on instead of beginning again;
and how it is stopped."""

import hashlib
import json
import os
import signal
import threading
import time
from functools import cache
from pathlib import Path

import torch

from lib.core import collectives
from lib.core.errors import Stopped
from lib.core.files import ROOT
from lib.core.tensors import load_tensors
from lib.settings import records
from lib.settings.given import Job

sigterm = threading.Event()  # SIGTERM has come

# what a training depends on: the folders that its stage in dvc.yaml names,
# no more and no less (a test holds it)
WINGS = ("core", "settings", "models", "pruning", "data", "training", "measure")


def path(job: Job, seed: int, number: int) -> Path:
    """build/resume/<digest>.pt of a trial: named by all that its numbers depend on, so that nothing is ever
    taken up that another code or another setting has made, and a mended figure throws no epoch away. Not a
    DVC output: DVC deletes those before it runs a stage.
    """
    settings, stage, task, method = job
    recipe = records.recipe(settings, stage, task)
    asked = records.request(job.trials[number].record)
    parts = [stage, task, method, recipe, asked, seed, settings.threads]
    return ROOT / "build" / "resume" / f"{digest(job, parts, earlier(job, seed))}.pt"


def digest(job: Job, parts: list, files: list[Path]) -> str:
    """Of settings, the code and the data that a training reads, and of files that another stage has made; a
    CPU's is another one than a GPU's."""
    where = [torch.__version__, collectives.device().type]
    made = hashlib.sha256(json.dumps([*where, *parts], sort_keys=True).encode())
    for file in (*code(), job.settings.data_path(job.recipe.data), *files):
        made.update(of_file(file, file.stat().st_mtime_ns))
    return made.hexdigest()[:20]


def code() -> list[Path]:
    """The files of the wings that a training reads, in order."""
    return sorted(file for wing in WINGS for file in (ROOT / "lib" / wing).rglob("*.py"))


def earlier(job: Job, seed: int) -> list[Path]:
    """What another stage has made, and this trial depends on: a student's teacher, the widths that a baseline
    matches. The smoke study makes them itself."""
    settings, stage, task, method = job
    if stage == "tokens":
        return teacher(job, seed)
    if stage == "baselines":
        found = settings.result_path("channels", task, settings.baselines[method].matches, seed)
        return [found] if found.exists() else []
    return []


def teacher(job: Job, seed: int) -> list[Path]:
    """The dense network, if it has been trained."""
    return sorted(job.settings.run_folder("dense", job.task, "dense", seed).glob("*.pt"))


@cache
def of_file(made: Path, changed: int) -> bytes:
    """Its digest; changed: when it was, so that a digest is taken again of what is new."""
    with open(made, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def read(kept: Path, device: torch.device | str = "cpu") -> dict | None:
    """What a run has kept; None if there is nothing, or nothing that is whole:
    that is set aside, and a line says so."""
    try:
        return load_tensors(kept, device)
    except FileNotFoundError:
        return None
    except ValueError as error:
        aside = kept.with_suffix(".damaged")
        os.replace(kept, aside)
        print(f"{error}; it is now {aside.name}, and this training begins anew")
        return None


def clear(kept: Path) -> None:
    """Called when the result is written: there is nothing left to go on with."""
    for file in (kept, kept.with_suffix(".damaged")):
        file.unlink(missing_ok=True)


def install_sigterm() -> None:
    """In the kernel of a notebook: SIGTERM, as batch systems send it before their deadline, ends the training
    at the next `stop_if_asked`; and the kernel does not outlive the process that has started it."""
    parent = os.getppid()
    if (
        os.environ.get("JPY_PARENT_PID") == str(parent)
        and threading.current_thread() is threading.main_thread()
    ):
        signal.signal(signal.SIGTERM, lambda *_: sigterm.set())
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()


def _end_with(parent: int) -> None:
    """ipykernel's own look after it takes every new parent but init for the old one."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def stop_if_asked(where: str) -> None:
    """raises: Stopped if SIGTERM has come"""
    if sigterm.is_set():
        sigterm.clear()  # a notebook may be run on by hand
        raise Stopped(f"SIGTERM: stopped {where}, which is kept; run it again, and it goes on from there")
