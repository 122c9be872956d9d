"""What stands in a figure's axes: lines, bars, dots of mean, interval and seeds; levels; scales of both axes.

Rows are those of `lib.report.results.table`, or made of them: one a trial and seed.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from lib.report.plots import BLACK, GREY, HATCH, in_turn, style
from lib.report.stats import interval

ACCURACY = "accuracy (%)"
TOP = 101  # percent: intervals reach beyond all that can be measured


def over_seeds(table: pd.DataFrame, x: str, y: str, by: str) -> pd.DataFrame:
    """Mean of x and y over the seeds at each value of `by`, and half the interval of y (`stats.interval`)."""
    rows = []
    for value, group in table.groupby(by):
        mean, half = interval(group[y])
        rows.append({by: value, x: group[x].mean(), y: mean, "half": half})
    return pd.DataFrame(rows, columns=list(dict.fromkeys((by, x, y, "half")))).sort_values(by)


def line(ax: Axes, table: pd.DataFrame, x: str, y: str, by: str, label: str, **look) -> None:
    """Mean over seeds as a line, 95 % interval as bars, each seed as a faint mark; of no rows nothing."""
    if table.empty:
        return
    mean = over_seeds(table, x, y, by)
    ax.errorbar(mean[x], mean[y], yerr=mean["half"], label=label, capsize=2, elinewidth=0.8, **look)
    ax.scatter(
        table[x], table[y], s=7, alpha=0.45, color=look["color"], marker=look["marker"], linewidths=0.7
    )


def level(ax: Axes, rows: pd.DataFrame, across: bool = False, **look) -> None:
    """The mean accuracy of `rows` as a line through the whole axes, dotted unless `look` says otherwise.

    across: accuracy is on x
    """
    if rows.empty:
        return
    look = {"color": BLACK, "linestyle": ":", "linewidth": 0.8, **look}
    (ax.axvline if across else ax.axhline)(rows[ACCURACY].mean(), **look)


def star(ax: Axes, dense: pd.DataFrame, x: str) -> None:
    """The dense network, where its mean is."""
    if len(dense):
        ax.plot(dense[x].mean(), dense[ACCURACY].mean(), markersize=8, **style("dense"))


def say(text: str, *axes: Axes) -> None:
    """Inside axes, why they are empty; above the middle, where a level may be."""
    for ax in axes:
        ax.text(0.5, 0.7, text, transform=ax.transAxes, ha="center", va="center", color=GREY)


def accuracy_axis(*axes: Axes, across: bool = False) -> None:
    """One scale of test accuracy for these axes, as wide as what they hold, cut at 0 and just above 100 %."""
    side = "x" if across else "y"
    limits = [getattr(ax, f"get_{side}lim")() for ax in axes]
    low = max(0, min(low for low, _ in limits))
    high = min(TOP, max(high for _, high in limits))
    for ax in axes:
        ax.set(**{f"{side}lim": (low, high), f"{side}label": "test accuracy (%)"})


def all_methods(ax: Axes, rows: pd.DataFrame, dense: pd.DataFrame, x: str, by: str, methods: list) -> None:
    """Accuracy against x: a line for each method over its values of `by`; star and level for the dense one.

    methods: the names of all that the study has, so that a method looks the same in every panel
    """
    for (name, label), group in rows.groupby(["method", "label"], sort=False):
        line(ax, group, x, ACCURACY, by, label, **style(name, list(methods)))
    line(ax, dense, x, ACCURACY, by, "dense", markersize=7, **style("dense"))
    level(ax, dense)
    accuracy_axis(ax)


def beside(rows: pd.DataFrame, x: str, methods: list) -> pd.DataFrame:
    """The same with x a little apart from method to method: their bars would lie on one another."""
    order = list(methods)
    step = 0.012 * (rows[x].max() or 1)
    places = rows["method"].map(order.index) - (len(order) - 1) / 2
    return rows.assign(**{x: rows[x] + step * places})


def whole_numbers(ax: Axes) -> None:
    """Ticks on x at whole numbers alone."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def size_axis(ax: Axes) -> None:
    """Sizes on x, as 20k or 1.5M; on a log scale where they span a factor of 4, with labels that fit."""
    low, high = ax.dataLim.intervalx
    if high >= 4 * low > 0:
        ax.set_xscale("log")
        digits = (1, 2, 3, 5, 7) if high < 7 * low else (1, 2, 5) if high < 50 * low else (1, 3)
        ax.xaxis.set_major_locator(LogLocator(subs=digits))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))


def behind_axis(points: pd.Series, *axes: Axes) -> None:
    """One scale of points lost for these axes: linear up to 10, where methods end, logarithmic above, where
    updates throw them. It begins with the least of `points`: intervals reach further."""
    for ax in axes:
        ax.set_yscale("symlog", linthresh=10)
        ax.set(
            ylim=(min([0, *points]) - 1, TOP), yticks=[0, 5, 10, 20, 50, 100], ylabel="behind dense (points)"
        )
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())


def percent_axis(ax: Axes) -> None:
    """Percentages of something on x, on a log scale: 50 and 200 are as far from 100."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def grouped_bars(ax: Axes, table: pd.DataFrame, x: str, y: str, by: str, outline: pd.Series) -> None:
    """Mean over seeds as bars, a group for each x and a bar for each `by`; seeds as marks.

    outline: {x: value}, behind the bars
    """
    groups = list(table.groupby(by))
    places = {name: place for place, name in enumerate(outline.index)}
    look = {"facecolor": "none", "edgecolor": "0.6", "linewidth": 0.8}
    ax.bar(list(places.values()), outline, width=0.86, **look, label="dense")
    for number, (value, rows) in enumerate(groups):
        mean = rows.groupby(x, sort=False)[y].mean()
        shift = bars(ax, [places[name] for name in mean.index], mean, number, len(groups), f"{value:g}")
        seeds = {"s": 5, "color": BLACK, "alpha": 0.6, "linewidths": 0}
        ax.scatter([places[name] + shift for name in rows[x]], rows[y], **seeds)
    ax.set_xticks(list(places.values()), list(places))


def bars(ax: Axes, places: list, heights, number: int, of: int, label: str, first: int = 1) -> float:
    """The bar `number` of `of` in each group; returns how far it stands from the group's place.

    first: the colour of bar 0, in the order of the palette
    """
    width = 0.8 / of
    shift = width * (number - (of - 1) / 2)
    look = {"color": in_turn(number + first)["color"], "hatch": HATCH[number % len(HATCH)]}
    look |= {"edgecolor": "white", "linewidth": 0.4, "width": width, "label": label}
    ax.bar([place + shift for place in places], heights, **look)
    return shift


def dot_across(ax: Axes, values, place: float, **look) -> None:
    """Mean of `values` at height `place` with its interval as a bar, seeds as faint marks."""
    if not len(values):
        return
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
