"""Methods at equal size: each has a curve in each seed, accuracy over its size, from the dense network on."""

import math

import pandas as pd

from lib.report import claims, stats
from lib.report.claims import Difference

QUESTIONS = {  # and the column of the size
    "At equal parameters, along each method's curve from the dense network on, who is better?": "parameters",
    "At equal SynOps (AC a sample), along those curves?": "AC",
}


def matched(
    table: pd.DataFrame, methods: list[str], measure: str, labels: dict[str, str]
) -> list[Difference]:
    """Methods beside random channels, SCA and its variants beside random ones in layers of a first cut's
    widths, sca+ beside SCA, at equal size by `measure`, seed by seed.

    At each size that ours was measured at it stands beside the curve of theirs; at each of theirs, the other
    way round.
    """
    made = []
    wanted = [(name, "random") for name in methods if name != "random"]
    wanted += [(name, "layer-random") for name in methods if name.startswith("sca")]
    wanted += [("sca-plus", "sca")]
    for ours, theirs in (two for two in wanted if set(two) <= set(labels)):
        names = (claims.label(ours, labels), claims.label(theirs, labels))
        for task, rows in table.groupby("task", sort=False):
            for one, other, sign in ((ours, theirs, 1), (theirs, ours, -1)):
                curves = rows[rows["method"].isin([other, "dense"])]
                if other not in set(curves["method"]):
                    continue
                whose = "" if sign > 0 else f" of {claims.label(one, labels)}"
                for at, points in rows[rows["method"].eq(one)].groupby("at", sort=False):
                    found = beside_curve(points, curves, measure)
                    size = size_in_words(points, found, measure)
                    made.append(Difference(*names, task, f"{at}{whose}", *told(sign * found["gap"], size)))
    return made


def told(gaps: pd.Series, size: str) -> tuple:
    """What a `Difference` says of gaps in accuracy, one a seed, at a size in words."""
    if gaps.empty:
        return math.nan, math.nan, 0, "points", claims.APART, f"{size}; outside the other's curve"
    mean, half = stats.interval(gaps)
    p = stats.p_value(gaps)
    return mean, half, len(gaps), "points", claims.verdict(mean, p), size, p


def beside_curve(points: pd.DataFrame, curves: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The trials whose size lies within the other's curve of the same seed, with two columns more.

    gap: accuracy minus that of the curve at this size (points); far: by how much the nearest network that
    was measured differs in size (%)
    """
    of_seed = dict(list(curves.groupby("seed")))  # without those that are not trained yet
    known = points[points["seed"].isin(of_seed)]
    there = []
    far = []
    for seed, size in known[["seed", measure]].itertuples(index=False):
        curve = of_seed[seed]
        there.append(stats.along(curve[measure], curve["accuracy (%)"], size))
        far.append(stats.farness(curve[measure], size))
    return known.assign(gap=known["accuracy (%)"] - there, far=far).dropna(subset="gap")


def size_in_words(points: pd.DataFrame, found: pd.DataFrame, measure: str) -> str:
    """At which size it was compared, or would have been, and how far from it the nearest network on the curve
    was measured."""
    compared = found if len(found) else points
    told = [f"{compared[measure].mean() / 1e3:,.0f} K {measure}"]
    if len(found):
        told.append(f"nearest {stats.span(found['far'], '+')} %")
    return ", ".join(told)
