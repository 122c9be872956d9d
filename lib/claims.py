"""What the papers claim and what the controls ask, each answered in a sentence from a study's trainings, with interval and n.

A claim sets two ways of training beside each other, seed by seed. Its answer names a paper only where that compares the two.
"""

from collections import Counter
from typing import NamedTuple

import pandas as pd

from lib import stats

SCA, PQ, SPARSE, SKIP = "SCA", "PQ", "SparseSpikformer", "TP-Spikformer"


class Claim(NamedTuple):
    """ours, theirs: names of methods or controls, "dense", or a varied setting of the ablation ("score firing_rate").

    says: who compares the two; above: what it finds for ours (None: as good as theirs)
    """

    ours: str
    theirs: str
    says: str = ""
    above: bool | None = True


QUESTIONS: dict[str, tuple[Claim, ...]] = {  # in the papers' order; numbers of items as in docs/methods.md
    "What does removing channels cost? (A29)": (Claim("sca", "dense"), Claim("sca-plus", "dense")),
    "Does prune-and-regrow beat only-prune? (A32)": (Claim("sca", "only-prune", SCA), Claim("sca-plus", "only-prune", SCA)),
    "Does only-prune beat random channels? (A32)": (Claim("only-prune", "random", SCA),),
    "Does prune-and-regrow beat random channels? (A32)": (Claim("sca", "random", SCA), Claim("sca-plus", "random", SCA)),
    "What does S + |V|, which the code uses, change against |V|, which the text prints? (A10-A12)": (
        Claim("sca", "score abs_v"),
    ),
    "Is S + |V| a better score than firing rate, BN gamma or filter L1? (A12)": (
        Claim("sca", "score firing_rate"),
        Claim("sca", "score bn_gamma"),
        Claim("sca", "score filter_l1"),
    ),
    "What does ranking inside each layer's own scale change? (A22)": (Claim("normalise True", "sca"),),
    "Gated or literal: does freezing what is masked matter? (A20-A22)": (Claim("sca", "sca-literal"),),
    "Does the L1 term help? (A25)": (Claim("sca", "l1 0.0"),),
    "Does a larger regrown fraction help? (A15)": (Claim("regrow 0.2", "sca"),),
    "Do rarer updates help? (A16)": (Claim("interval 2", "sca"),),
    "What does sca+ gain? (A22, A24)": (Claim("sca-plus", "sca"),),
    "Is it the weights or the widths that pruning finds? (A34)": (Claim("sca", "anew"),),
    "Does SCA beat a dense network of equal parameters, or of equal training cost? (A34)": (
        Claim("sca", "uniform"),
        Claim("sca", "uniform-longer"),
    ),
    "What do sparse weights cost? (B15)": (Claim("pq", "dense"),),
    "Does PQ beat its controls at equal density? (B16)": (
        Claim("pq", "pq-fixed"),
        Claim("pq", "pq-random"),
        Claim("pq", "esl", PQ),
        Claim("pq", "one-shot"),
    ),
    "Are learned tokens better than random ones, or than attention's choice? (C6)": (
        Claim("learned", "random-tokens", SPARSE),
        Claim("learned", "attention"),
    ),
    "What do dropped tokens cost beside all tokens, trained on as long? (C11)": (Claim("learned", "all", SPARSE, None),),
    "What does skipping cost, which trains nothing?": (Claim("skip", "dense", SKIP, None),),
    "Do tickets gain from selected tokens? (C16)": (Claim("tickets-learned", "tickets-all", SPARSE),),
    "What do tickets cost? (C13)": (Claim("tickets-all", "all", SPARSE, None),),
}


def pairs(table: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """The trainings that a claim sets beside each other: cell, at, seed, and each measure with _ours and _theirs."""
    ours, theirs = (table[table["method"] == name] for name in claim[:2])
    whole = theirs["at"].eq("").all()  # theirs is asked for nothing, and stands beside ours at everything
    on = ["cell", "seed"] if whole else ["cell", "at", "seed"]
    return ours.merge(theirs.drop(columns="at") if whole else theirs, on=on, suffixes=("_ours", "_theirs"))


def verdict(mean: float, half: float, n: int, claim: Claim) -> str:
    """In words: what an interval says of a claim."""
    if not abs(mean) > half:
        return f"undecided at n={n}"
    if not claim.says:
        return "above" if mean > 0 else "below"
    return f"{'agrees' if claim.above == (mean > 0) else 'disagrees'} with {claim.says}"


def compare(claim: Claim, table: pd.DataFrame, labels: dict[str, str]) -> tuple[str, list[str]]:
    """Both names with the paired difference in every cell and at everything asked, and the verdicts; empty if none was run."""
    told, verdicts = [], []
    for (cell, at), both in pairs(table, claim).groupby(["cell", "at"], sort=False):
        mean, half = stats.interval(both["accuracy_ours"] - both["accuracy_theirs"])
        words = verdict(mean, half, len(both), claim)
        apart = (both["density_ours"] - both["density_theirs"]).mean()
        if at.startswith("density") and both["density_theirs"].max() < 99.9 and abs(apart) > 0.1:
            words = f"not compared, {apart:+.1f} points of density apart"
        told.append(f"{mean:+.1f} ± {half:.1f} points at {at} of {cell} ({words}{sizes(claim, both)})")
        verdicts.append(words)
    names = " against ".join(label(name, labels) for name in claim[:2])
    return f"{names} {', '.join(told)}" if told else "", verdicts


def answer(claims: tuple[Claim, ...], table: pd.DataFrame, labels: dict[str, str]) -> str:
    """How often each verdict is given, then every comparison; "" if the study has none."""
    told, verdicts = zip(*(compare(claim, table, labels) for claim in claims), strict=True)
    counts = Counter(words for each in verdicts for words in each)
    short = ", ".join(words if len(counts) == 1 else f"{words} ({number})" for words, number in counts.most_common())
    return f"*{short[:1].upper()}{short[1:]}.* {'; '.join(filter(None, told))}" if counts else ""


def label(name: str, labels: dict[str, str]) -> str:
    return labels.get(name, f"SCA with {name.replace('_', ' ')}")


def sizes(claim: Claim, both: pd.DataFrame) -> str:
    """Where a ratio alone would mislead: what share of the other's parameters and SynOps (AC) is left."""
    if claim.ours not in ("sca", "sca-plus") or claim.theirs in ("random", "anew", "uniform", "uniform-longer"):
        return ""
    shares = [100 * (both[f"{measure}_ours"] / both[f"{measure}_theirs"]).mean() for measure in ("parameters", "synops")]
    return ", {:.0f} % of its parameters, {:.0f} % of its SynOps".format(*shares)
