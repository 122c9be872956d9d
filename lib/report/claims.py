"""A claim, tried: two ways of training beside each other, seed by seed, with interval, n and verdict.

A verdict names a paper only where that paper makes the comparison; else it says higher or lower.
"""

import math
from typing import NamedTuple

import pandas as pd

from lib.report import stats
from lib.report.questions import Claim
from lib.report.results import COSTS

VARIED = {  # what an ablation replaces in SCA, in words; stop: a share of the epochs
    "score": " by {}",
    "normalise": ", normalised scores",
    "l1": " with L1 {}",
    "regrow": " that regrows {}",
    "interval": ", {}-epoch interval",
    "stop": ", updates until {}",
    "members": ", {} members",
    "mode": ", {}",
}
SCORES = {
    "spike_abs_v": "S + |V|",
    "abs_v": "|V|",
    "firing_rate": "firing rate",
    "bn_gamma": "BN gamma",
    "filter_l1": "filter L1",
    "relu_h": "max(H, 0)",
    "singular_values": "singular values",
}
LEVEL = 0.05
UNDECIDED = "undecided"
APART = "not compared"


class Difference(NamedTuple):
    """One claim, tried in one place.

    mean, half: of n paired differences, and half the width of its 95 % interval; p: of no difference,
    corrected by `corrected`; note: what else differs
    """

    ours: str
    theirs: str
    task: str
    at: str
    mean: float
    half: float
    n: int
    unit: str
    verdict: str
    note: str = ""
    p: float = math.nan


def by_variant(table: pd.DataFrame) -> pd.DataFrame:
    """method: of an ablation what it varies, as `Claim` names it."""
    return table.assign(method=table["method"].where(table["variant"].eq(""), table["variant"]))


def label(name: str, labels: dict[str, str]) -> str:
    """A method's label, or an ablation in words: "score abs_v" -> "SCA by |V|"."""
    if name in labels:
        return labels[name]
    settings = [setting.partition(" ") for setting in name.split(", ")]
    told = [VARIED.get(key, f", {key} {{}}").format(SCORES.get(value, value)) for key, _, value in settings]
    return "SCA" + "".join(told)


def verdict(mean: float, p: float, says: str = "", above: bool = True) -> str:
    """In words: what a difference says, and whether a paper says so, too."""
    if not p < LEVEL:
        return UNDECIDED
    if not says:
        return "higher" if mean > 0 else "lower"
    return f"{'agrees' if above == (mean > 0) else 'disagrees'} with {says}"


def corrected(tried: list[Difference]) -> list[Difference]:
    """The differences that one question tries, their p values corrected for the number of all that are
    compared."""
    adjusted = iter(stats.holm([each.p for each in tried if each.verdict != APART]))
    found = [each if each.verdict == APART else each._replace(p=next(adjusted)) for each in tried]
    return [
        each if each.p < LEVEL or not decided(each) else each._replace(verdict=UNDECIDED) for each in found
    ]


def decided(each: Difference) -> bool:
    return each.verdict not in (UNDECIDED, APART)


def pairs(table: pd.DataFrame, claim: Claim) -> list[pd.DataFrame]:
    """The trials that a claim sets beside each other, by task and what was asked; a row a seed.

    Columns end in _ours and _theirs, but those by which they are paired.
    """
    names = table["method"]
    ours, theirs = (table[(names == name) | names.str.startswith(f"{name} ")] for name in claim[:2])
    whole = theirs["at"].eq("").all()  # theirs is asked for nothing, and stands beside ours at everything
    on = ["task", "seed"] if whole else ["task", "at", "seed"]
    others = (theirs.drop(columns="at") if whole else theirs).groupby("method", sort=False)
    beside = [
        ours.merge(each, on=on, suffixes=("_ours", "_theirs"), validate="many_to_one") for _, each in others
    ]
    return [rows for both in beside for _, rows in both.groupby(["task", "at", "method_ours"], sort=False)]


