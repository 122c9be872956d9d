"""One style for all figures: a colour, a marker and a line for each method; sizes in millimetres; files that do not change
unless the picture does."""

import io
import re
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from lib.core.files import atomic_write
from lib.report.stats import interval
from lib.settings import Task
from lib.settings.config import Study

MM = 1 / 25.4
# Okabe and Ito's palette, safe for the colour-blind; yellow is left out, it is too light for lines
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
STYLE = {  # colour, marker, line: redundant, so that a figure survives a black-and-white printer
    "dense": (BLACK, "*", ":"),
    "sca": (BLUE, "o", "-"),
    "sca-soft": (SKY, "s", "--"),
    "only-prune": (ORANGE, "^", "-."),
    "random": (VERMILION, "x", ":"),
    "sca-plus": (GREEN, "D", "-"),
    "pq": (BLUE, "o", "-"),
    "pq-fixed": (ORANGE, "s", "--"),
    "pq-random": (VERMILION, "x", ":"),
    "pq-neuron": (BLUE, "^", ""),
    "pq-constant": (BLUE, "v", ""),
    "pq-shrink": (BLUE, "<", ""),
    "pq-gradual": (BLUE, ">", ""),
    "esl": (GREEN, "D", "-."),
    "set": (GREEN, "P", ""),
    "rigl": (GREEN, "X", ""),
    "granet": (PURPLE, "P", ""),
    "one-shot": (PURPLE, "^", ""),
    "lottery": (PURPLE, "h", ""),
    "grad-r": (SKY, "p", ""),
    "stds": (SKY, "d", ""),
    "learned": (BLUE, "o", "-"),
    "random-tokens": (VERMILION, "x", ":"),
    "attention": (GREEN, "D", "-."),
    "skip": (ORANGE, "s", "--"),
    "all": (PURPLE, "^", ""),
    "tickets-all": (PURPLE, "^", "--"),
    "tickets-learned": (BLUE, "o", "-"),
    "tickets-scratch": (ORANGE, "s", "-."),
}
SEQUENCE = [
    (BLACK, "*", ":"),
    (BLUE, "o", "-"),
    (ORANGE, "s", "--"),
    (GREEN, "^", "-."),
    (VERMILION, "D", ":"),
    (PURPLE, "v", "-"),
    (SKY, "P", "--"),
]  # ratios or layers, in order
HATCH = ["", "//", "..", "xx", "\\\\", "++"]
PART = {
    "score": "score",
    "normalise": "scores divided by their layer's mean",
    "l1": "L1 strength",
    "regrow": "regrown fraction",
    "interval": "epochs between updates",
}
SPARE = [(PURPLE, "v", "--"), (PURPLE, "P", "-."), (PURPLE, "<", ":"), (PURPLE, ">", "-")]
RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "figure.titlesize": 9,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "snn-pruning-study",
    "svg.fonttype": "path",
    "figure.dpi": 110,
    "savefig.dpi": 200,
}
plt.rcParams.update(RC)


def style(method: str, methods: list[str] = ()) -> dict:
    """Colour, marker and line of a method; one that has none of its own takes a spare one, in the order of `methods`."""
    unknown = [name for name in methods if name not in STYLE]
    color, marker, line = (
        STYLE[method]
        if method in STYLE
        else SPARE[unknown.index(method) % len(SPARE) if method in unknown else 0]
    )
    return {"color": color, "marker": marker, "linestyle": line}


def canvas(width_mm: float, height_mm: float) -> Figure:
    """A figure without axes, unknown to pyplot: else a notebook shows it, half drawn, below the cell that begins it."""
    return FigureCanvasAgg(Figure(figsize=(width_mm * MM, height_mm * MM))).figure


def figure(
    width_mm: float, height_mm: float, rows: int = 1, columns: int = 1, **kwargs
) -> tuple[Figure, list[Axes]]:
    """A figure and the flat list of its axes."""
    fig = canvas(width_mm, height_mm)
    return fig, list(fig.subplots(rows, columns, squeeze=False, **kwargs).flat)


