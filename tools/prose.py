"""Paragraphs with numbers of the small study and the speedrun, as `tools/readme.py` writes them."""

import re
import textwrap
from functools import cache
from statistics import mean, median

import pandas as pd

from lib.report import claims, findings, results, speedrun
from lib.report.claims import Difference
from lib.report.stats import interval, shown, span
from lib.settings import DATASETS, Study, Task, config
from lib.settings.config import ROOT

MAIN = "vgg9-cifar10"
RATIO = 0.7
SCA = {"epochs": 300, "images": 50_000, "batch": 64, "parameters": 15_250_378}  # methods 0.1 (2), A26
UPDATES = r"\| +(\d+) \| ([\d.]+) ±[^|]+\| ([\d.]+) ±[^|]+\| ([\d.]+) ±"  # a row of update.md


@cache
def study() -> Study:
    return config.load("small")


@cache
def table() -> pd.DataFrame:
    return results.table(study())


@cache
def differences() -> dict[str, list[Difference]]:
    """{question: differences that answer it}"""
    return findings.differences(study(), table())


def wrapped(text: str) -> str:
    """In lines of even length; a path or a name is not broken."""
    return textwrap.fill(" ".join(text.split()), 128, break_on_hyphens=False, break_long_words=False)


def dense() -> pd.DataFrame:
    """The dense networks of the main task, a row a seed."""
    return table().query("stage == 'dense' and task == @MAIN")


def reached(found: list[Difference]) -> str:
    """21 to 63: mean test accuracy (%) of the dense networks on the tasks of some differences."""
    dense = table()[table()["stage"].eq("dense")].groupby("task")["accuracy (%)"].mean()
    return span(dense[dense.index.isin([each.task for each in found])])


def setting() -> str:
    """What was trained on real images, and how that compares with SCA's own trainings."""
    task, longer, other = (study().tasks[name] for name in (MAIN, "vgg9-longer-cifar10", "vgg9-cifar100"))
    return wrapped(f"""
`vgg9-cifar10` is a VGG9 of {dense()["parameters"].iloc[0] / 1e6:.2f} M parameters, trained on
{images(task):,} images for
{task.train.epochs} epochs of {steps(task)} steps, which a CPU core does in a few minutes; its first update
comes after epoch {task.prune.warmup}, with {task.prune.interval * steps(task)} steps between two updates.
SCA trains a VGG16 of {SCA["parameters"] / 1e6:.0f} M parameters for {SCA["epochs"]} epochs on
{SCA["images"]:,} images, with {SCA["images"] // SCA["batch"]} steps between two updates. Because time
between updates decides much ([A22](methods.md#a22)), `vgg9-longer-cifar10` trains the same network for
{longer.train.epochs} epochs with {longer.prune.interval * steps(longer)} steps between two updates (T =
{longer.T}); `vgg9-cifar100` trains on {images(other):,} images ({other.train.epochs} epochs of
{steps(other)} steps, T = {other.T}). We read the test set once, at the end; SCA's code keeps the epoch that
was best on it. These results are of earlier code, with the deviations that
[studies/small](../studies/small/params.yaml) names.
""")


def tried(question: str, ours: str, theirs: str, made: dict | None = None) -> list[Difference]:
    """The differences of two ways of training under the question that begins so; made: of which study, if
    not of the small one"""
    [found] = [each for asked, each in (made or differences()).items() if asked.startswith(question)]
    chosen = [each for each in found if (each.ours, each.theirs) == (ours, theirs)]
    return [each for each in chosen if each.verdict != claims.APART]


def lost(found: list[Difference]) -> str:
    """6.3 to 18.8 points: by how much ours is lower, in every place. raises: ValueError if it is not"""
    values = sorted(-each.mean for each in found)
    if values[0] <= 0:
        raise ValueError(f"{found[0].ours} - {found[0].theirs}: not lower everywhere; write the finding anew")
    return " to ".join(dict.fromkeys((f"{values[0]:.1f}", f"{values[-1]:.1f}"))) + " points"


def decided(found: list[Difference]) -> str:
    return f"{sum(map(claims.decided, found))} of {len(found)} decided"


def in_short() -> str:
    """Sentences with numbers, each a line."""
    schedule = [each._replace(mean=-each.mean) for each in tried("What does sca+", "sca+", "SCA (frozen)")]
    [pq] = tried("What do sparse weights cost", "PQ", "dense")
    [grown] = tried("Does PQ beat its baselines", "PQ", "PQ, random growth")
    [random] = tried("Are learned tokens", "learned", "random tokens")
    if claims.decided(grown) or claims.decided(random):
        raise ValueError("a comparison of PQ or tokens is decided now: write it anew")
    lines = (  # "decided" is explained above them
        f"**A gentler schedule did better than frozen SCA.** *sca+* prunes step by step and stops early: "
        f"{lost(schedule)} more at equal ratio ({decided(schedule)}), which did not recur above.",
        f"**Whether weights and tokens must be chosen well is undecided.** PQ with "
        f"{pq.at.removeprefix('density ')} of the weights against random growth: "
        f"{shown(grown.mean, grown.half)} points; learned against random tokens, half at each stage: "
        f"{shown(random.mean, random.half)}.",
    )
    return "\n".join(f"- {line}" for line in lines)


