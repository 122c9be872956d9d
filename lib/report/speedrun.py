"""What `benchmarks/speedrun.py` has measured: results/benchmarks/speedrun.csv as a table, and its figures."""

from typing import Annotated, Literal

import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import t

from lib.core.errors import pick
from lib.core.files import ROOT
from lib.report import draw, page, plots, published
from lib.report.stats import interval
from lib.settings import Task, config

LOG = ROOT / "results" / "benchmarks" / "speedrun.csv"
PUBLISHED = ROOT / "results" / "published_cost.csv"
TEST = "test (%)"
VALIDATION = "validation (%)"
MINUTES = "minutes"
TIMED = "n of the minutes"
PFLOP = "PFLOP"
CHANGED = "changed"
SHARED = "minutes: of two cores, each with a training of its own, by the last commit named"
ON = ["task", "processor"]  # what is averaged over seeds
TARGETS = {  # test accuracy (%) at least, minutes of two cores at most, with AMX / without
    "vgg7-cifar10-short": (86, "10 / 20"),
    "vgg7-cifar10-long": (90, "40 / 80"),
    "vgg16-cifar10": (89, "120 / 240"),
    "vgg7-cifar100": (65, "40 / 80"),
    "vgg7-cifar100-long": (65, "40 / 80"),
}
LOOKS = {"spiking": (plots.GREY, "x"), "rectified": (plots.GREY, "+")}


