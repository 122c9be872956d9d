"""Paragraphs of README.md with numbers of the small study, as `tools/readme.py` writes them."""

import re
import textwrap
from statistics import mean, median

import pandas as pd

from lib.report import results
from lib.report.stats import span
from lib.settings import config
from lib.settings.config import ROOT

STUDY = config.load("small")
TABLE = results.table(STUDY)
TASK = STUDY.tasks["vgg9-cifar10"]
RATIO = 0.7
SCA = {"epochs": 300, "images": 50_000, "batch": 64, "parameters": 15_250_378}  # methods 0.1 (2), A26
UPDATES = r"\| +(\d+) \| ([\d.]+) ±[^|]+\| ([\d.]+) ±[^|]+\| ([\d.]+) ±"  # a row of update.md


def wrapped(text: str) -> str:
    """In lines of even length; a path or a name is not broken."""
    return textwrap.fill(" ".join(text.split()), 128, break_on_hyphens=False, break_long_words=False)


def setting() -> str:
    """What was trained on real images, and how that compares with SCA's own trainings."""
    longer = STUDY.tasks["vgg9-longer-cifar10"]
    other = STUDY.tasks["vgg9-cifar100"]
    dense = TABLE.query("stage == 'dense' and task == 'vgg9-cifar10'")
    size = dense["parameters"].iloc[0]
    return wrapped(f"""
Test accuracy (%), mean ± half of the 95 % interval over {len(STUDY.grid.seeds)} seeds: CIFAR-10 in the
figure, CIFAR-100 too in the table. The grey marks in (c) are published, all of a VGG16 of
{SCA["parameters"] / 1e6:.0f} M parameters; SCA's trained for {SCA["epochs"]} epochs on {SCA["images"]:,}
images. Ours is a VGG9 of {size / 1e6:.2f} M parameters, trained on {images(TASK):,} images for
{TASK.train.epochs} epochs of {steps(TASK)} steps, which is what a CPU core trains in a few minutes. Its
first update comes after epoch {TASK.prune.warmup}, and {TASK.prune.interval * steps(TASK)} steps lie
between two updates (SCA's own: {SCA["images"] // SCA["batch"]}). So this says who is better *in short
trainings of small networks*, and not what SCA reaches; between our points and the grey marks lie network,
data and training. Because time between updates decides much (docs/methods.md, A22), `vgg9-longer-cifar10`
trains the same network for {longer.train.epochs} epochs, with the first update after epoch
{longer.prune.warmup} and {longer.prune.interval * steps(longer)} steps between two (at T = {longer.T}),
and `vgg9-cifar100` on {images(other):,} images ({other.train.epochs} epochs of {steps(other)} steps, T =
{other.T}). The test set is read once, at the end; SCA's code keeps the epoch that was best on it. The
numbers are those of an earlier code, with deviations that [studies/small](studies/small/params.yaml) names.
""")


def images(task) -> int:
    """Training images of a task, those for validation left out."""
    return round(STUDY.data.images[task.data] * (1 - STUDY.data.validation))


def steps(task) -> int:
    """Of one of its epochs; the last images, too few for a batch, are left out."""
    return images(task) // task.train.batch


def trained(method: str) -> pd.DataFrame:
    """The trainings of one method for channels in vgg9-cifar10 at RATIO, a row a seed."""
    return TABLE.query(
        "stage == 'channels' and task == 'vgg9-cifar10' and method == @method and ratio == @RATIO"
    )


def drops(method: str, first: int = 1) -> list[tuple[float, float]]:
    """Validation accuracy (%) before and after each of its updates, from an epoch on, over all seeds."""
    lines = [
        line
        for log in trained(method)["log"]
        for line in log
        if "before_update" in line and line["epoch"] >= first
    ]
    return [(100 * line["before_update"], 100 * line["validation"]) for line in lines]


def updates() -> str:
    """What an update takes, in frozen and in soft SCA."""
    before, after = zip(*drops("sca"), strict=True)
    late = TASK.train.epochs // 2
    taken = [whole - left for whole, left in drops("sca-soft", late)]
    measured = re.findall(UPDATES, (ROOT / "results/benchmarks/update.md").read_text())
    rows = [[float(number) for number in row] for row in measured]
    gone = [100 * (anew - left) / (whole - left) for _, whole, left, anew in rows]
    return wrapped(f"""
**What an update takes** (a, `vgg9-cifar10` at ratio {RATIO}). SCA in our frozen reading swaps channels
after every epoch. Its {len(after)} updates, of all seeds, take validation accuracy from {span(before)} %
down to {span(after)} % (median {median(after):.0f} %; chance is 10 %), and the epoch after each brings it
back. Much of the fall is not lost function: with statistics of batch normalisation measured anew,
{gone[0]:.0f} % of the fall after epoch {rows[0][0]:.0f} is gone, and {span(gone[1:])} % of the next ones
([results/benchmarks/update.md](results/benchmarks/update.md)). In the soft reading the updates from
epoch {late} on still take {span(taken)} points; in *sca+* they fade and stop. After the last update frozen
SCA trains for one more interval, at a learning rate near 0; soft SCA, as published, is cut once more
after the last epoch. It is not all of the story: only-prune is cut once, trains on undisturbed, and is
not to be told apart from frozen SCA.
""")


def layers() -> str:
    """Of which layers one ranking leaves most, and of which least."""
    runs = trained("sca")
    left = [
        f"{100 * mean(run.widths[name] / run.channels[name] for run in runs.itertuples()):.0f}"
        for name in sorted(runs["widths"].iloc[0])
    ]
    return wrapped(f"""
**Where the channels stay** (b). One ranking over all layers leaves frozen SCA {left[0]} and {left[1]} % of
its first two layers, and {left[-2]} and {left[-1]} % of the last two, as in SCA's Fig. 3. Early maps are
large: at equal ratio SCA's networks often have fewer parameters than random ones, but more SynOps. An equal
ratio is no equal cost; the accuracy that goes with equal cost is below. How thin the thinnest layer is does
not go with accuracy here (c); on the digits of the quick study it does.
""")


def cost() -> str:
    """How long the dense baseline of equal training cost trains."""
    epochs = TABLE.query("method == 'uniform-longer'")["epochs"]
    return wrapped(f"""
**What helps, and what a dense network of that size reaches.** *Equal training cost* is as many
multiply-accumulates as SCA's whole training takes, which are {span(epochs)} epochs of so small a network.
""")


def trainings() -> str:
    """How many trainings the small study holds."""
    return wrapped(f"""
`make repro STUDY=small` draws what was found on real CIFAR-10 and CIFAR-100 at laptop size, from the kept
results of {len(TABLE)} trainings of a quarter-width VGG9 (channels, with ablations and dense baselines;
single weights) and a Spikformer (tokens). To train them anew, hours on two cores, move the lists under
`kept:` in [studies/small](studies/small/params.yaml) up into its grid. Not run: the tasks under
`planned:` there (VGG16 and ResNet-19 learned too little in this budget, as its comments say;
PreResNet-18 and the event network for
lack of time).
""")