def panels(count: int, height_mm: float = 68) -> tuple[Figure, list[Axes]]:
    """A figure of the page's width with `count` axes: up to three a row, four as two and two; height_mm: of a row."""
    columns = 2 if count == 4 else min(count, 3)
    rows = -(-count // columns)
    fig, axes = figure(180, height_mm * rows, rows, columns)
    for spare in axes[count:]:
        spare.remove()
    return fig, axes[:count]


def in_order(layers) -> list[str]:
    """Names of layers with their numbers in order: conv2 before conv10 (a JSON file has them by the alphabet)."""
    return sorted(
        layers,
        key=lambda name: [part.zfill(5) if part.isdigit() else part for part in re.split(r"(\d+)", name)],
    )


def task_title(name: str, task: Task) -> str:
    """Which task is drawn: its name, network and data set; simulated events are said to be simulated."""
    return f"{name}{' (simulated events)' if task.data.endswith('-sim') else ''}: {task.net} on {task.data}"


def over_seeds(table: pd.DataFrame, x: str, y: str, by: str) -> pd.DataFrame:
    """Mean of x and y over the seeds at each value of `by`, and the half width of y's 95 % interval."""
    rows = [
        {by: value, x: group[x].mean(), y: interval(group[y])[0], "half": interval(group[y])[1]}
        for value, group in table.groupby(by)
    ]
    return pd.DataFrame(rows).sort_values(by)


def line(ax: Axes, table: pd.DataFrame, x: str, y: str, by: str, label: str, **look) -> None:
    """Mean over seeds as a line, 95 % interval as bars, each seed as a faint mark. table: one row a seed and value of `by`."""
    mean = over_seeds(table, x, y, by)
    ax.errorbar(mean[x], mean[y], yerr=mean["half"], label=label, capsize=2, elinewidth=0.8, **look)
    ax.scatter(
        table[x], table[y], s=7, alpha=0.45, color=look["color"], marker=look["marker"], linewidths=0.7
    )


def all_methods(
    ax: Axes, table: pd.DataFrame, dense: pd.DataFrame, x: str, methods: dict, by: str = "ratio"
) -> None:
    """Accuracy against x: a line for each method over its ratios, or over `by`; a star and a dotted level for the dense
    network. methods: {name: what has a label}"""
    for name, method in methods.items():
        line(
            ax, table[table["method"] == name], x, "accuracy", by, method.label, **style(name, list(methods))
        )
    line(ax, dense, x, "accuracy", "ratio", "dense", markersize=7, **style("dense"))
    ax.axhline(dense["accuracy"].mean(), color=BLACK, linestyle=":", linewidth=0.8)


def size_axis(ax: Axes) -> None:
    """Sizes on x, as 20k or 1.5M; on a log scale where they span a factor of 4, with as many labels as there is room for."""
    low, high = ax.dataLim.intervalx
    if high >= 4 * low > 0:
        ax.set_xscale("log")
        digits = (1, 2, 3, 5, 7) if high < 7 * low else (1, 2, 5) if high < 50 * low else (1, 3)
        ax.xaxis.set_major_locator(LogLocator(subs=digits))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))


def bars_and_lines(ax: Axes, table: pd.DataFrame, x: str, bars: str, lines: dict[str, str]) -> None:
    """Bars with their 95 % interval, and further quantities as lines, each on an axis of its own to the right (SCA, Fig. 2).

    table: one row a seed and value of x; lines: {column: axis label}
    """
    mean = over_seeds(table, x, bars, x)
    places = range(len(mean))
    ax.bar(
        places,
        mean[bars],
        yerr=mean["half"],
        width=0.55,
        color=SKY,
        error_kw={"capsize": 2, "elinewidth": 0.8},
    )
    for place, value in zip(places, mean[x], strict=True):
        values = table.loc[table[x] == value, bars]
        ax.scatter([place] * len(values), values, s=7, color=BLACK, alpha=0.6, linewidths=0, zorder=3)
    ax.set_xticks(places, [f"{value:g}" for value in mean[x]])
    ax.grid(visible=False)
    for number, (column, label) in enumerate(lines.items()):
        color, marker, dashes = SEQUENCE[3 + number]
        right = ax.twinx()
        right.spines["right"].set(visible=True, color=color, position=("axes", 1 + 0.22 * number))
        right.plot(places, table.groupby(x)[column].mean(), color=color, marker=marker, linestyle=dashes)
        right.set_ylim(bottom=0)
        right.set_ylabel(label, color=color)
        right.tick_params(axis="y", colors=color)
        right.grid(visible=False)