def compare(claim: Claim, table: pd.DataFrame, labels: dict[str, str]) -> list[Difference]:
    """A claim in every task and at everything asked; empty where the two are not both there.

    table: as `lib.report.results.table` gives it, `by_variant`
    """
    made = []
    for both in pairs(table, claim):
        task, at, ours, theirs = both[["task", "at", "method_ours", "method_theirs"]].iloc[0]
        mine = both[f"{claim.measure}_ours"]
        other = both[f"{claim.measure}_theirs"]
        in_percent = claim.measure == "parameters"
        apart = 100 * (mine / other - 1) if in_percent else mine - other
        mean, half = stats.interval(apart)
        p = stats.p_value(apart)
        names = (label(ours, labels), label(theirs, labels))
        unit = "% parameters" if in_percent else "points"
        if reason := unlike(claim, both):
            made.append(Difference(*names, task, at, mean, half, len(both), unit, APART, reason))
            continue
        notes = [] if in_percent else [sizes(both, at)]
        notes += [f"{against(both, 'epochs')} epochs"] if differ(both, "epochs") else []
        words = verdict(mean, p, claim.says, claim.above)
        note = ", ".join(filter(None, notes))
        made.append(Difference(*names, task, at, mean, half, len(both), unit, words, note, p))
    return made


def unlike(claim: Claim, both: pd.DataFrame) -> str:
    """Why two ways of training are not to be compared; "" if they are."""
    if claim.same_end and differ(both, "last update (epoch)"):
        return f"last update after epoch {against(both, 'last update (epoch)')}"
    left = both["density (%)_ours"].mean()
    others = both["density (%)_theirs"]
    apart = others.max() < 99.9 and abs(left - others.mean()) > 0.1
    if both["at"].iloc[0].startswith("density") and apart:
        return "at other densities"
    return ""


def sizes(both: pd.DataFrame, at: str) -> str:
    """What ours has beside theirs, where a ratio, a rho or a density does not say so."""
    if at.startswith("ratio"):
        return ", ".join(f"{share(both, x)} of the {COSTS[x]}" for x in ("parameters", "AC"))
    if at.startswith("rho"):
        return f"{share(both, 'energy (nJ)')} of the energy"
    if at.startswith("density"):
        left = both["density (%)_ours"].mean()
        asked = both["target density (%)_ours"].mean()
        return f"{left:.3g} % of the weights" if abs(left - asked) > 0.1 else ""
    return ""


def differ(both: pd.DataFrame, what: str) -> bool:
    """Whether ours and theirs differ in any seed in which both are known."""
    known = both[[f"{what}_ours", f"{what}_theirs"]].dropna()
    return bool(known.iloc[:, 0].ne(known.iloc[:, 1]).any())


def against(both: pd.DataFrame, what: str) -> str:
    """Ours and theirs, over the seeds: 10 against 45 to 77"""
    return " against ".join(stats.span(both[f"{what}_{whose}"].dropna()) for whose in ("ours", "theirs"))


def share(both: pd.DataFrame, size: str) -> str:
    """Ours in percent of theirs, mean over seeds."""
    return f"{100 * (both[f'{size}_ours'] / both[f'{size}_theirs']).mean():.0f} %"


def shown(each: Difference) -> str:
    """+1.0 ± 0.5"""
    seeds = {1: " (one seed)", 2: " (two seeds)"}  # without an interval
    return stats.shown(each.mean, each.half) + seeds.get(each.n, "")


def as_table(tried: list[Difference]) -> pd.DataFrame:
    """A row a difference, in words."""
    return pd.DataFrame(
        {
            "A": each.ours,
            "B": each.theirs,
            "task": each.task,
            "at": each.at,
            "A - B (95 % interval)": f"{shown(each)} {each.unit}" if each.n else "",
            "n": each.n,
            "p (Holm)": "" if math.isnan(each.p) else f"{each.p:.3f}",
            "verdict": each.verdict,
            "note": each.note,
        }
        for each in tried
    )
