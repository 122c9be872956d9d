"""The frame of every figure: one look for each method, sizes in millimetres, titles, legends.
`lib.report.draw` draws into it, `lib.report.page` writes under it what is drawn, and saves it."""

import io
import re
from textwrap import wrap

import matplotlib.pyplot as plt
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lib.settings import Task
from lib.settings.datasets import shown

MM = 1 / 25.4
# Okabe and Ito's palette, safe for the colour-blind; yellow is left out, it is too light for lines
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "0.45"  # what others published
STYLE = {  # colour, marker, line: redundant, so that a figure survives a black-and-white printer
    "dense": (BLACK, "*", ":"),
    "sca": (BLUE, "o", "-"),
    "sca-soft": (SKY, "s", "--"),
    "only-prune": (ORANGE, "^", "-."),
    "random": (VERMILION, "x", ":"),
    "sca-plus": (GREEN, "D", "-"),
    "sca-plus-divided": (GREEN, "P", "--"),
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
TITLE = 100  # characters of a title that fit the page's width
LETTERS = 17  # of a legend, an inch
HANDLE = 9  # letters that a mark and its gap take
HATCH = ["", "//", "..", "xx", "\\\\", "++"]
NETWORKS = {"vgg": "VGG", "resnet": "ResNet", "preresnet": "PreResNet", "spikformer": "Spikformer"}
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
    "axes.axisbelow": True,
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
    """Colour, marker and line of a method; one without a style takes a spare one, in order of `methods`."""
    unknown = [name for name in methods if name not in STYLE]
    spare = SPARE[unknown.index(method) % len(SPARE)] if method in unknown else SPARE[0]
    color, marker, line = STYLE.get(method, spare)
    return {"color": color, "marker": marker, "linestyle": line}


def in_turn(number: int) -> dict:
    """Colour, marker and line of the number-th ratio or layer; the marks of a second round are hollow."""
    color, marker, line = SEQUENCE[number % len(SEQUENCE)]
    hollow = {"markerfacecolor": "white"} if number >= len(SEQUENCE) else {}
    return {"color": color, "marker": marker, "linestyle": line, **hollow}


def canvas(width_mm: float, height_mm: float) -> Figure:
    """A figure without axes, unknown to pyplot: else a notebook shows it half drawn, too early."""
    return FigureCanvasAgg(Figure(figsize=(width_mm * MM, height_mm * MM))).figure


def figure(
    width_mm: float, height_mm: float, rows: int = 1, columns: int = 1, **kwargs
) -> tuple[Figure, list[Axes]]:
    """A figure and the flat list of its axes."""
    fig = canvas(width_mm, height_mm)
    return fig, list(fig.subplots(rows, columns, squeeze=False, **kwargs).flat)


def panels(count: int, height_mm: float = 68) -> tuple[Figure, list[Axes]]:
    """A figure of the page's width with `count` axes: up to three a row, four as two and two.

    height_mm: of a row
    """
    columns = 2 if count == 4 else min(count, 3)
    rows = -(-count // columns)
    fig, axes = figure(180, height_mm * rows, rows, columns)
    for spare in axes[count:]:
        spare.remove()
    return fig, axes[:count]


def in_order(names) -> list[str]:
    """Names with their numbers in order: conv2 before conv10 (a JSON file has layers by the alphabet)."""
    return sorted(
        names,
        key=lambda name: [part.zfill(5) if part.isdigit() else part for part in re.split(r"(\d+)", name)],
    )


def task_title(task: Task) -> str:
    """Which network is drawn, on which data set; simulated events are said to be simulated."""
    part = next((part for part in NETWORKS if task.net.startswith(part)), "")
    width = f" of width {task.width:g}" if task.width != 1 else ""
    net = NETWORKS.get(part, "") + task.net.removeprefix(part)
    return f"{net}{width} on {shown(task.data)}, T = {task.T}"


def legend(ax: Axes, **kwargs) -> None:
    """The legend of what has a label; none where nothing has."""
    if ax.get_legend_handles_labels()[1]:
        ax.legend(**kwargs)


def legend_beside(ax: Axes, **kwargs) -> None:
    """A legend to the right of the axes, where it covers nothing."""
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, **kwargs)


def legend_above(fig: Figure) -> int:
    """One legend of all that stands in a figure's axes, above them; in how many rows."""
    drawn = {}
    for ax in fig.axes:
        handles, labels = ax.get_legend_handles_labels()
        drawn |= dict(zip(labels, handles, strict=True))
    columns = columns_of(list(drawn), fig.get_figwidth() * LETTERS)
    look = {"loc": "outside upper center", "ncols": columns, "handlelength": 3.5, "frameon": False}
    fig.legend(drawn.values(), drawn.keys(), **look)
    return -(-len(drawn) // columns)


def columns_of(labels: list[str], room: float) -> int:
    """The most columns, six at most, whose labels fit beside each other. room: in letters"""
    for most in range(min(6, len(labels)), 1, -1):
        rows = -(-len(labels) // most)
        columns = [labels[start : start + rows] for start in range(0, len(labels), rows)]
        if sum(HANDLE + max(map(len, column)) for column in columns) <= room:
            return len(columns)
    return 1


def title_of(says: str, task: Task | None = None) -> str:
    """What there is to be seen, in lines that fit, and under it which network is drawn."""
    return "\n".join([*wrap(says, TITLE), *([task_title(task)] if task else [])])


def head(fig: Figure, says: str, task: Task | None = None) -> None:
    """The title of a figure, and under it one legend of all that stands in its axes."""
    title = title_of(says, task)
    height = fig.get_figheight() / MM
    under = 1 + 4 * len(title.splitlines())
    fig.suptitle(title, y=1 - 1.5 / height, va="top").set_in_layout(False)
    rows = legend_above(fig)
    [legend] = fig.legends
    legend.set_loc("upper center")
    legend.set_bbox_to_anchor((0.5, 1 - under / height))
    legend.set_in_layout(False)
    fig.get_layout_engine().set(rect=(0, 0, 1, 1 - (under + 2 + 4 * rows) / height))


def show(fig: Figure) -> None:
    """The figure as it is now, below the cell."""
    png = io.BytesIO()
    fig.savefig(png, format="png")
    display(Image(png.getvalue(), width=round(fig.get_figwidth() * fig.dpi)))
