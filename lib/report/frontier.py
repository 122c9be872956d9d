"""Pruned networks beside dense ones that are smaller from the start: fewer channels, or fewer time steps."""

import pandas as pd
from matplotlib.axes import Axes

from lib.report import draw, plots, stats
from lib.settings.study import Study


def dense_networks(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The dense networks on the headline's data: its own, those of `frontier`, and the baselines of uniform
    widths that train as long. named: T and width in words, "" of a baseline"""
    whole = table[table["stage"].eq("dense") & table["task"].isin([study.headline, *study.frontier])]
    named = [f"T={study.tasks[task].T}, width {study.tasks[task].width:g}" for task in whole["task"]]
    uniform = [
        name
        for name, baseline in study.baselines.items()
        if baseline.widths == "uniform" and baseline.epochs == "recipe"
    ]
    narrow = table[table["method"].isin(uniform) & table["task"].eq(study.headline)]
    return pd.concat([whole.assign(named=named), narrow.assign(named="")])


def line(ax: Axes, dense: pd.DataFrame, x: str) -> None:
    """A mark for each dense network, mean over seeds, and a line through the best of each size."""
    means = dense.groupby(["task", "method", "at", "named"], sort=False)[[x, draw.ACCURACY]].mean()
    most = dense["named"].str.extract(r"T=(\d+)")[0].astype(float).max()
    look = {**plots.style("dense"), "linestyle": ""}
    ax.plot(means[x], means[draw.ACCURACY], **look, label="dense, each T and width")
    sizes, best = stats.best_within(means[x], means[draw.ACCURACY])
    ax.plot(sizes, best, color=plots.BLACK, linewidth=0.8, linestyle=":")
    for (*_, name), at in means.iterrows():
        # fewer time steps stand below the line by parameters and left of it by SynOps: names go to both sides
        above = name.startswith(f"T={most:g},") == (x == "parameters")
        place, side = ((-4, 3), "right") if above else ((4, -7), "left")
        look = {"xytext": place, "textcoords": "offset points", "ha": side, "size": 5.5}
        ax.annotate(name, (at[x], at[draw.ACCURACY]), **look)


def envelope(dense: pd.DataFrame, x: str) -> pd.DataFrame:
    """Of each seed the frontier as a curve: at the size of each network the best that is no larger."""
    curves = []
    for seed, rows in dense.groupby("seed"):
        sizes, best = stats.best_within(rows[x], rows[draw.ACCURACY])
        curves.append(pd.DataFrame({"seed": seed, x: sizes, draw.ACCURACY: best}))
    return pd.concat(curves) if curves else dense[["seed", x, draw.ACCURACY]]


def in_every_range(rows: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Of pruned networks beside the frontier, by several sizes, the ratios that lie within it by each of them
    in every seed: what is averaged over other ratios by one size than by another compares nothing.

    rows: {size: as `lib.report.equal_size.beside_curve` gives them}
    """
    inside = [
        set(map(tuple, each[each["gap"].notna()][["method", "ratio", "seed"]].itertuples(index=False)))
        for each in rows.values()
    ]
    every = set.intersection(*inside)
    seeds = {method: {seed for name, _, seed in set.union(*inside) if name == method} for method, *_ in every}
    kept = {
        (method, ratio)
        for method, ratio, _ in every
        if all((method, ratio, seed) in every for seed in seeds[method])
    }
    return {x: each[within(each, kept)] for x, each in rows.items()}


def within(rows: pd.DataFrame, kept: set[tuple[str, float]]) -> pd.Series:
    """Bool, of each row: whether its method and ratio are among those."""
    pairs = zip(rows["method"], rows["ratio"], strict=True)
    return pd.Series([pair in kept for pair in pairs], index=rows.index, dtype=bool)
