"""The primary hypotheses of a study, tried: few, and written down before it was run (docs/protocol.md)."""

import math
from typing import NamedTuple

import pandas as pd

from lib.report import frontier, stats
from lib.report.claims import LEVEL
from lib.report.equal_size import beside_curve
from lib.report.results import COSTS
from lib.settings.primary import FRONTIER, Hypothesis
from lib.settings.study import Study

SIZES = ("parameters", "AC")
MEASURES = {"ratio": "equal ratio", "parameters": "equal parameters", "AC": "equal SynOps"}


class Outcome(NamedTuple):
    """mean, half: of n differences, one a seed, in points, and half the width of its 95 % interval
    p: of no difference, corrected for the number of hypotheses (Holm); equal: of one of `margin` or more
    sizes: at equal ratio, what ours has in percent of theirs, by SIZES, over the ratios
    """

    name: str
    asked: Hypothesis
    mean: float
    half: float
    n: int
    p: float
    equal: float
    verdict: str
    sizes: dict[str, str]


def tried(study: Study, table: pd.DataFrame) -> list[Outcome]:
    """Every hypothesis of the study. table: as `lib.report.results.table` gives it"""
    gaps = {name: differences(asked, study, table) for name, asked in study.primary.items()}
    # for all of them from the first on: what has not been run counts, too
    adjusted = dict(zip(gaps, stats.holm([stats.p_value(each) for each in gaps.values()]), strict=True))
    made = []
    for name, each in gaps.items():
        mean, half = stats.interval(each) if each else (math.nan, math.nan)
        p = adjusted[name]
        equal = stats.p_equal(each, study.margin)
        words = verdict(mean, p, equal, study.margin) if each else unread(study.primary[name], table)
        sizes = shares(study.primary[name], table)
        made.append(Outcome(name, study.primary[name], mean, half, len(each), p, equal, words, sizes))
    return made


def unread(asked: Hypothesis, table: pd.DataFrame) -> str:
    """Of a hypothesis that no seed answers."""
    there = {*table.loc[table["task"].eq(asked.task), "method"], FRONTIER}
    return "no seed can be compared yet" if {asked.ours, asked.theirs} <= there else "not run yet"


def verdict(mean: float, p: float, equal: float, margin: float) -> str:
    """A difference may be there and too small to matter."""
    found = []
    if p < LEVEL:
        found.append("holds" if mean > 0 else "the contrary holds")
    if equal < LEVEL:
        found.append(f"within {margin:g} points")
    return ", ".join(found) or "undecided"


def differences(asked: Hypothesis, study: Study, table: pd.DataFrame) -> list[float]:
    """One a seed that has trained all of it: ours minus theirs, mean over the ratios, in points."""
    rows, ours, theirs = sides(asked, table)
    if asked.at == "ratio":
        gaps = at_equal_ratio(ours, theirs)
    elif asked.theirs == FRONTIER:
        curves = frontier.envelope(frontier.trained(study, table, 1.0), asked.at)
        gaps = beside_curve(ours, curves, asked.at)
    else:  # the dense network is where a method's curve begins
        gaps = beside_curve(ours, rows[rows["method"].isin([asked.theirs, "dense"])], asked.at)
    found = gaps.groupby("seed")["gap"].agg(["mean", "count"])
    return found.loc[found["count"].eq(len(asked.ratios)), "mean"].tolist()


def sides(asked: Hypothesis, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The rows of its task; of them those of ours at its ratios, and all of theirs."""
    rows = table[table["task"].eq(asked.task)]
    ours = rows[rows["method"].eq(asked.ours) & rows["ratio"].isin(asked.ratios)]
    return rows, ours, rows[rows["method"].eq(asked.theirs)]


def shares(asked: Hypothesis, table: pd.DataFrame) -> dict[str, str]:
    """What ours has of theirs in percent, from the least to the most over the ratios (means over seeds)."""
    _, ours, theirs = sides(asked, table)
    both = at_equal_ratio(ours, theirs)
    if asked.at != "ratio" or both.empty:
        return dict.fromkeys(SIZES, "")
    return {x: stats.span((100 * both[x] / both[f"{x}_theirs"]).groupby(both["ratio"]).mean()) for x in SIZES}


def at_equal_ratio(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Ours, each with its gap in accuracy to theirs of the same seed; a dense network's ratio is 0."""
    on = ["seed"] if theirs["ratio"].eq(0).all() else ["seed", "ratio"]
    both = ours.merge(theirs, on=on, suffixes=("", "_theirs"))
    return both.assign(gap=both["accuracy (%)"] - both["accuracy (%)_theirs"])


def described(name: str, asked: Hypothesis) -> dict[str, str]:
    """What a hypothesis says, as the first columns of a table."""
    return {
        "": name,
        "hypothesis": asked.says,
        "task": asked.task,
        "ratios": ", ".join(f"{ratio:g}" for ratio in asked.ratios),
        "at": MEASURES[asked.at],
    }


def as_table(found: list[Outcome]) -> pd.DataFrame:
    """A row a hypothesis, in words."""
    return pd.DataFrame(
        {
            **described(each.name, each.asked),
            "difference (points)": "" if math.isnan(each.mean) else stats.shown(each.mean, each.half),
            "n": each.n,
            **{f"{COSTS[x]} (% of theirs)": each.sizes[x] for x in SIZES},
            "p (Holm)": "" if math.isnan(each.p) else f"{each.p:.3f}",
            "p (equivalence)": "" if math.isnan(each.equal) else f"{each.equal:.3f}",
            "verdict": each.verdict,
        }
        for each in found
    )
