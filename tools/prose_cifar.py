"""Paragraphs with numbers of the cifar study, as `tools/readme.py` writes them."""

import pandas as pd
from prose import decided, lost, tried, wrapped

from lib.report import equal_size, findings, frontier, primary, results
from lib.report.claims import Difference
from lib.report.claims import decided as is_decided
from lib.report.stats import interval, shown, span
from lib.settings import config

STUDY = config.load("cifar")
TABLE = results.table(STUDY)
MADE = findings.differences(STUDY, TABLE)
OWN = STUDY.methods["sca"].label
DENSE = TABLE[TABLE["stage"].eq("dense") & TABLE["task"].eq(STUDY.headline)]
PRUNED = TABLE[TABLE["stage"].eq("channels") & TABLE["task"].eq(STUDY.headline)]
SIZES = {"parameters": "parameters", "AC": "SynOps"}


def gaps() -> dict[str, pd.DataFrame]:
    """{size: SCA's networks, each with the points by which it is above the dense frontier of that size},
    at the ratios that lie within the frontier by every size."""
    ours = PRUNED[PRUNED["method"].eq("sca")]
    dense = frontier.dense_networks(STUDY, TABLE)
    return frontier.in_every_range(
        {x: equal_size.beside_curve(ours, frontier.envelope(dense, x), x) for x in SIZES}
    )


def against_random() -> list[Difference]:
    return tried("Does prune-and-regrow beat random", OWN, "random", MADE)


def picture() -> str:
    """Caption of the first figure of README.md."""
    seeds = TABLE[TABLE["stage"].isin(["dense", "channels"])].groupby(["task", "method"])["seed"].nunique()
    return wrapped(f"""
*CIFAR-10, test accuracy against parameters (a) and synaptic operations (b). Stars: dense networks of each
width and number of time steps T, the largest at {DENSE["accuracy (%)"].mean():.1f} %; dotted: the best that
is no larger. Lines: channels removed by SCA and at random. n = {span(seeds)} of 3
or 5 seeds; 95 % intervals where n > 1.*
""")


def at_ninety() -> str:
    """What is found at the papers' accuracy, each a line."""
    random = against_random()
    if any(each.mean < 0 and is_decided(each) for each in random):
        raise ValueError("SCA against random: SCA is seen to lose; write it anew")
    told = ", ".join(f"{shown(each.mean, each.half)} at {each.at}" for each in random)
    before = tried("Does prune-and-regrow beat random", OWN, "random")
    first = primary.tried(STUDY, TABLE)[0]
    found = gaps()
    seeds = {x: each.dropna(subset="gap").groupby("seed")["gap"].mean() for x, each in found.items()}
    if seeds["parameters"].mean() <= 0 or seeds["AC"].mean() >= 0:
        raise ValueError("SCA beside the frontier: the signs have changed; write it anew")
    both = ", ".join(f"{shown(*interval(seeds[x]))} points at equal {name}" for x, name in SIZES.items())
    ratios = " and ".join(f"{ratio:g}" for ratio in found["AC"]["ratio"].unique())
    asked = len(STUDY.grid.seeds)
    lines = (
        f"**SCA is not seen to lose to random channels.** SCA minus random: {told} points "
        f"({decided(random)}; n = {min(each.n for each in random)} of {asked}); over all ratios, as "
        f"registered, {shown(first.mean, first.half)}: {first.verdict}. In networks of 60 % it had been "
        f"{lost(before)} below ({decided(before)}).",
        "**It seems to save parameters, not operations.** Beside dense networks that are narrower, or have "
        f"fewer time steps, from the start, SCA is {both} (ratios {ratios}, n = "
        f"{min(map(len, seeds.values()))}).",
    )
    return "\n".join(f"- {line}" for line in lines)


def state() -> str:
    """How far the cifar study is."""
    there = TABLE.groupby(["stage", "task", "method"])["seed"].nunique().sum()
    mean, half = interval(DENSE["accuracy (%)"])
    return wrapped(f"""
The main network, dense, reaches {mean:.2f} ± {half:.2f} % (n = {len(DENSE)}). Of the study's
{len(results.expected(STUDY))} records (a method on a task with one seed) {there} are there, {len(TABLE)}
trainings.
""")


def decisions() -> str:
    """The table of primary hypotheses as it stands."""
    text = (STUDY.tables / "primary.md").read_text()
    return text[text.index("|") :].rstrip()
