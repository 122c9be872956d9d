"""Paragraphs with numbers of the cifar study, as `tools/readme.py` writes them."""

import json
from collections import defaultdict
from functools import cache

import pandas as pd
from prose import SCA, decided, lost, reached, tried, wrapped

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


def gaps() -> dict[str, pd.DataFrame]:
    """{size: SCA's networks, each with the points by which it is above the dense frontier of that size},
    at the ratios that lie within the frontier by every size."""
    ours = of_headline("channels").query("method == 'sca'")
    dense = frontier.trained(study(), table(), frontier.MOST)
    return frontier.in_every_range(
        {x: equal_size.beside_curve(ours, frontier.envelope(dense, x), x) for x in SIZES}
    )


def picture() -> str:
    """Caption of the frontier, the first figure of README.md and of docs/results.md."""
    pruned = of_headline("channels")
    most = of_headline("dense")[ACCURACY].mean()
    drawn = pd.concat([pruned, frontier.dense_networks(study(), table())])
    seeds = drawn.groupby(["task", "method"])["seed"].nunique()
    asked = sorted({len(study().seeds(*each)) for each in seeds.index})
    return wrapped(f"""
*CIFAR-10, test accuracy against parameters (a) and synaptic operations (b; without the first layer's
multiplications). Stars: dense networks, named by the fraction of their channels (w, width) and by fewer time
steps T, the largest at {most:.1f} %; dotted: the most accurate one of at most that size. Lines: networks
whose channels were pruned, the ratio growing to the left (*frozen*: a removed channel stands still, where
the authors' code trains it on; *sca+*: our variant, whose ratio rises and regrowth fades; *divided*: by their
layer's mean; *random*: drawn, about the same share of each layer; *first cut's widths*: drawn, as many in
each layer as one cut by SCA's score keeps). {span(seeds)} seeds, of {" or ".join(map(str, asked))} planned;
bars: 95 % intervals of three seeds or more. {card()}*
""")


def card() -> str:
    """What the trainings ran on. raises: ValueError where a record says otherwise"""
    records = [json.loads(path.read_text()) for path in sorted(study().results.rglob("*.json"))]
    if not all(trial["numerics"]["fast"]["bf16"] for record in records for trial in record["trials"]):
        raise ValueError("the cifar study: not every training ran in bf16; say how they ran")
    devices = defaultdict(set)
    for record in records:
        devices[trained(record)] |= {trial["numerics"]["device"] for trial in record["trials"]}
    if mixed := sorted(name for name, used in devices.items() if len(used) > 1):
        raise ValueError(f"the cifar study: {mixed[0]} ran on CPU and GPU; say which seeds ran where")
    slow = [name for name, used in devices.items() if used == {"cpu"}]
    return f"Trained in bf16, on a CPU: {'; '.join(slow)}. All else on a GPU (H100)."


def trained(record: dict) -> str:
    """A method's label, or "dense 0.5", by its width."""
    if record["stage"] == "dense":
        return f"dense {study().tasks[record['task']].width:g}"
    return study().labels[record["method"]]


