"""Paragraphs with numbers of the cifar study, as `tools/readme.py` writes them."""

import json
from collections import defaultdict
from functools import cache

import pandas as pd
from prose import SCA, decided, tried, wrapped

from lib.report import equal_size, findings, frontier, primary, published, recovery, results
from lib.report.claims import Difference
from lib.report.draw import ACCURACY
from lib.report.stats import interval, shown, span
from lib.settings import Study, config

SIZES = {x: results.COSTS[x] for x in ("parameters", "AC")}


@cache
def study() -> Study:
    return config.load("cifar")


@cache
def table() -> pd.DataFrame:
    return results.table(study())


def of_headline(stage: str) -> pd.DataFrame:
    """The rows of the main network of one stage."""
    return table().query("stage == @stage and task == @study().headline")


def gaps(method: str) -> dict[str, pd.DataFrame]:
    """{size: the networks of a method, each with the points by which it is above the dense frontier of that
    size}, at the ratios that lie within the frontier by every size."""
    ours = of_headline("channels").query("method == @method")
    dense = frontier.trained(study(), table(), frontier.MOST)
    return frontier.in_every_range(
        {x: equal_size.beside_curve(ours, frontier.envelope(dense, x), x) for x in results.COSTS}
    )


def at_ninety() -> str:
    """What is found at the papers' accuracy, each a line."""
    own, gentler = (study().methods[name].label for name in ("sca", "sca-plus"))
    hypotheses = {each.name: each for each in primary.tried(study(), table())}
    chance, once, plus = (hypotheses[name] for name in ("h1", "h3", "h4"))
    made = findings.differences(study(), table())
    sizes, operations = (tried(f"At equal {name}", own, "random", made) for name in SIZES.values())
    if min(each.mean for each in sizes) <= 0 or max(each.mean for each in operations) >= 0:
        raise ValueError("SCA beside random channels at equal size: the signs have changed; write it anew")
    if plus.verdict.startswith("holds"):
        raise ValueError('sca+ beats SCA: "did not recur" in prose.in_short is wrong; write it anew')
    same, fewer = (tried(f"At equal {name}", gentler, own, made) for name in SIZES.values())
    over = [set(gaps(name)["AC"]["ratio"]) for name in ("sca", "sca-plus")]
    if over[0] != over[1]:
        raise ValueError("SCA and sca+ lie within the frontier at other ratios; say at which")
    smaller, counts = zip(*map(beside_smaller, ("sca", "sca-plus")), strict=True)
    asked = len(study().grid.seeds)
    lines = (
        f"**What frozen SCA leaves.** {leaves()}",
        f"**Does it choose better than chance?** Registered, at equal ratio: "
        f"{shown(chance.mean, chance.half)} points against random channels, {chance.verdict} (n = {chance.n} "
        f"of {asked}). Exploratory: {between(sizes)} at equal parameters, {between(operations)} at equal "
        f"SynOps ({decided([*sizes, *operations])}).",
        f"**Does regrowing help?** Registered, at equal ratio, with {once.sizes['AC']} % of the SynOps: "
        f"{shown(once.mean, once.half)} points against one cut (only-prune); verdict: {once.verdict} "
        f"(n = {once.n} of {asked}).",
        f"**Does *sca+* do better?** Registered, at equal ratio, with {plus.sizes['AC']} % of the SynOps: "
        f"{shown(plus.mean, plus.half)} points against frozen SCA, {plus.verdict} (n = {plus.n} of {asked}). "
        f"Exploratory: {between(same)} at equal parameters, {between(fewer)} at equal SynOps "
        f"({decided([*same, *fewer])}).",
        "**Does either beat a smaller dense network** that trains for as many epochs? Exploratory, at equal "
        f"{', '.join(results.COSTS.values())}: frozen SCA {smaller[0]}; *sca+* {smaller[1]} points "
        f"(n = {span(counts)}).",
    )
    return "\n".join(f"- {line}" for line in lines)


def beside_smaller(method: str) -> tuple[str, int]:
    """Points beside smaller dense networks of equal size, mean over ratios within a seed; how many seeds."""
    seeds = {x: each.groupby("seed")["gap"].mean() for x, each in gaps(method).items()}
    return ", ".join(shown(*interval(seeds[x])) for x in results.COSTS), min(map(len, seeds.values()))


def between(found: list[Difference]) -> str:
    """-0.6 to +4.3"""
    values = sorted(each.mean for each in found)
    return f"{values[0]:+.1f} to {values[-1]:+.1f}"


def leaves() -> str:
    """What SCA keeps of the dense network at the ratio of its ablations, and what that costs."""
    ratio = next(iter(study().ablations.values())).ratio
    ours = of_headline("channels").query("method == 'sca' and ratio == @ratio").set_index("seed")
    whole = of_headline("dense").set_index("seed").reindex(ours.index)
    behind, half = interval(whole[ACCURACY] - ours[ACCURACY])
    if behind <= 0:
        raise ValueError("SCA is not behind dense: write it anew")
    sizes = [f"{100 * (ours[x] / whole[x]).mean():.0f} % of the {name}" for x, name in SIZES.items()]
    lost = shown(behind, half).lstrip("+")
    return f"At ratio {ratio:g}: {' and '.join(sizes)}, {lost} points behind dense (n = {len(ours)})."


