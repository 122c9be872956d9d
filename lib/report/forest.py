"""Every difference that a study tries in one picture: a forest plot, grouped by question."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report import claims, plots
from lib.report.claims import Difference

ROW_MM = 4.2


def forest(found: dict[str, list[Difference]]) -> Figure:
    """A row for each two ways of training that are compared, under their question: a mark for each task and
    place, with its 95 % interval, filled where the difference is decided after Holm's correction.

    found: as `lib.report.findings.differences` gives it; differences in other units than points are left out
    """
    grouped = {question: pairs(tried) for question, tried in found.items() if pairs(tried)}
    tasks = list(dict.fromkeys(each.task for rows in grouped.values() for row in rows for each in row))
    height = sum(1 + len(rows) for rows in grouped.values())
    fig, [ax] = plots.figure(180, 34 + ROW_MM * height)
    place = 0
    labels = {}
    for question, rows in grouped.items():
        ax.text(0, place, f" {question}", transform=ax.get_yaxis_transform(), size=5.8, va="center", zorder=4)
        ax.axhspan(place - 0.5, place + 0.5, color="0.92", zorder=1.5)
        for row in rows:
            place += 1
            labels[place] = f"{row[0].ours} - {row[0].theirs}"
            for number, each in enumerate(row):
                draw(ax, each, place + spread(number, len(row)), tasks.index(each.task))
        place += 1
    ax.axvline(0, color=plots.BLACK, linewidth=0.8, zorder=1)
    reach = 1.15 * max(
        (abs(each.mean) for rows in grouped.values() for row in rows for each in row), default=1
    )
    ax.set(xlim=(-reach, reach), ylim=(place - 0.5, -0.5), xlabel="difference in test accuracy (points)")
    ax.set_ylabel("A - B")
    ax.set_yticks(list(labels), list(labels.values()), size=6)
    ax.grid(axis="y", visible=False)
    for number, task in enumerate(tasks):
        ax.plot([], [], **{**plots.in_turn(number + 1), "linestyle": ""}, label=task)
    return fig


def pairs(tried: list[Difference]) -> list[list[Difference]]:
    """The measured differences in points of each two that are compared."""
    measured = [each for each in tried if each.unit == "points" and each.n and each.verdict != claims.APART]
    names = dict.fromkeys((each.ours, each.theirs) for each in measured)
    return [[each for each in measured if (each.ours, each.theirs) == name] for name in names]


def spread(number: int, count: int) -> float:
    """Where in its row, the number-th of so many marks lies."""
    return 0.7 * ((number + 0.5) / count - 0.5)


def draw(ax: Axes, each: Difference, place: float, task: int) -> None:
    look = plots.in_turn(task + 1)
    half = 0 if math.isnan(each.half) else each.half
    face = look["color"] if claims.decided(each) else "white"
    ax.plot([each.mean - half, each.mean + half], [place, place], color=look["color"], linewidth=0.6)
    ax.plot(each.mean, place, look["marker"], color=look["color"], markerfacecolor=face, markersize=3.5)