def pictures() -> str:
    """The other figures of the study, each with its caption and what is missing of it so far."""
    pruned, whole = of_headline("channels"), of_headline("dense")
    ratio = next(iter(study().ablations.values())).ratio
    n = results.progress(study(), pruned)
    methods = missing(study().methods, pruned["method"], study().labels)
    both = results.progress(study(), pd.concat([whole, pruned]))
    tasks = missing(study().grid.pruned, table().query("stage == 'channels'")["task"], {})
    train = study().tasks[study().headline].train
    spiking = train.epochs - sum(phase.epochs for phase in train.phases)
    varied = "; (c) one setting of SCA varied at a time" if table()["stage"].eq("ablate").any() else ""
    told = {
        "accuracy": f"""Test accuracy of the main network against (a) the ratio of removed channels, (b) the
            share of parameters left, with published results of another network, VGG16, in grey, and (c)
            SynOps; marks of one ratio stand side by side in (a); {both}, 95 % intervals. {methods}""",
        "forest": f"""Every difference in test accuracy tried so far, A - B, in points (those in parameters:
            [claims](../tables/cifar/claims.md)): mean over paired seeds, from three seeds on with its 95 %
            interval; "of B": B has this ratio, and A's curve is read at its size; filled: significant after
            Holm's correction within its question. All of it is exploratory. {methods}""",
        "effects": f"""(a) Paired difference to SCA in test accuracy at the same ratio and seed; (b) size and
            cost in percent of SCA's ({n}). {methods}""",
        "channels": f"""(a) Channels that SCA keeps in each layer, outline: dense; (b) in the deeper layers
            after each update; (c) channels that an update switches on or off, in percent ({n}).""",
        "scores": """(a) Density of the score S + |V| over the channels that SCA leaves at each ratio, 0: the
            dense network; (b) its median in each layer.""",
        "collapse": f"""At ratio {ratio:g}: (a) validation accuracy before and after each update, a panel a
            method; neurons pass on rates there; (b) percent of its channels that each layer keeps at the
            end; (c) test accuracy against the thinnest layer ({n}). {methods}""",
        "recovery": f"""Validation accuracy behind the dense network of the same seed after the same epoch,
            from a method's last change of structure on, a panel a ratio; linear up to 10 points, logarithmic
            above ({n}). What cuts once recovers for longer, and at a higher learning rate. Spikes begin
            {spiking} epochs before the end of each line; before them neurons pass on rates. {methods}""",
        "ablation": f"""SCA beside methods that regrow nothing, (a) test accuracy and (b) parameters against
            the ratio{varied} ({n}). {methods}""",
        "tasks": f"""Test accuracy against parameters, a panel a task. {tasks}""",
    }
    return "\n\n".join(
        f"![{name} of the cifar study](../figures/cifar/{name}.png)\n\n{wrapped(f'*Study cifar. {text}')}*"
        for name, text in told.items()
    )


def missing(asked, there: pd.Series, labels: dict[str, str]) -> str:
    """A sentence on what is not trained yet; "" if all is."""
    left = [f'"{labels[name]}"' if labels else f"`{name}`" for name in asked if name not in set(there)]
    return f"Not trained yet: {', '.join(left)}." if left else ""


def at_ninety() -> str:
    """What is found at the papers' accuracy, each a line."""
    own = study().methods["sca"].label
    hypotheses = {each.name: each for each in primary.tried(study(), table())}
    chance, plus = hypotheses["h1"], hypotheses["h4"]
    made = findings.differences(study(), table())
    sizes, operations = (tried(f"At equal {name}", own, "random", made) for name in SIZES.values())
    if min(each.mean for each in sizes) <= 0 or max(each.mean for each in operations) >= 0:
        raise ValueError("SCA beside random channels at equal size: the signs have changed; write it anew")
    found = gaps()
    seeds = {x: each.groupby("seed")["gap"].mean() for x, each in found.items()}
    if seeds["parameters"].mean() <= 0 or seeds["AC"].mean() >= 0:
        raise ValueError("SCA beside the frontier: the signs have changed; write it anew")
    both = ", ".join(f"{shown(*interval(seeds[x]))} points at equal {name}" for x, name in SIZES.items())
    ratios = ", ".join(f"{ratio:g}" for ratio in found["AC"]["ratio"].unique())
    asked = len(study().grid.seeds)
    lines = (
        f"**What frozen SCA leaves.** {leaves()}",
        f"**Does it choose better than chance?** Registered, at equal ratio: "
        f"{shown(chance.mean, chance.half)} points against random channels, {chance.verdict} (n = {chance.n} "
        f"of {asked}). Exploratory: {between(sizes)} at equal parameters ({decided(sizes)}), "
        f"{between(operations)} at equal SynOps ({decided(operations)}).",
        f"**Does *sca+* do better?** Registered, at equal ratio: "
        f"{shown(plus.mean, plus.half)} points against frozen SCA (n = {plus.n} of {asked}).",
        "**Does frozen SCA beat a smaller dense network** that trains for as many epochs? Exploratory, so "
        f"far: {both} (mean over ratios {ratios}, n = {min(map(len, seeds.values()))}).",
    )
    return "\n".join(f"- {line}" for line in lines)


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
    own = study().methods["sca"].label
    before = tried("Does prune-and-regrow beat random", own, "random")
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
{study().tasks[study().headline].train.epochs}, and lose more. In our earlier, short
trainings (dense networks of {reached(before)} %) frozen SCA was {lost(before)} below random channels at equal
ratio ({decided(before)} there); why is not known.
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
{len(results.expected(study()))} records (a method on a task with one seed) {there} are there,
{len(table())} trainings.
""")


def decisions() -> str:
    """The table of primary hypotheses as it stands."""
    text = (study().tables / "primary.md").read_text()
    return text[text.index("|") :].rstrip()
