"""What papers claim and baselines ask: two ways of training beside each other, seed by seed, with interval and n.

An answer names a paper only where that paper makes the comparison (docs/methods.md); else it says above or below.
"""

from collections import Counter
from typing import NamedTuple

import pandas as pd

from lib.report import stats

SCA, SPARSE, LIU = "SCA", "SparseSpikformer", "Liu et al. (2019)"


class Claim(NamedTuple):
    """ours, theirs: names of methods or baselines, "dense", or what an ablation varies ("score abs_v"; "l1" for all its values)

    says, above: who makes the comparison, and whether it finds ours above theirs
    measure: "accuracy", a difference in points, or "parameters", a difference in percent of theirs
    same_end: not compared if the structure changes for the last time in other epochs
    """

    ours: str
    theirs: str
    says: str = ""
    above: bool = True
    measure: str = "accuracy"
    same_end: bool = False


class Difference(NamedTuple):
    """One claim, tried in one place: mean and half width of n paired differences, the verdict, and what differs beside them."""

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


QUESTIONS: dict[str, tuple[Claim, ...]] = {  # numbers of items and sections as in docs/methods.md
    "What does removing channels cost? (1.7)": (Claim("sca", "dense"), Claim("sca-plus", "dense")),
    "Does prune-and-regrow beat only-prune? (A32)": (
        Claim("sca", "only-prune", SCA),
        Claim("sca-soft", "only-prune", SCA),
    ),
    "Does only-prune beat random channels? (A32)": (Claim("only-prune", "random", SCA),),
    "Does prune-and-regrow beat random channels? (A32)": (
        Claim("sca", "random", SCA),
        Claim("sca-soft", "random", SCA),
    ),
    "Do only-prune and random keep more parameters at an equal ratio? (A32)": (
        Claim("only-prune", "sca", SCA, True, "parameters"),
        Claim("only-prune", "sca-soft", SCA, True, "parameters"),
        Claim("random", "sca", SCA, True, "parameters"),
        Claim("random", "sca-soft", SCA, True, "parameters"),
    ),
    "What does sca+, our schedule of the same parts, gain? (A22, A24)": (
        Claim("sca-plus", "sca"),
        Claim("sca-plus", "only-prune"),
        Claim("sca-plus", "random"),
    ),
    "What does |V|, which the text prints, change against S + |V|, which the code uses? (A10-A12)": (
        Claim("score abs_v", "sca"),
    ),
    "Are other scores better than S + |V|? (A12)": (
        Claim("score firing_rate", "sca"),
        Claim("score relu_h", "sca"),
        Claim("score bn_gamma", "sca"),
        Claim("score filter_l1", "sca"),
    ),
    "Are other scores better than |V|? (A10, A12)": (
        Claim("score firing_rate", "score abs_v"),
        Claim("score relu_h", "score abs_v"),
        Claim("score bn_gamma", "score abs_v"),
        Claim("score filter_l1", "score abs_v"),
    ),
    "What does dividing scores by their layer's mean change? (A22)": (Claim("normalise", "sca"),),
    "Frozen or soft: does freezing what is masked matter? (A20-A22)": (Claim("sca", "sca-soft"),),
    "What does another L1 change? (A25)": (Claim("l1", "sca"),),
    "What does another regrown fraction change? (A15)": (Claim("regrow", "sca"),),
    "What does another interval between updates change, if the last update falls in the same epoch? (A16)": tuple(
        Claim("interval", name, same_end=True) for name in ("stop", "sca")
    ),
    "What does it change if only the last updates are left out? (A24)": (Claim("stop", "sca"),),
    "Do the weights that pruning leaves beat its widths, trained anew? (A34)": (
        Claim("sca", "anew", LIU, False),
    ),
    "Does SCA beat a dense network of equal parameters, or of equal training cost? (A34)": (
        Claim("sca", "uniform"),
        Claim("sca", "uniform-longer"),
    ),
    "What do sparse weights cost? (2.6)": (Claim("pq", "dense"),),
    "Does PQ beat its baselines, at equal density? (2.6, B16)": (
        Claim("pq", "pq-fixed"),
        Claim("pq", "pq-random"),
        Claim("pq", "esl"),
        Claim("pq", "one-shot"),
    ),
    "Does PQ beat other methods for single weights, at equal density? (2.7)": (
        Claim("pq", "set"),
        Claim("pq", "rigl"),
        Claim("pq", "granet"),
        Claim("pq", "lottery"),
        Claim("pq", "grad-r"),
        Claim("pq", "stds"),
    ),
    "What does each part of PQ change? (2.6)": (
        Claim("pq", "pq-neuron"),
        Claim("pq", "pq-constant"),
        Claim("pq", "pq-shrink"),
        Claim("pq", "pq-gradual"),
    ),
    "Are learned tokens better than random ones (printed for rho 0.8 to 0.6), or than attention's choice? (3.6)": (
        Claim("learned", "random-tokens", SPARSE),
        Claim("learned", "attention"),
    ),
    "What do dropped tokens cost beside all tokens, trained on?": (Claim("learned", "all"),),
    "What does that training give by itself?": (Claim("all", "dense"),),
    "What does skipping cost, which trains nothing? (3.7)": (Claim("skip", "dense"),),
    "Do tickets gain from selected tokens, as on CIFAR-10? (3.6)": (
        Claim("tickets-learned", "tickets-all", SPARSE),
    ),
    "What do tickets cost beside all weights, trained on?": (Claim("tickets-all", "all"),),
}
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