def at_equal_energy() -> str:
    """SCA minus random channels along their curve from the dense network on, by energy."""
    rows = of_headline("channels")
    curves = pd.concat([of_headline("dense"), rows[rows["method"].eq("random")]])
    found = equal_size.beside_curve(rows[rows["method"].eq("sca")], curves, "energy (nJ)")
    told = ", ".join(shown(*interval(each)) for _, each in found.groupby("ratio")["gap"])
    ratios = ", ".join(f"{ratio:g}" for ratio in sorted(found["ratio"].unique()))
    return f"{told} points at ratios {ratios} (n = {found['seed'].nunique()}, exploratory)"


def left() -> str:
    """What each method leaves, beside dense and smaller dense networks, and what SCA prints of its own."""
    dense = frontier.dense_networks(study(), table())
    seeds = dense.loc[dense["task"].isin(study().frontier), ["task", "seed"]].drop_duplicates()
    asked = sum(len(study().seeds(task, "dense")) for task in study().frontier)
    printed = published.read().query("method == 'SCA' and data == 'CIFAR-10'")
    losses = " and ".join(
        f"{row['accuracy_loss']:+.2f} points at {row['connectivity']:.0f} %" for _, row in printed.iterrows()
    )
    said = wrapped(f"""
Energy counts the first layer's multiplications, too; at equal energy SCA differs from random channels by
{at_equal_energy()}. Of the smaller dense networks {len(seeds)} of {asked} trainings are there; further ones
may move the line that pruned ones stand beside up or down. SCA's tables, as others transcribed them, have
{losses} of the parameters beside the dense network, a VGG16 that trains for {SCA["epochs"]} epochs
([tables/cifar/comparison.md](../tables/cifar/comparison.md)); the networks here train for
{study().tasks[study().headline].train.epochs}, and lose more.
""")
    return f"{results.as_rows(frontier.beside(study(), table()))}\n\n{said}"


def recovers() -> str:
    """What SCA and random channels win back from the first epoch after their last change to the end."""
    behind = recovery.behind(of_headline("channels"), of_headline("dense"))
    ends, gains = recovery.ends(behind), recovery.won_back(behind)
    told = []
    for label in (study().methods[name].label for name in ("sca", "random")):
        epochs = behind.loc[behind["label"].eq(label), recovery.SINCE].max() - 1
        mine = gains[gains["label"].eq(label)]
        back = [shown(*interval(points)).lstrip("+") for _, points in mine.groupby("ratio")["points"]]
        behind_by = [f"{points:.1f}" for points in ends.loc[label, "an epoch later"]]
        told.append(
            f"{label} is {', '.join(behind_by)} points behind dense one epoch after its last change, "
            f"and wins back {', '.join(back)} in the next {epochs:.0f} (n = {mine['seed'].nunique()})"
        )
    ratios = ", ".join(f"{ratio:g}" for ratio in mine["ratio"].unique())
    return wrapped(f"On the validation images, at ratios {ratios}: {'; '.join(told)}.")


def state() -> str:
    """How far the cifar study is."""
    there = table().groupby(["stage", "task", "method"])["seed"].nunique().sum()
    accuracy = of_headline("dense")["accuracy (%)"]
    mean, half = interval(accuracy)
    return wrapped(f"""
The main network, dense, reaches {mean:.2f} ± {half:.2f} % (n = {len(accuracy)}). Of the study's
{len(results.expected(study()))} records (a method on a task with one seed) {there} are there:
{len(table())} trainings, all in bf16. {card()}
""")


def card() -> str:
    """What the trainings ran on. raises: ValueError where one did not run in bf16"""
    records = [json.loads(path.read_text()) for path in sorted(study().results.rglob("*.json"))]
    if not all(trial["numerics"]["fast"]["bf16"] for record in records for trial in record["trials"]):
        raise ValueError("the cifar study: not every training ran in bf16; say how they ran")
    seeds = defaultdict(lambda: defaultdict(set))  # of what is trained, by device
    for record in records:
        for trial in record["trials"]:
            seeds[trained(record)][trial["numerics"]["device"]].add(record["seed"])
    slow = []
    for name, used in seeds.items():
        if "cpu" in used:
            some = f" (seeds {', '.join(map(str, sorted(used['cpu'])))})" if len(used) > 1 else ""
            slow.append(f'"{name}"{some}')
    return f"On CPUs: {'; '.join(slow)}; the rest on a GPU (H100)."


def trained(record: dict) -> str:
    """The label of a method or an ablation; with its task, unless that is the main one."""
    labels = study().labels | {name: each.label for name, each in study().ablations.items()}
    label = labels.get(record["method"], record["method"])
    return label if record["task"] == study().headline else f"{label}, {record['task']}"


def decisions() -> str:
    """The table of primary hypotheses as it stands."""
    text = (study().tables / "primary.md").read_text()
    return text[text.index("|") :].rstrip()
