"""Every difference that a study tries in one picture: a forest plot, grouped by question."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report import claims, plots
from lib.report.claims import Difference

ROW_MM = 4.2


def forest(found: dict[str, list[Difference]]) -> Figure:
    """A row for each two ways of training that are compared, under their question: a mark for each task and
    place, with its 95 % interval (`stats.interval`), filled where the difference is decided after Holm's
    correction. Marks tell tasks apart, or places where there is one task.

    found: as `lib.report.findings.differences` gives it; differences in other units than points are left out
    """
    chosen = drawn(found)
    grouped = {question: pairs(tried) for question, tried in chosen.items()}
    every = [each for tried in chosen.values() for each in tried]
    told = task_of if len({each.task for each in every}) > 1 else place_of
    names = list(dict.fromkeys(map(told, every)))
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
                mark(ax, each, place + spread(number, len(row)), names.index(told(each)))
        place += 1
    ax.axvline(0, color=plots.BLACK, linewidth=0.8, zorder=1)
    reach = 1.15 * max((abs(each.mean) for each in every), default=1)
    ax.set(xlim=(-reach, reach), ylim=(place - 0.5, -0.5), xlabel="difference in test accuracy (points)")
    ax.set_ylabel("A - B")
    ax.set_yticks(list(labels), list(labels.values()), size=6)
    ax.grid(axis="y", visible=False)
    for number, name in enumerate(names):
        ax.plot([], [], **{**plots.in_turn(number + 1), "linestyle": ""}, label=name)
    return fig


def task_of(each: Difference) -> str:
    return each.task


def place_of(each: Difference) -> str:
    """Of a comparison at equal size, which of the two has that ratio."""
    ratio, of, _ = each.at.partition(" of ")
    return f"{ratio}, of B" if of else ratio


def drawn(found: dict[str, list[Difference]]) -> dict[str, list[Difference]]:
    """The measured differences in points, of the questions that have one."""
    kept = {
        question: [
            each for each in tried if each.unit == "points" and each.n and each.verdict != claims.APART
        ]
        for question, tried in found.items()
    }
    return {question: tried for question, tried in kept.items() if tried}


def pairs(tried: list[Difference]) -> list[list[Difference]]:
    """The differences of each two that are compared."""
    names = dict.fromkeys((each.ours, each.theirs) for each in tried)
    return [[each for each in tried if (each.ours, each.theirs) == name] for name in names]


def spread(number: int, count: int) -> float:
    """Where in its row, the number-th of so many marks lies."""
    return 0.7 * ((number + 0.5) / count - 0.5)


def mark(ax: Axes, each: Difference, place: float, name: int) -> None:
    look = plots.in_turn(name + 1)
    face = look["color"] if claims.decided(each) else "white"
    ends = [each.mean - each.half, each.mean + each.half]
    ax.plot(ends, [place, place], color=look["color"], linewidth=0.6)
    ax.plot(each.mean, place, look["marker"], color=look["color"], markerfacecolor=face, markersize=3.5)
