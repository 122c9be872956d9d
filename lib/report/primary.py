"""The primary hypotheses of a study, tried: few, and written down before it was run (docs/protocol.md)."""

import math
from typing import NamedTuple

import pandas as pd

from lib.report import stats
from lib.report.frontier import dense_networks
from lib.settings.primary import FRONTIER, Hypothesis
from lib.settings.study import Study

LEVEL = 0.05
MEASURES = {"ratio": "equal ratio", "parameters": "equal parameters", "AC": "equal SynOps"}


class Outcome(NamedTuple):
    """mean, half: of n differences, one a seed, in points, and half the width of its 95 % interval
    p: of no difference, corrected for the number of hypotheses (Holm); equal: of one of `margin` or more
    """

    name: str
    asked: Hypothesis
    mean: float
    half: float
    n: int
    p: float
    equal: float
    verdict: str


def tried(study: Study, table: pd.DataFrame) -> list[Outcome]:
    """Every hypothesis of the study. table: as `lib.report.results.table` gives it"""
    gaps = {name: differences(asked, study, table) for name, asked in study.primary.items()}
    known = {name: stats.p_value(each) for name, each in gaps.items() if len(each) > 1}
    adjusted = dict(zip(known, stats.holm(list(known.values())), strict=True))
    made = []
    for name, each in gaps.items():
        mean, half = stats.interval(each) if each else (math.nan, math.nan)
        p = adjusted.get(name, math.nan)
        equal = stats.p_equal(each, study.margin)
        words = verdict(mean, p, equal, study.margin) if each else "not run yet"
        made.append(Outcome(name, study.primary[name], mean, half, len(each), p, equal, words))
    return made


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
    ours = table[
        table["task"].eq(asked.task) & table["method"].eq(asked.ours) & table["ratio"].isin(asked.ratios)
    ]
    rivals = theirs(asked, study, table)
    found = []
    for seed, rows in ours.groupby("seed"):
        beside = rivals[rivals["seed"].eq(seed)]
        gaps = [row["accuracy (%)"] - accuracy_at(asked, beside, row) for _, row in rows.iterrows()]
        if len(gaps) == len(asked.ratios) and not any(math.isnan(gap) for gap in gaps):
            found.append(sum(gaps) / len(gaps))
    return found


def theirs(asked: Hypothesis, study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """What ours stands beside; a method at equal size with the dense network, where its curve begins."""
    if asked.theirs == FRONTIER:
        return dense_networks(study, table)
    rows = table[table["task"].eq(asked.task)]
    with_dense = [asked.theirs] if asked.at == "ratio" else [asked.theirs, "dense"]
    return rows[rows["method"].isin(with_dense)]


def accuracy_at(asked: Hypothesis, rivals: pd.DataFrame, row: pd.Series) -> float:
    """Of theirs at the ratio or the size of a trial of ours; nan where it was not measured."""
    if rivals.empty:
        return math.nan
    if asked.at == "ratio":
        there = rivals if asked.theirs == "dense" else rivals[rivals["ratio"].eq(row["ratio"])]
        return there["accuracy (%)"].iloc[0] if len(there) else math.nan
    sizes = rivals[asked.at]
    values = rivals["accuracy (%)"]
    if asked.theirs == FRONTIER:
        sizes, values = stats.best_within(sizes, values)
    return stats.along(sizes, values, row[asked.at])


def as_table(found: list[Outcome]) -> pd.DataFrame:
    """A row a hypothesis, in words."""
    return pd.DataFrame(
        {
            "": each.name,
            "hypothesis": each.asked.says,
            "task": each.asked.task,
            "ratios": ", ".join(f"{ratio:g}" for ratio in each.asked.ratios),
            "at": MEASURES[each.asked.at],
            "difference (points)": "" if math.isnan(each.mean) else stats.shown(each.mean, each.half),
            "n": each.n,
            "p (Holm)": "" if math.isnan(each.p) else f"{each.p:.3f}",
            "p (equivalence)": "" if math.isnan(each.equal) else f"{each.equal:.3f}",
            "verdict": each.verdict,
        }
        for each in found
    )
