"""What an update takes from accuracy, and how much of that is statistics of batch normalisation that no
longer fit (`python benchmarks/update.py`; real CIFAR-10, as the small study prepares it).

Writes results/benchmarks/update.md. Some 5 minutes of one core.
"""

import sys
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by

from lib import data, models, training
from lib.core.files import ROOT, write_text
from lib.measure import accuracy
from lib.models.start import recalibrate
from lib.report.stats import interval
from lib.settings import config, records

STUDY = "small"
TASK = "vgg9-cifar10"
METHOD = "sca"
EPOCHS = 4
BATCHES = 20


def measured_anew(run: training.Run) -> float:
    """Validation accuracy of a copy whose statistics come from BATCHES training batches, and from the network
    as it is now."""
    net = models.clone(run.net, torch.float32)
    recalibrate(net, run.batches(torch.Generator().manual_seed(run.seed), BATCHES))
    return accuracy(net, *run.splits.validation)


def updates(settings: config.Study, seed: int) -> list[dict]:
    """Validation accuracy (%) before and after each of the first updates, after it with both statistics."""
    task = settings.tasks[TASK]
    trial = settings.trials(TASK, METHOD)[-1]
    run = training.Run(data.open_or_prepare(settings, task.data), task, trial, seed)
    rows = []
    for _ in tqdm(range(EPOCHS), desc=f"seed {seed}", unit="epoch"):
        run.epoch()
        line = run.log[-1]
        if "before_update" in line:
            shares = {
                "before": line["before_update"],
                "after": line["validation"],
                "after, measured anew": measured_anew(run),
            }
            rows.append(
                {"update after epoch": line["epoch"], **{name: 100 * share for name, share in shares.items()}}
            )
    return rows


def main() -> None:
    settings = config.load(STUDY)
    training.set_up(settings.threads)
    table = pd.DataFrame([row for seed in settings.grid.seeds for row in updates(settings, seed)])
    groups = table.groupby("update after epoch")
    shown = groups.agg(lambda seeds: "{:.1f} ± {:.1f}".format(*interval(seeds))).assign(n=groups.size())
    trial = settings.trials(TASK, METHOD)[-1]
    made = records.provenance(settings.threads)
    text = made_by("python benchmarks/update.py", f"{settings.params} and CIFAR-10") + (
        f"{TASK} of the study {STUDY}, {settings.methods[METHOD].label} at {trial.name}: validation "
        "accuracy (%), mean ± half of the 95 % interval over seeds. *Measured anew*: statistics of batch "
        "normalisation from "
        f"{BATCHES} training batches of the network that the update leaves. torch {made['torch']}.\n\n"
        f"{shown.to_markdown()}\n"
    )
    write_text(ROOT / "results" / "benchmarks" / "update.md", text)
    print(text)


if __name__ == "__main__":
    main()
