"""One training of a task of the cifar study, timed: a line of results/benchmarks/speedrun.csv.

usage: python benchmarks/speedrun.py vgg7-cifar10 [seed=0] [train.epochs=6 ...]

As params.yaml says, test images are read; with something else tried, validation images alone.
A stopped one goes on from its last epoch.
"""

import csv
import hashlib
import json
import sys
import time
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML, YAMLError

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

import told
from evidence import commit, processor

from lib import data, measure, training
from lib.core.errors import ConfigError, explain, pick
from lib.core.files import ROOT, write_text
from lib.settings import DENSE, Fast, Task, config
from lib.training import checkpoint, warmup

LOG = ROOT / "results" / "benchmarks" / "speedrun.csv"
KEPT = ROOT / "build" / "speedrun"


def replaced(task: Task, changes: dict) -> Task:
    """changes: {"field" or "part.field": value}. raises: ConfigError"""
    settings = task.model_dump(exclude_unset=True)  # what is unset stays so: `fast.measured` stands alone
    for name, value in changes.items():
        *parts, last = name.split(".")
        inner = settings
        for part in parts:
            inner = pick(inner, part, f"{name}: what this task sets")
            if not isinstance(inner, dict):
                raise ConfigError(f"{name}: {part} has no parts; give {part}=...")
        inner[last] = value
    return checked(Task, settings)


def checked(kind: type[BaseModel], settings: dict) -> BaseModel:
    """raises: ConfigError, one line, where pydantic finds something wrong"""
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


def trained(run: training.Run, label: str, kept: Path) -> tuple[float, float]:
    """Trains to the end; returns the seconds on the clock and of a core that it took, those before a stop
    included."""
    file = kept.with_suffix(".json")
    spent = {"0": (0.0, 0.0)}  # {epochs trained: seconds until then}
    if run.resume(kept):
        spent = json.loads(file.read_text())
    before = spent[str(len(run.log))]
    begun = clocks()

    def note() -> None:
        now = clocks()
        spent[str(len(run.log))] = [before[i] + now[i] - begun[i] for i in range(2)]
        write_text(file, json.dumps(spent))

    run.fit(label, kept, after=note)
    return tuple(spent[str(len(run.log))])


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def computed(fast: Fast) -> str:
    """What the processor was found to compute fastest."""
    products = ["products on 2x2"] if fast.products else []
    multiples = [f"channels in {fast.multiple}s"] if fast.multiple > 1 else []
    return ", ".join(["bf16" if fast.bf16 else "float32", fast.neurons, *products, *multiples])


def device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else processor()


def asked(given: tuple[str, ...]) -> tuple[int, dict]:
    """The seed, and what else a command line changes: key=value, each value as YAML reads it.
    raises: ConfigError"""
    changes = {"seed": 0}
    for one in given:
        key, sign, text = one.partition("=")
        if not sign:
            raise ConfigError(f"{one}: give key=value")
        try:
            changes[key] = YAML(typ="safe").load(text)
        except YAMLError:
            raise ConfigError(f"{one}: the value is not what YAML can read") from None
    seed = changes.pop("seed")
    if type(seed) is not int or seed < 0:
        raise ConfigError(f"seed={seed}: give a whole number of 0 or more")
    return seed, changes


def append(log: Path, row: dict) -> None:
    """A line more in a table, which begins with its names. raises: ConfigError, where these are others"""
    fresh = not log.exists()
    if not fresh and (head := log.read_text().partition("\n")[0]) != ",".join(row):
        raise ConfigError(
            f"{log.name}: its columns are {head}; this code writes {','.join(row)}; move it away"
        )
    with open(log, "a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def main(name: str = "-h", *given: str) -> None:
    if name in ("-h", "--help"):
        return print(__doc__)
    at = commit()  # of the code that is loaded, whatever is committed meanwhile
    study = config.load("cifar")
    seed, changes = asked(given)
    task = replaced(pick(study.tasks, name, "task"), changes)
    training.set_up(study.threads)
    run = training.Run(data.open_or_prepare(study, task.data), task, DENSE, seed)
    recipe = task.model_dump_json(include=warmup.RECIPE)  # not what it is pruned by
    made = hashlib.sha256(f"{name} {seed} {recipe}".encode())
    for file in [*checkpoint.code(), Path(__file__)]:  # what another code has kept is never taken up
        made.update(file.read_bytes())
    kept = KEPT / f"{made.hexdigest()[:16]}.pt"
    seconds, of_a_core = trained(run, f"{name}, seed {seed}", kept)
    net = run.finish()
    row = {
        "task": name,
        "changed": " ".join(one for one in given if not one.startswith("seed=")),
        "seed": seed,
        "epochs": task.train.epochs,
        "T": task.T,
        "test (%)": "" if changes else f"{100 * measure.accuracy(net, *run.splits.test):.2f}",
        "validation (%)": f"{100 * run.log[-1]['validation']:.2f}",
        "by epoch (%)": " ".join(f"{100 * line['validation']:.1f}" for line in run.log),
        "seconds": round(seconds),
        "core-seconds": "" if torch.cuda.is_available() else round(of_a_core),
        "PFLOP": f"{measure.training_flops(run) / 1e15:.3f}",
        "computed in": computed(run.net.fast),
        "processor": device(),
        "torch": torch.__version__.split("+")[0],
        "commit": at,
    }
    append(LOG, row)
    checkpoint.clear(kept)
    kept.with_suffix(".json").unlink()
    print(row)


if __name__ == "__main__":
    told.run(lambda: main(*sys.argv[1:]), ConfigError)
