"""A claim, tried: two ways of training beside each other, seed by seed, with interval, n and verdict.

A verdict names a paper only where that paper makes the comparison; else it says above or below.
"""

from collections import Counter
from typing import NamedTuple

import pandas as pd

from lib.report import stats
from lib.report.questions import Claim

VARIED = {  # what an ablation replaces in SCA, in words; stop: a share of the epochs
    "score": " by {}",
    "normalise": ", normalised scores",
    "l1": " with L1 {}",
    "regrow": " that regrows {}",
    "interval": ", {}-epoch interval",
    "stop": ", updates until {}",
}
SCORES = {
    "spike_abs_v": "S + |V|",
    "abs_v": "|V|",
    "firing_rate": "firing rate",
    "bn_gamma": "BN gamma",
    "filter_l1": "filter L1",
    "relu_h": "max(H, 0)",
}
SIZES = {"parameters": "parameters", "SynOps": "AC"}  # what ours has beside theirs, and its column


class Difference(NamedTuple):
    """One claim, tried in one place.

    mean, half: of n paired differences, and half the width of its 95 % interval
    words, more: the verdict, and what else differs
    """

    ours: str
    theirs: str
    task: str
    at: str
    mean: float
    half: float
    n: int
    unit: str
    words: str
    more: str = ""


def by_variant(table: pd.DataFrame) -> pd.DataFrame:
    """method: of an ablation what it varies, as `Claim` names it."""
    return table.assign(method=table["method"].where(table["variant"].eq(""), table["variant"]))


def label(name: str, labels: dict[str, str]) -> str:
    """A method's label, or an ablation in words: "score abs_v" -> "SCA by |V|"."""
    if name in labels:
        return labels[name]
    settings = [setting.partition(" ") for setting in name.split(", ")]
    return "SCA" + "".join(VARIED[key].format(SCORES.get(value, value)) for key, _, value in settings)


def verdict(mean: float, half: float, n: int, says: str = "", above: bool = True) -> str:
    """In words: what an interval says, and whether a paper says so, too."""
    if not abs(mean) > half:
        return f"undecided at n={n}"
    if not says:
        return "above" if mean > 0 else "below"
    return f"{'agrees' if above == (mean > 0) else 'disagrees'} with {says}"


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
        mean, half = stats.interval(100 * (mine / other - 1) if in_percent else mine - other)
        words = unlike(claim, both) or verdict(mean, half, len(both), claim.says, claim.above)
        if not words.startswith("not compared") and differ(both, "epochs"):
            words += f", with {against(both, 'epochs')} epochs"
        names = (label(ours, labels), label(theirs, labels))
        unit = "% parameters" if in_percent else "points"
        more = "" if in_percent else sizes(both, at)
        made.append(Difference(*names, task, at, mean, half, len(both), unit, words, more))
    return made


def unlike(claim: Claim, both: pd.DataFrame) -> str:
    """Why two ways of training are not to be compared; "" if they are."""
    if claim.same_end and differ(both, "last update (epoch)"):
        return f"not compared: last update after epoch {against(both, 'last update (epoch)')}"
    left = both["density (%)_ours"].mean()
    others = both["density (%)_theirs"]
    apart = others.max() < 99.9 and abs(left - others.mean()) > 0.1
    if both["at"].iloc[0].startswith("density") and apart:
        return "not compared: at other densities"
    return ""


def sizes(both: pd.DataFrame, at: str) -> str:
    """What ours has beside theirs, where a ratio, a rho or a density does not say so."""
    if at.startswith("ratio"):
        return ", ".join(f"{share(both, column)} of the {name}" for name, column in SIZES.items())
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


def sentence(tried: list[Difference]) -> str:
    """For each two names: each difference with its interval, and how often each verdict falls; "" of none."""
    told = []
    for names in dict.fromkeys((each.ours, each.theirs) for each in tried):
        same = [each for each in tried if (each.ours, each.theirs) == names]
        counts = Counter(each.words for each in same).most_common()
        words = ", ".join(
            words if len(same) == 1 else f"{words} ({number} of {len(same)})" for words, number in counts
        )
        some = [each for each in same if each.n]
        numbers = f" {', '.join(map(shown, some))} {some[0].unit} ({where(some)})" if some else ""
        told.append(f"{' against '.join(names)}{numbers}: {words}")
    return "; ".join(told)


def where(tried: list[Difference]) -> str:
    """ratio 0.5, 0.7 of a task; ratio 0.5 of another"""
    places = {}
    for each in tried:
        places.setdefault(each.task, []).append(each.at)
    told = []
    for task, at in places.items():
        kind = at[0].partition(" ")[0] + " "
        short = ", ".join([at[0], *(each.removeprefix(kind) for each in at[1:])])
        told.append(" of ".join(filter(None, (short, task))))
    return "; ".join(told)


def shown(each: Difference) -> str:
    """+1.0 ± 0.5"""
    if each.n > 1:
        return stats.shown(each.mean, each.half)
    return f"{each.mean:+.1f} (one seed)" if each.n else "-"


def as_table(tried: list[Difference]) -> pd.DataFrame:
    """A row a difference, in words."""
    return pd.DataFrame(
        {
            "ours": each.ours,
            "against": each.theirs,
            "network and data": each.task,
            "at": each.at,
            "difference (95 %)": f"{shown(each)} {each.unit}",
            "n": each.n,
            "verdict": each.words,
            "ours has": each.more,
        }
        for each in tried
    )
