"""One JSON a run, written whole or not at all; the tidy table of a study, or a line that says what is missing."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

from lib.config import Study

SCHEMA = 1


class ResultsError(Exception):
    """The committed results do not hold what is asked; the message says which run is missing and how to make it."""


def rounded(value):
    """Numbers to 6 significant digits, tensors to lists: what differs beyond that differs between machines."""
    if isinstance(value, torch.Tensor):
        return rounded(value.tolist())
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def provenance() -> dict:
    """What the numbers depend on, without times, hosts or paths."""
    return {"python": platform.python_version(), "torch": torch.__version__.split("+")[0], "spikingjelly": version("spikingjelly"),
            "device": "cpu", "dtype": "float32", "memory_format": "contiguous", "compile": False, "threads": torch.get_num_threads()}


def write(path: Path, identity: dict, points: list[dict]) -> None:
    """identity: study, stage, cell, method, seed. Written beside and moved into place, so a stopped run leaves the old file."""
    record = rounded({"schema": SCHEMA, **identity, "made_with": provenance(), "points": points})
    write_text(path, json.dumps(record, sort_keys=True, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Written beside and moved into place: a stopped run leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.part")
    try:
        beside.write_text(text)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def expected(study: Study, stage: str, methods) -> list[tuple[str, str, int]]:
    return [(cell, method, seed) for cell in study.grid.cells for method in methods for seed in study.grid.seeds]


def load(study: Study, stage: str, methods) -> pd.DataFrame:
    """One row a training: cell, method, seed, ratio, value and everything measured, nested records as they were written.

    raises: ResultsError that names every missing or unreadable run; a partial grid is never plotted
    """
    rows, missing = [], []
    for cell, method, seed in expected(study, stage, methods):
        path = study.result_path(stage, cell, method, seed)
        try:
            record = json.loads(path.read_text())
        except (OSError, ValueError):
            missing.append(path.name)
            continue
        if record.get("schema") != SCHEMA:
            missing.append(f"{path.name} (schema {record.get('schema')}, not {SCHEMA})")
            continue
        rows += [{"cell": cell, "method": method, "seed": seed, **point} for point in record["points"]]
    if missing:
        raise ResultsError(f"results/{study.study}/{stage}: {', '.join(missing)} missing or unreadable; run `make repro`")
    return pd.DataFrame(rows)
