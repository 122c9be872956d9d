"""A pilot of the cifar study: how a way of pruning does in a short training, told by validation images alone.

usage: python benchmarks/search.py METHOD ratio=0.5 [seed=0] [per_synapses=0.5 ...]    a method of params.yaml
       python benchmarks/search.py dense [seed=0] [width=0.25]                             what it must beat

A line of results/benchmarks/search.csv, whatever it says. A stopped one goes on from its last epoch. What
pilots of a seed train alike is trained once.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

from ruamel.yaml import YAML
from speedrun import KEPT, computed, device, replaced

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import commit

from lib import data, measure, training
from lib.core.files import ROOT
from lib.core.tensors import load_tensors
from lib.pruning.prefix import before_listening
from lib.settings import DENSE, Method, Study, Task, Trial, config
from lib.settings.study import fill
from lib.training import warmup
from lib.training.checkpoint import code

LOG = ROOT / "results" / "benchmarks" / "search.csv"
TASK = "vgg7-cifar10-pilot"


def trial_of(study: Study, task: Task, name: str, ratio: float, changes: dict) -> Trial:
    if name == "dense":
        return DENSE
    method = Method.model_validate({**study.methods[name].model_dump(exclude_unset=True), **changes})
    return Trial(ratio=ratio, method=fill(task, method))


def kept_at(task: Task, seed: int, *parts) -> Path:
    """Named by all that its numbers depend on."""
    made = hashlib.sha256(json.dumps([task.model_dump_json(), seed, *parts]).encode())
    for file in code():
        made.update(file.read_bytes())
    return KEPT / f"{made.hexdigest()[:16]}.pt"


def begun(run: training.Run, task: Task, seed: int) -> None:
    """Takes a run of a method to the end of what all of them train alike."""
    epochs = before_listening(task, run.trial.method)
    file = kept_at(task, seed, "warm-up", epochs)
    if not file.exists():
        warm = training.Run(run.splits, task, DENSE, seed)
        warmup.advance(warm, {epochs: file}, f"warm-up of {epochs}, seed {seed}")
    run.fork(load_tensors(file, run.device))


def main(name: str, *given: str) -> None:
    at = commit()  # of the code that is loaded, whatever is committed meanwhile
    study = config.load("cifar")
    yaml = YAML(typ="safe")
    changes = {key: yaml.load(value) for key, value in (one.split("=", 1) for one in given)}
    seed = changes.pop("seed", 0)
    ratio = changes.pop("ratio", 0.0)
    dense = name == "dense"
    task = replaced(study.tasks[TASK], changes if dense else {})
    trial = trial_of(study, task, name, ratio, changes)
    training.set_up(study.threads)
    run = training.Run(data.open_or_prepare(study, task.data), task, trial, seed)
    kept = kept_at(task, seed, trial.model_dump_json())
    if not run.resume(kept) and not dense:
        begun(run, task, seed)
    run.fit(f"{' '.join((name, *given))}", kept)
    small = run.finish()
    x, y = run.splits.validation
    row = {
        "method": name,
        "changed": " ".join(f"{key}={value}" for key, value in changes.items()),
        "ratio": ratio,
        "seed": seed,
        "validation (%)": f"{100 * measure.accuracy(small, x, y):.2f}",
        "parameters": measure.count_parameters(small)["all"],
        "AC": round(measure.synops(small, x[: measure.COST_IMAGES])["ac"]),
        "widths": " ".join(str(len(site.mask)) for site in small.sites.values()),
        "by epoch (%)": " ".join(f"{100 * line['validation']:.1f}" for line in run.log),
        "computed in": computed(run.net.fast),
        "processor": device(),
        "commit": at,
    }
    fresh = not LOG.exists()
    with open(LOG, "a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    print(row)


if __name__ == "__main__":
    main(*sys.argv[1:])