def procedure() -> str:
    """Caption of the quick study's accuracy in README.md."""
    quick = config.load("quick")
    side = DATASETS[quick.tasks[quick.headline].data].shape[1]
    shown = f"a small spiking VGG on {side}x{side} digits, n = {len(quick.grid.seeds)}"
    return f"*The quick study: {shown}. It shows the procedure alone.*"


def speed() -> str:
    """What the speedrun reaches on CIFAR-10: of the everyday task, and of the one that reaches most, each on
    the processor of the most seeds."""
    table = speedrun.rows()
    found = speedrun.summary(table[table["data"].eq("cifar10")])
    found = found[found[speedrun.MINUTES].notna()]  # those of a core
    found = found.sort_values("n", ascending=False, kind="stable").drop_duplicates("task").sort_index()
    chosen = [speedrun.EVERYDAY, found.loc[found[speedrun.TEST].idxmax(), "task"]]
    rows = found[found["task"].isin(chosen)]
    told = [
        f"{row[speedrun.TEST]:.1f} % (n = {row['n']}{elsewhere(row['task'])}) in "
        f"{2 * row[speedrun.MINUTES]:.0f} CPU-minutes"
        for row in rows.to_dict("records")
    ]
    timed = " and ".join(map(str, rows[speedrun.TIMED]))
    processors = " or ".join(rows["processor"].unique())
    return (
        f"- **One CPU core trains a spiking VGG on CIFAR-10** to {' and to '.join(told)} ({processors}, "
        f"{timed} timed): [how](docs/speedrun.md). The first: `make speedrun`."
    )


def elsewhere(task: str) -> str:
    """What the seeds of a task reach that the cifar study trained; "" if it trained none."""
    seeds = results.table(config.load("cifar"), "dense").query("task == @task")
    if seeds.empty:
        return ""
    return f"; {len(seeds)} in the cifar study: {shown(*interval(seeds['accuracy (%)'])).lstrip('+')}"


def images(task: Task) -> int:
    """Training images of a task, those for validation left out."""
    data = study().data
    return round(data.images[task.data] * (1 - data.validation))


def steps(task: Task) -> int:
    """Of one of its epochs; the last images, too few for a batch, are left out."""
    return images(task) // task.train.batch


def trained(method: str) -> pd.DataFrame:
    """The trainings of one method for channels in the main task at RATIO, a row a seed."""
    return table().query("stage == 'channels' and task == @MAIN and method == @method and ratio == @RATIO")


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
    late = study().tasks[MAIN].train.epochs // 2
    taken = [whole - left for whole, left in drops("sca-soft", late)]
    measured = re.findall(UPDATES, (ROOT / "results/benchmarks/update.md").read_text())
    rows = [[float(number) for number in row] for row in measured]
    gone = [100 * (anew - left) / (whole - left) for _, whole, left, anew in rows]
    return wrapped(f"""
**An update takes accuracy to chance** (a, `vgg9-cifar10` at ratio {RATIO}). Frozen SCA swaps channels
after every epoch. Its {len(after)} updates, of all seeds, take validation accuracy from {span(before)} %
down to {span(after)} % (median {median(after):.0f} %; chance is 10 %), and the next epoch brings it
back. Part of the drop is stale statistics of batch normalisation: measuring them anew removes
{gone[0]:.0f} % of the drop after epoch {rows[0][0]:.0f}, and {span(gone[1:])} % of the next ones
([update.md](../results/benchmarks/update.md)). With soft SCA, updates from epoch {late} on still take
{span(taken)} points; with *sca+* they fade and stop. After its last update frozen SCA trains for one more
interval, at a learning rate near 0; soft SCA, as published, is cut once more after the last epoch. Updates
do not explain everything: only-prune is cut once and trains on undisturbed, and the difference to frozen
SCA is undecided.
""")


def layers() -> str:
    """Of which layers one ranking leaves most, and of which least."""
    runs = trained("sca")
    left = [
        f"{100 * mean(run.widths[name] / run.channels[name] for run in runs.itertuples()):.0f}"
        for name in sorted(runs["widths"].iloc[0])
    ]
    return wrapped(f"""
**Channels stay in the early layers** (b). One ranking over all layers leaves frozen SCA {left[0]} and
{left[1]} % of its first two layers, and {left[-2]} and {left[-1]} % of the last two, as in SCA's Fig. 3.
Early maps are large: at equal ratio SCA's networks often have fewer parameters than random ones, but more
SynOps.
The width of the thinnest layer does not go with accuracy here (c); on the digits of the quick study it
does.
""")


def cost() -> str:
    """How long the dense baseline of equal training cost trains."""
    epochs = table().query("method == 'uniform-longer'")["epochs"]
    return wrapped(f"""
*Equal training cost* is as many multiply-accumulates as SCA's whole training takes: {span(epochs)} epochs of
so small a network.
""")


def trainings() -> str:
    """How many trainings the small study holds."""
    return wrapped(f"""
`make repro STUDY=small` draws what was found on real CIFAR-10 and CIFAR-100 from the kept results of
{len(table())} trainings of a quarter-width VGG9 and a Spikformer. To train them anew, hours on two cores,
move the lists under `kept:` in `studies/small/params.yaml` up into its grid. Not run: the tasks under
`planned:` there.
""")
