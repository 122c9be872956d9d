"""Pruned networks beside dense ones that are smaller from the start: fewer channels, or fewer time steps."""

from functools import partial, reduce
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke

from lib.report import draw, equal_size, plots, stats
from lib.report.results import COSTS
from lib.settings.study import Study

MOST = 0.6  # of a seed's dense networks must be there, or pruned ones are compared with none of them
FACES = (plots.BLACK, "0.7", "white")  # of the stars, from the most time steps to the fewest


def dense_networks(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The dense networks on the headline's data: its own, those of `frontier`, and the baselines of uniform
    widths that train as long. network: a name for each; T: its time steps; width: in words, "" of
    a baseline"""
    whole = table[table["stage"].eq("dense") & table["task"].isin([study.headline, *study.frontier])]
    widths = [f"{study.tasks[task].width:g}" for task in whole["task"]]
    uniform = [
        name
        for name, baseline in study.baselines.items()
        if baseline.widths == "uniform" and baseline.epochs == "recipe"
    ]
    narrow = table[table["method"].isin(uniform) & table["task"].eq(study.headline)]
    both = pd.concat([whole.assign(width=widths), narrow.assign(width="")])
    named = both["task"] + both["method"] + both["at"]
    return both.assign(network=named, T=[study.tasks[task].T for task in both["task"]])


def trained(study: Study, table: pd.DataFrame, share: float) -> pd.DataFrame:
    """Those of the seeds that have trained at least this share of the headline and the frontier: each further
    network may move the line of a seed, and a line through few lies below what lies between them."""
    dense = dense_networks(study, table)
    asked = {study.headline, *study.frontier}
    there = dense[dense["stage"].eq("dense")].groupby("seed")["task"].nunique()
    return dense[dense["seed"].isin(there.index[there >= share * len(asked)])]


def line(ax: Axes, dense: pd.DataFrame, x: str) -> None:
    """A star for each dense network, filled by its time steps, named by its width and by fewer time steps:
    mean over seeds, with its interval; seeds as faint marks; and a line through the best of each size."""
    means = dense.groupby(["network", "T", "width"], sort=False)[[x, draw.ACCURACY]].mean()
    sizes, best = stats.best_within(means[x], means[draw.ACCURACY])
    ax.plot(sizes, best, color=plots.BLACK, linewidth=0.8, linestyle=":")
    most = dense["T"].max()
    for steps, face in zip(sorted(dense["T"].unique(), reverse=True), cycle(FACES), strict=False):
        look = {**plots.style("dense"), "linestyle": "", "markersize": 7}
        look |= {"markerfacecolor": face, "markeredgewidth": 0.7}
        rows = dense[dense["T"].eq(steps)]
        number = " (w: width)" if steps == most else ""
        draw.line(ax, rows, x, draw.ACCURACY, "network", f"dense, T = {steps}{number}", **look)
    for (_, steps, width), at in means.iterrows():
        name = f"w {width}" if width else ""
        name += f", T = {steps}" if width and steps < most else ""
        # fewer time steps stand below the line by parameters and left of it by SynOps: names go to both sides
        above = (steps == most) == (x == "parameters")
        place, side = ((-5, 3), "right") if above else ((5, -8), "left")
        named = ax.annotate(name, (at[x], at[draw.ACCURACY]), place, textcoords="offset points", ha=side)
        named.set(size=6, path_effects=[Stroke(linewidth=1.5, foreground="white"), Normal()], zorder=4)


def envelope(dense: pd.DataFrame, x: str) -> pd.DataFrame:
    """Of each seed the frontier as a curve: at the size of each network the best that is no larger."""
    curves = []
    for seed, rows in dense.groupby("seed"):
        sizes, best = stats.best_within(rows[x], rows[draw.ACCURACY])
        curves.append(pd.DataFrame({"seed": seed, x: sizes, draw.ACCURACY: best}))
    return pd.concat(curves) if curves else dense[["seed", x, draw.ACCURACY]]


def beside(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Each method at each ratio of the headline's task beside the dense network of the same seed, and beside
    smaller dense ones of equal cost: means over seeds, in words; n: its seeds, and in a cell its own if they
    are fewer. Empty: outside the sizes of its seed's dense networks, or most of these not trained yet."""
    rows = table[table["task"].eq(study.headline)]
    pruned = rows[rows["stage"].eq("channels")]
    whole = rows[rows["stage"].eq("dense")].set_index("seed")
    smaller = trained(study, table, MOST)
    gaps = {x: equal_size.beside_curve(pruned, envelope(smaller, x), x)["gap"] for x in COSTS}
    told = []
    for (label, ratio), found in pruned.groupby(["label", "ratio"], sort=False):
        same = whole.reindex(found["seed"]).set_index(found.index)
        cell = partial(in_words, n=len(found))
        told.append(
            {"method": label, "ratio": ratio, "n": len(found)}
            | {"test accuracy (%)": cell(found[draw.ACCURACY]).lstrip("+")}
            | {"beside dense": cell(found[draw.ACCURACY] - same[draw.ACCURACY])}
            | {f"{name} left (%)": f"{100 * (found[x] / same[x]).mean():.0f}" for x, name in COSTS.items()}
            | {f"at equal {name}": cell(gaps[x].reindex(found.index)) for x, name in COSTS.items()}
        )
    return pd.DataFrame(told)


def in_words(values: pd.Series, n: int) -> str:
    """Mean and interval of those that are known, and how many they are if not n."""
    known = values.dropna()
    if known.empty:
        return ""
    fewer = f" (n = {len(known)})" if len(known) < n else ""
    return stats.shown(*stats.interval(known)) + fewer


def in_every_range(rows: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Of pruned networks beside the frontier, by several sizes, the ratios that lie within it by each of them
    in every seed: what is averaged over other ratios by one size than by another compares nothing.

    rows: {size: as `lib.report.equal_size.beside_curve` gives them}, without what lies outside
    """
    which = ["method", "ratio", "seed"]
    by_each = reduce(pd.merge, [each[which] for each in rows.values()])
    seeds = pd.concat(rows.values()).groupby("method")["seed"].nunique()
    found = by_each.groupby(which[:2], as_index=False)["seed"].nunique()
    kept = found[found["seed"].eq(found["method"].map(seeds))]
    return {x: each.merge(kept[which[:2]]) for x, each in rows.items()}
