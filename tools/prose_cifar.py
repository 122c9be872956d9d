"""Paragraphs with numbers of the cifar study, as `tools/readme.py` writes them."""

from statistics import mean

import pandas as pd
from prose import decided, lost, tried, wrapped

from lib.report import equal_size, findings, frontier, results
from lib.report.claims import Difference
from lib.report.stats import interval, shown, span
from lib.settings import config

STUDY = config.load("cifar")
TABLE = results.table(STUDY)
MADE = findings.differences(STUDY, TABLE)
OWN = STUDY.methods["sca"].label
DENSE = TABLE[TABLE["stage"].eq("dense") & TABLE["task"].eq(STUDY.headline)]
PRUNED = TABLE[TABLE["stage"].eq("channels") & TABLE["task"].eq(STUDY.headline)]
SIZES = {"parameters": "parameters", "AC": "SynOps"}


def gaps(x: str) -> pd.Series:
    """By how many points SCA is above the dense frontier at its own size: of each seed, mean over ratios."""
    ours = PRUNED[PRUNED["method"].eq("sca")]
    beside = equal_size.beside_curve(ours, frontier.envelope(frontier.dense_networks(STUDY, TABLE), x), x)
    return beside.dropna(subset="gap").groupby("seed")["gap"].mean()


def side(points: float) -> str:
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"


def against_random() -> list[Difference]:
    return tried("Does prune-and-regrow beat random", OWN, "random", MADE)


def picture() -> str:
    """Caption of the first figure of README.md."""
    seeds = TABLE[TABLE["stage"].isin(["dense", "channels"])].groupby(["task", "method"])["seed"].nunique()
    return wrapped(f"""
*CIFAR-10, test accuracy against parameters (a) and synaptic operations (b). Stars: dense networks of each
width and number of time steps T, the largest at {DENSE["accuracy (%)"].mean():.1f} %; dotted: the best that
is no larger. Lines: channels removed by SCA and at random. n = {span(seeds)} of
{len(STUDY.grid.seeds)} seeds, 95 % intervals.*
""")


def at_ninety() -> str:
    """What is found at the papers' accuracy, each a line."""
    random = against_random()
    told = ", ".join(f"{shown(each.mean, each.half)} points at {each.at}" for each in random)
    before = tried("Does prune-and-regrow beat random", OWN, "random")
    if mean(each.mean for each in random) <= 0:
        raise ValueError("SCA against random: the older verdict has not turned; write it anew")
    found = {name: gaps(x) for x, name in SIZES.items()}
    both = " and ".join(f"{side(each.mean())} at equal {name}" for name, each in found.items())
    lines = (
        "**At equal ratio SCA is level with random channels or above them.** SCA minus random: "
        f"{told} ({decided(random)}; n = {max(each.n for each in random)} of {len(STUDY.grid.seeds)}). "
        f"In networks of 60 % SCA had been {lost(before)} below: that verdict does not carry over.",
        "**It seems to save parameters, not operations.** Beside dense networks that are narrower, or have "
        f"fewer time steps, from the start, SCA is {both} (n = {min(map(len, found.values()))}).",
    )
    return "\n".join(f"- {line}" for line in lines)


def state() -> str:
    """How far the cifar study is."""
    there = TABLE.groupby(["stage", "task", "method"])["seed"].nunique().sum()
    mean, half = interval(DENSE["accuracy (%)"])
    return wrapped(f"""
The main network, dense, reaches {mean:.2f} ± {half:.2f} % (n = {len(DENSE)}). Of the study's
{len(results.expected(STUDY))} records (a method on a task with one seed) {there} are there, {len(TABLE)}
trainings; an NVIDIA H100, lent for a quarter of an hour, trained them in bf16.
""")


def decisions() -> str:
    """The table of primary hypotheses as it stands."""
    text = (STUDY.tables / "primary.md").read_text()
    return text[text.index("|") :].rstrip()
