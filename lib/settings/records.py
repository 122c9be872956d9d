"""One JSON file a method, task and seed: what each of its trials was asked for and what was measured. Written
whole or not at all; read with a check that it is what params.yaml asks for now."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

from lib.core.errors import ConfigError
from lib.core.files import write_text
from lib.settings.given import Job
from lib.settings.grid import STAGES
from lib.settings.study import Study

SCHEMA = 4
# of a task: not every stage reads them
OPTIONAL = {"ratios", "densities", "rhos", "prune", "rewire", "student"}


class ResultsError(ConfigError):
    """A record does not hold what is asked; the message says which one, and how to make it."""


class Missing(ResultsError):
    """It has not been made yet."""


def rounded(value):
    """Numbers to 6 significant digits, tensors to lists: what differs beyond differs between machines."""
    if hasattr(value, "tolist"):
        return rounded(value.tolist())
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def provenance(threads: int) -> dict:
    """What the numbers depend on, without times, hosts or paths."""
    packages = {name: version(name).split("+")[0] for name in ("torch", "spikingjelly")}
    return {"python": platform.python_version(), **packages, "threads": threads}


def write(path: Path, identity: dict, trials: list[dict], threads: int) -> None:
    """identity: study, stage, task, method, seed and recipe (as the function of that name gives it);
    trials: a record each.

    A stopped run leaves the old file whole.
    """
    record = rounded({"schema": SCHEMA, **identity, "made_with": provenance(threads), "trials": trials})
    write_text(path, json.dumps(record, sort_keys=True, indent=1, allow_nan=False) + "\n")


def save(job: Job, seed: int, trials: list[dict]) -> None:
    """Writes what a notebook has measured of one seed, under the names of its job."""
    settings, stage, task, method = job
    identity = {"study": settings.study, "stage": stage, "task": task, "method": method, "seed": seed}
    identity["recipe"] = recipe(settings, stage, task)
    write(settings.result_path(stage, task, method, seed), identity, trials, settings.threads)


def recipe(study: Study, stage: str, task: str) -> dict:
    """The settings of a task that a stage's numbers depend on;
    what it prunes at which ratio stands in each record."""
    unread = OPTIONAL - set(STAGES[stage].needs[:1])
    settings = study.tasks[task].model_dump(exclude=unread)
    return rounded({**settings, "splits": study.data.model_dump(exclude={"root"})})


def request(record: dict) -> tuple:
    """What a trial was asked for: fraction removed or kept, of weights and of tokens, variant, and the
    method's settings without its label, which changes no number."""
    settings = {key: value for key, value in record.get("settings", {}).items() if key != "label"}
    shares = record.get("ratio", 0.0), record.get("target_density"), record.get("rho")
    return *shares, record.get("variant", {}), settings


def read(study: Study, stage: str, task: str, method: str, seed: int) -> list[dict]:
    """What one run measured, a record a trial.

    raises: Missing; ResultsError that says why it cannot be had
    """
    path = study.result_path(stage, task, method, seed)
    name = f"{task}/{method}/{path.name}"
    try:
        record = json.loads(path.read_text())
        schema = record["schema"]
        trials = record["trials"]
        made = [request(trial) for trial in trials]
        trained = record["recipe"]
    except FileNotFoundError:
        raise Missing(f"{name} is missing") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise ResultsError(f"{name} is unreadable") from None
    if schema != SCHEMA:
        raise ResultsError(f"{name} has schema {schema}, not {SCHEMA}")
    wanted = [request(rounded(trial.record)) for trial in study.trials(task, method)]
    if made != wanted or trained != recipe(study, stage, task):
        raise ResultsError(f"{name} was made with other settings than params.yaml asks for now")
    return trials