def grouped_bars(ax: Axes, table: pd.DataFrame, x: str, y: str, by: str, outline: pd.Series) -> None:
    """Mean over seeds as bars, a group for each x and a bar for each `by`; seeds as marks; outline: {x: value} behind them."""
    groups, width = list(table.groupby(by)), 0.8 / table[by].nunique()
    places = {name: place for place, name in enumerate(outline.index)}
    ax.bar(
        list(places.values()),
        outline,
        width=0.86,
        facecolor="none",
        edgecolor="0.6",
        linewidth=0.8,
        label="dense",
    )
    for number, (value, rows) in enumerate(groups):
        shift = width * (number - (len(groups) - 1) / 2)
        mean = rows.groupby(x, sort=False)[y].mean()
        ax.bar(
            [places[name] + shift for name in mean.index],
            mean,
            width=width,
            color=SEQUENCE[number + 1][0],
            hatch=HATCH[number % len(HATCH)],
            edgecolor="white",
            linewidth=0.4,
            label=f"{value:g}",
        )
        ax.scatter(
            [places[name] + shift for name in rows[x]], rows[y], s=5, color=BLACK, alpha=0.6, linewidths=0
        )
    ax.set_xticks(list(places.values()), list(places))


def dots(ax: Axes, table: pd.DataFrame, x: str, y: str, own) -> None:
    """Mean and 95 % interval of y for each value of x, seeds as faint marks; the value that the method has itself is filled."""
    values = sorted(table[x].unique(), key=lambda value: (isinstance(value, str), value))
    for place, value in enumerate(values):
        seeds = table.loc[table[x] == value, y]
        mean, half = interval(seeds)
        ax.errorbar(
            place,
            mean,
            yerr=half,
            color=BLUE,
            marker="o",
            capsize=2,
            elinewidth=0.8,
            markerfacecolor=BLUE if value == own else "white",
        )
        ax.scatter([place + 0.15] * len(seeds), seeds, s=7, alpha=0.45, color=BLUE, linewidths=0.7)
    ax.set_xticks(range(len(values)), [fill(f"{value}", 7) for value in values])
    ax.set_xlim(-0.5, len(values) - 0.5)


def dot_across(ax: Axes, values, place: float, **look) -> None:
    """Mean and 95 % interval of `values` as a horizontal bar at height `place`, seeds as faint marks."""
    mean, half = interval(values)
    look = {**look, "linestyle": ""}
    ax.errorbar(mean, place, xerr=half, capsize=2, elinewidth=0.8, **look)
    ax.scatter(
        values,
        [place] * len(values),
        s=7,
        alpha=0.45,
        color=look["color"],
        marker=look["marker"],
        linewidths=0.7,
    )


def legend_beside(ax: Axes, **kwargs) -> None:
    """A legend to the right of the axes, where it covers nothing."""
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, **kwargs)


def legend_above(fig: Figure, ax: Axes) -> None:
    """One legend for all axes of a figure, of what `ax` holds, above them."""
    handles, labels = ax.get_legend_handles_labels()
    columns = -(-len(labels) // -(-len(labels) // 6))  # as many in each row, six at most
    fig.legend(handles, labels, loc="outside upper center", ncols=columns, handlelength=3.5, frameon=False)


PROCEDURE = "; shows the procedure, not the papers' numbers"
APART = {"paper": "", "small": "; short trainings of small networks, not the papers' numbers"}
INTERVAL = "bars: 95 % interval (Student's t)"


def note(fig: Figure, study: str, seeds: int, drawn: str = INTERVAL) -> None:
    """What the figure is drawn from, inside it, and how far that is from the papers."""
    fig.supxlabel(
        f"study {study}; n = {seeds} seeds; {drawn}{APART.get(study, PROCEDURE)}", fontsize=6, color="0.35"
    )


def save(fig: Figure, folder: Path, name: str) -> Path:
    """folder/name.svg and .png, moved into place when whole; the same picture gives the same bytes. Returns the SVG's path."""
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        with atomic_write(folder / f"{name}.{kind}") as beside:
            fig.savefig(beside, format=kind, metadata=metadata)
    return folder / f"{name}.svg"


def show(fig: Figure) -> None:
    """The figure as it is now, below the task."""
    png = io.BytesIO()
    fig.savefig(png, format="png")
    display(Image(png.getvalue(), width=round(fig.get_figwidth() * fig.dpi)))


def finish(fig: Figure, settings: Study, name: str, drawn: str = INTERVAL) -> None:
    """Says what the figure is drawn from, saves it among its study's and shows it."""
    note(fig, settings.study, len(settings.grid.seeds), drawn)
    save(fig, settings.figures, name)
    show(fig)
