"""Paragraphs with numbers of the cifar study, as `tools/readme.py` writes them."""

import pandas as pd
from prose import decided, lost, reached, tried, wrapped

from lib.report import equal_size, findings, frontier, primary, results
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


def picture() -> str:
    """Caption of the first figure of README.md."""
    seeds = TABLE[TABLE["stage"].isin(["dense", "channels"])].groupby(["task", "method"])["seed"].nunique()
    asked = sorted({len(STUDY.seeds(*each)) for each in seeds.index})
    return wrapped(f"""
*CIFAR-10, test accuracy against parameters (a) and synaptic operations (b). Stars: dense networks of each
width and number of time steps T, the largest at {DENSE["accuracy (%)"].mean():.1f} %; dotted: the best that
is no larger. Lines: channels removed by SCA and at random. n = {span(seeds)} of
{" or ".join(map(str, asked))} seeds; 95 % intervals where n > 1.*
""")


def where_decided(question: str, above: bool) -> str:
    """SCA minus random along curves, at those of SCA's own ratios that are decided.
    raises: ValueError if one is of the other sign, or none is decided"""
    made = [each for each in tried(question, OWN, "random", MADE) if " of " not in each.at]
    kept = [each for each in made if is_decided(each)]
    if not kept or any((each.mean > 0) != above for each in kept):
        raise ValueError(f"{question}: SCA against random has changed; write it anew")
    return ", ".join(f"{each.mean:+.1f} ({each.at})" for each in kept)


def at_ninety() -> str:
    """What is found at the papers' accuracy, each a line."""
    more = where_decided("At equal parameters", True)
    fewer = where_decided("At equal SynOps", False)
    before = tried("Does prune-and-regrow beat random", OWN, "random")
    first = primary.tried(STUDY, TABLE)[0]
    found = gaps()
    seeds = {x: each.dropna(subset="gap").groupby("seed")["gap"].mean() for x, each in found.items()}
    if seeds["parameters"].mean() <= 0 or seeds["AC"].mean() >= 0:
        raise ValueError("SCA beside the frontier: the signs have changed; write it anew")
    both = ", ".join(f"{shown(*interval(seeds[x]))} points at equal {name}" for x, name in SIZES.items())
    ratios = " and ".join(f"{ratio:g}" for ratio in found["AC"]["ratio"].unique())
    lines = (
        "**SCA against random channels: better at equal parameters, worse at equal SynOps.** Decided: "
        f"{more} points; {fewer}. At equal ratio, the registered comparison, {first.verdict}: "
        f"{shown(first.mean, first.half)} (n = {first.n} of {len(STUDY.grid.seeds)}). In earlier, small "
        f"networks of {reached():.0f} % accuracy SCA had been {lost(before)} below "
        f"({decided(before)}); why is not known.",
        "**SCA against smaller dense networks**, narrower or with fewer time steps from the start: "
        f"{both} (ratios {ratios}, n = {min(map(len, seeds.values()))}).",
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
