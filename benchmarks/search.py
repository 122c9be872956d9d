"""A pilot of the cifar study: how a way of pruning does in a short training, told by validation images alone.

usage: python benchmarks/search.py METHOD ratio=0.5 [seed=0] [per_synapses=0.5 ...]    a method of params.yaml
       python benchmarks/search.py dense [seed=0] [width=0.25]                             what it must beat

A line of results/benchmarks/search.csv, whatever it says. A stopped one goes on from its last epoch. What
pilots of a seed train alike is trained once.
"""

import sys
from pathlib import Path

from speedrun import KEPT, append, asked, checked, computed, device, replaced

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

import told
from evidence import commit

from lib import data, measure, training
from lib.core.errors import ConfigError, pick
from lib.core.files import ROOT
from lib.core.tensors import load_tensors
from lib.pruning.prefix import prefix
from lib.settings import DENSE, Method, Study, Task, Trial, config
from lib.settings.given import Job
from lib.settings.study import fill
from lib.training import checkpoint, warmup

LOG = ROOT / "results" / "benchmarks" / "search.csv"
TASK = "vgg7-cifar10-pilot"


def trial_of(study: Study, task: Task, name: str, ratio: float, changes: dict) -> Trial:
    if name == "dense":
        return DENSE
    given = pick(study.methods, name, "method").model_dump(exclude_unset=True)
    method = fill(task, checked(Method, {**given, **changes}))
    return checked(Trial, {"ratio": ratio, "method": method})


def kept_at(study: Study, task: Task, seed: int, *parts) -> Path:
    """Named by all that its numbers depend on."""
    about = [task.model_dump(mode="json"), study.data.model_dump(mode="json"), study.threads, seed, *parts]
    return KEPT / f"{checkpoint.digest(Job(study, 'channels', TASK, 'pilot'), about, [])}.pt"


def begin(run: training.Run, study: Study) -> None:
    """Takes a run to the end of what it trains as others do."""
    begun = prefix(run.task, run.trial)
    if begun is None or begun.epochs == 0 or run.trial is DENSE:
        return
    file = kept_at(study, run.task, run.seed, begun.start, begun.epochs)
    if not file.exists():
        warm = training.Run(run.splits, run.task, run.trial, run.seed)
        warm.pruner.updates = []
        warmup.advance(warm, {begun.epochs: file}, f"warm-up of {begun.epochs} epochs, seed {run.seed}")
    run.fork(load_tensors(file, run.device))


def main(name: str = "-h", *given: str) -> None:
    if name in ("-h", "--help"):
        return print(__doc__)
    at = commit()  # of the code that is loaded, whatever is committed meanwhile
    study = config.load("cifar")
    seed, changes = asked(given)
    if name != "dense" and "ratio" not in changes:
        raise ConfigError(f"{name}: add ratio=0.5, or another share of the channels that goes")
    ratio = 0.0 if name == "dense" else changes.pop("ratio")
    task = replaced(study.tasks[TASK], changes if name == "dense" else {})
    trial = trial_of(study, task, name, ratio, changes)
    training.set_up(study.threads)
    run = training.Run(data.open_or_prepare(study, task.data), task, trial, seed)
    kept = kept_at(study, task, seed, trial.model_dump(mode="json"))
    if not run.resume(kept):
        begin(run, study)
    run.fit(" ".join((name, *given)), kept)
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
    append(LOG, row)
    checkpoint.clear(kept)
    print(row)


if __name__ == "__main__":
    told.run(lambda: main(*sys.argv[1:]), ConfigError)