def varied(variant) -> str:
    """{"score": "abs_v"} -> "score abs_v"; "" of what is no ablation."""
    return ", ".join(f"{key} {value}" for key, value in variant.items()) if isinstance(variant, dict) else ""


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
    """The trainings that a claim sets beside each other, by places: task, at, seed, each measure with _ours and _theirs."""
    names = table["method"]
    ours, theirs = (table[(names == name) | names.str.startswith(f"{name} ")] for name in claim[:2])
    whole = theirs["at"].eq("").all()  # theirs is asked for nothing, and stands beside ours at everything
    on = ["cell", "seed"] if whole else ["cell", "at", "seed"]
    others = (theirs.drop(columns="at") if whole else theirs).groupby("method", sort=False)
    beside = [
        ours.merge(each, on=on, suffixes=("_ours", "_theirs"), validate="many_to_one") for _, each in others
    ]
    return [rows for both in beside for _, rows in both.groupby(["cell", "at", "method_ours"], sort=False)]


def compare(claim: Claim, table: pd.DataFrame, labels: dict[str, str]) -> list[Difference]:
    """A claim in every task and at everything asked; empty if the study has not tried it."""
    made = []
    for both in pairs(table, claim):
        cell, at, ours, theirs = both[["cell", "at", "method_ours", "method_theirs"]].iloc[0]
        mine, other = both[f"{claim.measure}_ours"], both[f"{claim.measure}_theirs"]
        percent = claim.measure == "parameters"
        mean, half = stats.interval(100 * (mine / other - 1) if percent else mine - other)
        words, more = verdict(mean, half, len(both), claim.says, claim.above), ""
        if at.startswith("ratio") and not percent:
            more = f"{share(both, 'parameters')} of the parameters, {share(both, 'synops')} of the SynOps"
        if at.startswith("rho"):
            more = f"{share(both, 'energy')} of the energy"
        if at.startswith("density"):
            left, wanted = both["density_ours"].mean(), 100 * both["asked_ours"].mean()
            more = f"{left:.3g} % of the weights" if abs(left - wanted) > 0.1 else ""
            if both["density_theirs"].max() < 99.9 and abs(left - both["density_theirs"].mean()) > 0.1:
                words = "not compared: at other densities"
        if both["epochs_ours"].ne(both["epochs_theirs"]).any():
            words += f", with {against(both, 'epochs')} epochs"
        if claim.same_end and both["end_ours"].ne(both["end_theirs"]).any():
            words = f"not compared: last update after epoch {against(both, 'end')}"
        names = (label(ours, labels), label(theirs, labels))
        made.append(
            Difference(
                *names, task, at, mean, half, len(both), "% parameters" if percent else "points", words, more
            )
        )
    return made


def against(both: pd.DataFrame, what: str) -> str:
    """Ours and theirs, over the seeds: 10 against 45 to 77"""
    return " against ".join(stats.span(both[f"{what}_{whose}"]) for whose in ("ours", "theirs"))


def share(both: pd.DataFrame, size: str) -> str:
    """Ours in percent of theirs, mean over seeds."""
    return f"{100 * (both[f'{size}_ours'] / both[f'{size}_theirs']).mean():.0f} %"


def sentence(tried: list[Difference]) -> str:
    """For each two names the differences, each with its interval, and how often each verdict is given; "" of none."""
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
    places = {
        task: [each.at for each in tried if each.task == task] for task in (each.task for each in tried)
    }
    kinds = {task: at[0].partition(" ")[0] + " " for task, at in places.items()}
    short = {
        task: ", ".join([at[0], *(each.removeprefix(kinds[task]) for each in at[1:])])
        for task, at in places.items()
    }
    return "; ".join(" of ".join(filter(None, (at, task))) for task, at in short.items())


def shown(each: Difference) -> str:
    """+1.0 ± 0.5"""
    return (
        stats.shown(each.mean, each.half) if each.n > 1 else f"{each.mean:+.1f} (one seed)" if each.n else "-"
    )


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