class Cost(BaseModel):
    """A line of results/published_cost.csv: what a published training costs in all, and its test accuracy in
    percent."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: published.Text
    units: Literal["spiking", "rectified"]
    network: published.Text
    accuracy: Annotated[float, Field(gt=0, le=100)]
    PFLOP: Annotated[float, Field(gt=0)]
    kind: Literal["primary", "secondary"]
    note: published.Text


def rows() -> pd.DataFrame:
    """A row a training, the newest of the same seed and processor; accuracy in percent, minutes of two cores
    (a core's seconds / 120; none on a GPU); data and network: of its task in the cifar study."""
    table = pd.read_csv(LOG, keep_default_na=False)
    table = table.drop_duplicates([*ON, CHANGED, "seed"], keep="last").reset_index(drop=True)
    known = config.load("cifar").tasks
    tasks = [pick(known, name, f"{LOG.name}: task") for name in table["task"]]
    table["data"] = [task.data for task in tasks]
    table["network"] = [network(task) for task in tasks]
    for name in (TEST, VALIDATION, PFLOP, "core-seconds"):
        table[name] = pd.to_numeric(table[name])
    table[MINUTES] = table["core-seconds"] / 120
    return table


def network(task: Task) -> str:
    """What is trained, and that it is trained as SpikingJelly's own examples do, if it is."""
    return task.net.upper() + ", plain SpikingJelly" * (task.fast.neurons == "spikingjelly")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row a processor and task as params.yaml has it: n seeds, mean test accuracy, half of its 95 %
    interval; minutes by the newest code alone; what was asked for (TARGETS)."""
    found = []
    same = [*ON, "T", "epochs"]  # a task that params.yaml changed since is another row
    for (task, processor, steps, epochs), seeds in table[table[CHANGED] == ""].groupby(same, sort=False):
        mean, half = interval(seeds[TEST])
        least, most = TARGETS.get(task, (float("nan"), ""))
        found.append(
            {
                "task": task,
                "n": len(seeds),
                "T": steps,
                "epochs": epochs,
                TEST: mean,
                "±": half,
                "at least": least,
                MINUTES: newest(seeds)[MINUTES].mean(),
                TIMED: len(newest(seeds)),
                "at most": most,
                PFLOP: seeds[PFLOP].mean(),
                "processor": processor,
                "commit": ", ".join(dict.fromkeys(seeds["commit"])),
            }
        )
    return pd.DataFrame(found)


def newest(seeds: pd.DataFrame) -> pd.DataFrame:
    """Those of the last commit; what was not committed by then is not told apart."""
    commits = seeds["commit"].str.removesuffix("-dirty")
    return seeds[commits.eq(commits.iloc[-1])]


def curve(row: pd.Series) -> list[float]:
    """Validation accuracy after each epoch, percent."""
    return [float(value) for value in row["by epoch (%)"].split()]


def final(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The trainings of tasks as params.yaml has them, on one data set."""
    return table[table[CHANGED].eq("") & table["data"].eq(name)]


def label_of(seeds: pd.DataFrame) -> str:
    """Of the trainings of a task."""
    one = seeds.iloc[0]
    return f"{one['network']}, {one['epochs']} epochs (n = {seeds['seed'].nunique()})"


def budgets(table: pd.DataFrame) -> Figure:
    """Test accuracy against what a training costs: operations, with what others published, and minutes."""
    known = published.table(PUBLISHED, Cost)
    ours = final(table, "cifar10")
    fig, axes = plots.figure(180, 85, 1, 2, sharey=True)
    for units, (color, marker) in LOOKS.items():
        others = known[known["units"] == units]
        label = f"others, {units}"
        axes[0].plot(others["PFLOP"], others["accuracy"], marker, color=color, label=label)
        for _, one in others.iterrows():
            name = f"{one['name']}, {one['network'].split(',')[0]}"
            last = one["PFLOP"] == known["PFLOP"].max()
            place = {"xytext": (-4 if last else 4, -9), "ha": "right" if last else "left"}
            axes[0].annotate(
                name, (one["PFLOP"], one["accuracy"]), textcoords="offset points", size=6, **place
            )
    first, *others = ours.loc[ours[MINUTES].notna(), "processor"].unique()
    for number, (_, seeds) in enumerate(ours.groupby("task", sort=False)):
        look = {**plots.in_turn(number + 1), "linestyle": "", "label": label_of(seeds)}
        axes[0].plot(seeds[PFLOP], seeds[TEST], **look)
        for processor, each in seeds.groupby("processor", sort=False):
            timed = newest(each)
            fill = {} if processor == first else {"markerfacecolor": "white", "label": "_"}
            axes[1].plot(2 * timed[MINUTES], timed[TEST], **(look | fill))
    axes[0].set(xscale="log", xlabel="operations of the whole training (PFLOP)", ylabel="test accuracy (%)")
    axes[1].set(xlabel="minutes of one core", xlim=(0, None))
    plots.head(fig, best(ours))
    marks = "CIFAR-10; a mark a seed, minutes by the last commit on each processor, another training beside"
    hollow = f", hollow: {' or '.join(others)}" if others else ""
    fig.supxlabel(f"{marks}\nminutes on {first}{hollow}; published marks: one printed value each", size=6)
    return fig


def best(ours: pd.DataFrame) -> str:
    """The task of the highest mean test accuracy, in words."""
    found = summary(ours)
    row = found.loc[found[TEST].idxmax()]
    network = ours.loc[ours["task"].eq(row["task"]), "network"].iloc[0]
    spent = "" if pd.isna(row[MINUTES]) else f" in {2 * row[MINUTES]:.0f} minutes of one core"
    return f"A spiking {network}: {row[TEST]:.1f} % (n = {row['n']}){spent}"


def curves(table: pd.DataFrame) -> Figure:
    """Validation accuracy after each epoch, a line a training, a panel a data set; spikes hollow."""
    known = config.load("cifar").tasks
    names = list(dict.fromkeys(table.loc[table[CHANGED].eq(""), "data"]))
    fig, axes = plots.figure(180, 75, 1, len(names))
    for ax, name in zip(axes, names, strict=True):
        of_data = final(table, name)
        for number, (task, seeds) in enumerate(of_data.groupby("task", sort=False)):
            look = plots.in_turn(number + 1) | {"markersize": 3}
            first = sum(phase.epochs for phase in known[task].train.phases)  # of spikes, counted from 0
            for place, values in enumerate(seeds.apply(curve, axis=1)):
                label = label_of(seeds) if not place else None
                epochs = range(1, len(values) + 1)
                ax.plot(epochs, values, **look, label=label)
                hollow = look | {"linestyle": "", "markerfacecolor": "white"}
                ax.plot(epochs[first:], values[first:], **hollow)
        ax.set(xlabel="epoch", ylabel="validation accuracy (%)")
        last = of_data[VALIDATION].agg(["min", "max"])
        ends = " to ".join(dict.fromkeys(f"{each:.1f}" for each in last))
        ax.set_title(f"{plots.shown(name)}: {ends} % at the end")
        draw.whole_numbers(ax)
        plots.legend(ax)
    fig.supxlabel(
        "a line a training; hollow: epochs of spikes, the others with rectified units or rates", size=6
    )
    return fig


EVERYDAY = "vgg7-cifar10-short"
WIDTH = 0.5  # of the network that tricks are tried with
BASE = f"width={WIDTH:g}"  # as `changed` has it
TRICKS = {  # what was changed, in words
    "whiten=false": "first filters drawn at random, not whitened",
    "augment=crop_flip": "crops and flips by chance, not mirrored in turn",
    "train.smoothing=0.0": "no label smoothing",
    "train.phases=[{epochs: 6, units: relu}]": "rectified units until the spikes begin, no rates",
    "train.phases=[{epochs: 6, units: rate}]": "rates from the start, no rectified units",
    "train.optimizer=sgd train.lr_convolutions=null": "SGD for the convolutions, not Muon",
    "train.lr_schedule=cosine": "cosine learning rate, not triangular",
}


def by_chance(seeds: pd.Series) -> float:
    """How far two more trainings of one recipe may lie apart (95 %), by the standard deviation over seeds and
    Student's t, n - 1."""
    return t.ppf(0.975, len(seeds) - 1) * 2**0.5 * seeds.std(ddof=1)


def tricks(table: pd.DataFrame) -> Figure:
    """What validation accuracy the everyday run at BASE loses with one thing changed, seed by seed: what
    costs most stands first. Shaded: what may be chance, by the seeds of the everyday run itself."""
    of_task = table[table["task"] == EVERYDAY]
    plain = of_task[of_task[CHANGED] == BASE].groupby("seed")[VALIDATION].mean()
    changed = of_task[of_task[CHANGED].str.startswith(f"{BASE} ") & of_task["seed"].isin(plain.index)]
    changed = changed.assign(
        gained=changed[VALIDATION] - changed["seed"].map(plain),
        shown=[TRICKS.get(name.removeprefix(f"{BASE} "), name) for name in changed[CHANGED]],
    )
    means = changed.groupby("shown")["gained"].mean().sort_values()
    fig, [ax] = plots.figure(180, 28 + 7 * len(means))
    for place, name in enumerate(means.index):
        rows = changed[changed["shown"] == name]
        ax.plot(rows["gained"], [place] * len(rows), "o", color=plots.BLUE)
    seeds = of_task[of_task[CHANGED] == ""]
    chance = by_chance(seeds.drop_duplicates("seed")[VALIDATION])
    ax.axvspan(-chance, chance, color="0.9", zorder=0)
    ax.axvline(0, color=plots.BLACK, linewidth=0.8)
    ax.set(yticks=range(len(means)), yticklabels=means.index)
    ax.set_xlabel("validation accuracy beside the recipe's (points)")
    ax.invert_yaxis()
    says = [f"With {name}, the recipe loses {-points:.1f} points" for name, points in means[:1].items()]
    fig.suptitle(says[0] if says else "Nothing is changed yet")
    task = config.load("cifar").tasks[EVERYDAY].model_copy(update={"width": WIDTH})
    count = seeds["seed"].nunique()
    apart = f"as far as two seeds of one recipe may lie apart (95 %, by {count} seeds at full width)"
    note = f"a mark a seed; shaded: {chance:.1f} points, {apart}"
    page.note(fig, f"cifar, {EVERYDAY}", f"{plots.task_title(task)}; n = {len(plain)}", note)
    return fig
