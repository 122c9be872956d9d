"""Where a training keeps its last epoch, so that a stopped run goes on instead of beginning again."""

import hashlib
import json
import shutil
from pathlib import Path

import torch

from lib.config import ROOT, Study


def folder(settings: Study, stage: str, cell: str, method: str, seed: int) -> Path:
    """build/resume/<digest>: named by all that the run's numbers depend on (settings, code, data, teacher, versions), so that
    nothing is ever taken up that another code or another setting has made. Not a DVC output: DVC deletes those before it runs
    a stage.
    """
    asked = [] if stage == "dense" else [point.record for point in settings.points(cell, method)]
    depends = [stage, cell, method, seed, asked, settings.cells[cell].model_dump(), settings.threads, torch.__version__]
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode())
    teachers = sorted(settings.run_folder("dense", cell, "dense", seed).glob("*.pt")) if stage == "tokens" else []
    for path in [*sorted((ROOT / "lib").rglob("*.py")), settings.data_path(settings.cells[cell].data), *teachers]:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return ROOT / "build" / "resume" / digest.hexdigest()[:20]


def forget(kept: Path) -> None:
    """Called when the result is written: there is nothing left to go on with."""
    shutil.rmtree(kept, ignore_errors=True)
