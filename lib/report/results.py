"""One JSON a run, written whole or not at all; the tidy table of a study, or a line that says what is missing."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

from lib.core.errors import ConfigError
from lib.core.files import whole
from lib.settings.config import Study
from lib.settings.given import Job

SCHEMA = 3
STAGES = {  # the part of the grid that a stage runs over, and what of a task it reads beside the network's own settings
    "dense": ("tasks", set()),
    "channels": ("pruned", {"prune"}),
    "ablate": ("ablated", {"prune"}),
    "baselines": ("matched", {"prune"}),
    "weights": ("rewired", {"rewire"}),
    "tokens": ("selected", {"student"}),
}


class ResultsError(ConfigError):
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
    return {
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "spikingjelly": version("spikingjelly"),
        "threads": torch.get_num_threads(),
    }


def write(path: Path, identity: dict, trials: list[dict]) -> None:
    """identity: study, stage, task, method, seed and recipe (as the function of that name gives it).

    A stopped run leaves the old file whole.
    """
    record = rounded({"schema": SCHEMA, **identity, "made_with": provenance(), "trials": trials})
    write_text(path, json.dumps(record, sort_keys=True, indent=1, allow_nan=False) + "\n")


def save(job: Job, seed: int, trials: list[dict]) -> None:
    """Writes what a notebook has measured, under the names of its job."""
    settings, stage, task, method = job
    identity = {"study": settings.study, "stage": stage, "cell": cell, "method": method, "seed": seed}
    identity["recipe"] = recipe(settings, stage, task)
    write(settings.result_path(stage, task, method, seed), identity, trials)


def write_text(path: Path, text: str) -> None:
    """Written beside and moved into place: a stopped run leaves the old file whole."""
    with whole(path) as beside:
        beside.write_text(text)


def recipe(study: Study, stage: str, task: str) -> dict:
    """The settings of a task that a stage's numbers depend on; what it prunes at which ratio stands in each record."""
    unread = {"ratios", "densities", "rhos", "prune", "rewire", "student"} - STAGES[stage][1]
    settings = study.tasks[task].model_dump(exclude=unread)
    return rounded({**settings, "splits": study.data.model_dump(exclude={"root"})})


def expected(study: Study, stage: str, methods) -> list[tuple[str, str, int]]:
    return [
        (task, method, seed)
        for task in getattr(study.grid, STAGES[stage][0])
        for method in methods
        for seed in study.grid.seeds
    ]


def asked(trial: dict) -> tuple:
    """What one training was asked for: fraction removed or kept, of weights and of tokens, variant, and the method's settings
    without its label, which changes no number."""
    settings = {key: value for key, value in trial.get("settings", {}).items() if key != "label"}
    return trial.get("ratio", 0.0), trial.get("asked"), trial.get("rho"), trial.get("variant", {}), settings


def read(study: Study, stage: str, task: str, method: str, seed: int) -> list[dict]:
    """What one run measured, a record a training. raises: ResultsError that says why it cannot be had"""
    path = study.result_path(stage, task, method, seed)
    name = f"{path.parent.name}/{path.name}"
    try:
        record = json.loads(path.read_text())
        schema, trials = record["schema"], record["trials"]
        made = [asked(trial) for trial in trials]
        trained = record["recipe"]
    except FileNotFoundError:
        raise ResultsError(f"{name} is missing") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise ResultsError(f"{name} is unreadable") from None
    if schema != SCHEMA:
        raise ResultsError(f"{name} has schema {schema}, not {SCHEMA}")
    wanted = (
        [asked({})]
        if stage == "dense"
        else [asked(rounded(trial.record)) for trial in study.trials(task, method)]
    )
    if made != wanted or trained != recipe(study, stage, task):
        raise ResultsError(f"{name} was made with other settings than params.yaml asks for now")
    return trials


def load(study: Study, stage: str, methods) -> pd.DataFrame:
    """One row a training: task, method, seed, ratio, value and everything measured, nested records as they were written.

    raises: ResultsError that names every run that cannot be had; a partial grid is never plotted
    """
    rows, wrong = [], []
    for task, method, seed in expected(study, stage, methods):
        try:
            trials = read(study, stage, task, method, seed)
            rows += [{"cell": cell, "method": method, "seed": seed, **trial} for trial in trials]
        except ResultsError as error:
            wrong.append(str(error))
    if wrong:
        raise ResultsError(f"results/{study.study}/{stage}: {', '.join(wrong)}; run `make repro`")
    return pd.DataFrame(rows)
