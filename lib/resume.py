"""Where a training keeps its last epoch, so that a stopped run goes on instead of beginning again; and how it is stopped."""

import hashlib
import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import torch

from lib.config import ROOT, Study
from lib.errors import Stopped
from lib.files import load_tensors

asked = threading.Event()  # SIGTERM has come

# of lib/, what a training reads: what its stage in dvc.yaml depends on, no more and no less (tests hold it)
ROOMS = (
    "archives.py",
    "config.py",
    "data.py",
    "errors.py",
    "events.py",
    "files.py",
    "launch.py",
    "measure",
    "models",
    "pruning",
    "ranks.py",
    "results.py",
    "resume.py",
    "settings",
    "sources.py",
    "train.py",
)
MORE = {"weights": ("sparse.py",), "tokens": ("sparse.py", "student.py"), "controls": ("control.py",)}


def code(stage: str) -> list[Path]:
    """The files of lib/ that a stage's trainings read, in order."""
    paths = [ROOT / "lib" / room for room in (*ROOMS, *MORE.get(stage, ()))]
    return sorted(file for path in paths for file in ([path] if path.suffix else path.rglob("*.py")))


def folder(settings: Study, stage: str, cell: str, method: str, seed: int) -> Path:
    """build/resume/<digest>: named by all that the run's numbers depend on (settings, the code that a
    training reads, data, teacher, versions), so that nothing is ever taken up that another code or another
    setting has made, and a mended figure throws no epoch away. Not a DVC output: DVC deletes those before it
    runs a stage.
    """
    points = [] if stage == "dense" else [point.record for point in settings.points(cell, method)]
    depends = [stage, cell, method, seed, points, settings.cells[cell].model_dump(), settings.threads, torch.__version__]
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode())
    earlier = []  # what another stage has made, and this one's networks depend on
    if stage == "tokens":  # the teacher
        earlier = sorted(settings.run_folder("dense", cell, "dense", seed).glob("*.pt"))
    if stage == "controls":  # the widths found
        path = settings.result_path("channels", cell, settings.controls[method].of, seed)
        earlier = [path] if path.exists() else []  # the smoke study finds them itself
    for path in [*code(stage), settings.data_path(settings.cells[cell].data), *earlier]:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return ROOT / "build" / "resume" / digest.hexdigest()[:20]


def read(path: Path, device: torch.device | str = "cpu") -> dict | None:
    """What a run has kept; None if there is nothing, or nothing that is whole: that is set aside, and a line says so."""
    try:
        return load_tensors(path, device)
    except FileNotFoundError:
        return None
    except ValueError as error:
        aside = path.with_suffix(".damaged")
        os.replace(path, aside)
        print(f"{error}; it is now {aside.name}, and this training begins anew")
        return None


def forget(kept: Path) -> None:
    """Called when the result is written: there is nothing left to go on with."""
    for path in kept.glob("[!.]*"):  # the rest is being written by another run of the same
        path.unlink(missing_ok=True)
    with suppress(OSError):
        kept.rmdir()


def heed_sigterm() -> None:
    """In the kernel of a notebook: SIGTERM, as batch systems send it before their deadline, ends the training at the next
    `stop_if_asked`; and the kernel does not outlive the process that has started it."""
    parent = os.getppid()
    if os.environ.get("JPY_PARENT_PID") == str(parent) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()


def _end_with(parent: int) -> None:
    """ipykernel's own look after it takes every new parent but init for the old one."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def stop_if_asked(where: str) -> None:
    """raises: Stopped if SIGTERM has come"""
    if asked.is_set():
        asked.clear()  # a notebook may be run on by hand
        raise Stopped(f"SIGTERM: stopped {where}, which is kept; run it again, and it goes on from there")
