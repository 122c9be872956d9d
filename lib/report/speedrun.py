"""What `benchmarks/speedrun.py` has measured: results/benchmarks/speedrun.csv as a table, and its figures."""

from typing import Annotated, Literal

import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field

from lib.core.files import ROOT
from lib.report import draw, plots, published
from lib.report.stats import interval

LOG = ROOT / "results" / "benchmarks" / "speedrun.csv"
PUBLISHED = ROOT / "results" / "published_cost.csv"
TEST = "test (%)"
VALIDATION = "validation (%)"
MINUTES = "minutes"
PFLOP = "PFLOP"
CHANGED = "changed"
SHARED = "minutes: of two cores, each with a training of its own"
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
    """A row a training; accuracy in percent, minutes of two cores (a core's seconds / 120; none on a GPU)."""
    table = pd.read_csv(LOG, keep_default_na=False)
    for name in (TEST, VALIDATION, PFLOP, "core-seconds"):
        table[name] = pd.to_numeric(table[name])
    table[MINUTES] = table["core-seconds"] / 120
    return table


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row a task as params.yaml has it: n seeds, mean test accuracy, half of its 95 % interval."""
    found = []
    for task, seeds in table[table[CHANGED] == ""].groupby("task", sort=False):
        mean, half = interval(seeds[TEST])
        found.append(
            {
                "task": task,
                "n": len(seeds),
                "T": seeds["T"].iloc[0],
                "epochs": seeds["epochs"].iloc[0],
                TEST: mean,
                "±": half,
                MINUTES: seeds[MINUTES].mean(),
                PFLOP: seeds[PFLOP].mean(),
                "processor": seeds["processor"].iloc[0],
                "commit": ", ".join(dict.fromkeys(seeds["commit"])),
            }
        )
    return pd.DataFrame(found)


def curve(row: pd.Series) -> list[float]:
    """Validation accuracy after each epoch, percent."""
    return [float(value) for value in row["by epoch (%)"].split()]


def label_of(seeds: pd.DataFrame) -> str:
    """Of the trainings of a task."""
    return f"{seeds['epochs'].iloc[0]} epochs (n = {len(seeds)})"


def budgets(table: pd.DataFrame) -> Figure:
    """Test accuracy against what a training costs: operations, with what others published, and minutes."""
    known = published.table(PUBLISHED, Cost)
    final = table[table[CHANGED] == ""]
    fig, axes = plots.figure(180, 80, 1, 2, sharey=True)
    for units, (color, marker) in LOOKS.items():
        others = known[known["units"] == units]
        label = f"others, {units}"
        axes[0].plot(others["PFLOP"], others["accuracy"], marker, color=color, label=label)
        for _, one in others.iterrows():
            name = f"{one['name']}, {one['network'].split(',')[0]}"
            axes[0].annotate(
                name, (one["PFLOP"], one["accuracy"]), (4, -9), textcoords="offset points", size=6
            )
    for number, (_, seeds) in enumerate(final.groupby("task", sort=False)):
        look = {**plots.in_turn(number + 1), "linestyle": "", "label": label_of(seeds)}
        axes[0].plot(seeds[PFLOP], seeds[TEST], **look)
        axes[1].plot(seeds[MINUTES], seeds[TEST], **look)
    axes[0].set(xscale="log", xlabel="operations of the whole training (PFLOP)", ylabel="test accuracy (%)")
    axes[1].set(xlabel="minutes of two cores", xlim=(0, None))
    best = final.loc[final[TEST].idxmax()]
    plots.head(fig, f"A spiking VGG7: {best[TEST]:.1f} % in {best[MINUTES]:.0f} minutes of two cores")
    fig.supxlabel(f"CIFAR-10; one mark a seed; {SHARED}; published marks: one printed value each", size=6)
    return fig


def curves(table: pd.DataFrame) -> Figure:
    """Validation accuracy after each epoch, a line a training."""
    final = table[table[CHANGED] == ""]
    fig, [ax] = plots.figure(120, 75)
    for number, (_, seeds) in enumerate(final.groupby("task", sort=False)):
        for place, (_, row) in enumerate(seeds.iterrows()):
            values = curve(row)
            label = label_of(seeds) if not place else None
            ax.plot(range(1, len(values) + 1), values, **plots.in_turn(number + 1), label=label, markersize=3)
    ax.set(xlabel="epoch", ylabel="validation accuracy (%)")
    last = [curve(row)[-1] for _, row in final.iterrows()]
    ax.set_title(
        f"CIFAR-10: {min(last):.1f} to {max(last):.1f} % at the end,\n"
        "after rectified units, then rates, then spikes"
    )
    draw.whole_numbers(ax)
    plots.legend(ax)
    return fig


TRICKS = {  # what was changed, in words
    "whiten=false": "first filters drawn at random, not whitened",
    "augment=crop_flip": "crops and flips by chance, not mirrored in turn",
    "train.smoothing=0.0": "no label smoothing",
    "train.phases=[{epochs: 6, units: relu}]": "rectified units until the spikes begin, no rates",
    "train.phases=[{epochs: 6, units: rate}]": "rates from the start, no rectified units",
    "train.optimizer=sgd train.lr_convolutions=null": "SGD for the convolutions, not Muon",
    "train.lr_schedule=cosine": "cosine learning rate, not triangular",
}


def tricks(table: pd.DataFrame, task: str, base: str) -> Figure:
    """What validation accuracy a task loses with one thing changed, seed by seed.

    base: what is changed in all of them, as `changed` has it: "width=0.5"
    """
    of_task = table[table["task"] == task]
    plain = of_task[of_task[CHANGED] == base].groupby("seed")[VALIDATION].mean()
    changed = of_task[of_task[CHANGED].str.startswith(f"{base} ") & of_task["seed"].isin(plain.index)]
    names = list(dict.fromkeys(changed[CHANGED]))
    fig, [ax] = plots.figure(180, 24 + 7 * len(names))
    for place, name in enumerate(names):
        rows = changed[changed[CHANGED] == name]
        gained = rows[VALIDATION] - rows["seed"].map(plain)
        ax.plot(gained, [place] * len(gained), "o", color=plots.BLUE, alpha=0.6)
        ax.plot(gained.mean(), place, "|", color=plots.BLACK, markersize=12)
    ax.axvline(0, color=plots.BLACK, linewidth=0.8)
    shown = [TRICKS.get(name.removeprefix(f"{base} "), name) for name in names]
    ax.set(yticks=range(len(names)), yticklabels=shown)
    seeds = f"n = {len(plain)} seed" + ("s" if len(plain) > 1 else "")
    ax.set(xlabel=f"points of validation accuracy beside the recipe ({task}, {base}, {seeds})")
    ax.invert_yaxis()
    return fig
