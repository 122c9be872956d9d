"""Paragraphs with numbers of the cifar study, as `tools/readme.py` writes them."""

import json
from functools import cache

import pandas as pd
from prose import decided, lost, reached, tried, wrapped

from lib.report import claims, equal_size, findings, frontier, primary, recovery, results
from lib.report.draw import ACCURACY
from lib.report.stats import interval, shown, span
from lib.settings import Study, config

SIZES = {"parameters": "parameters", "AC": "SynOps"}


@cache
def study() -> Study:
    return config.load("cifar")


@cache
def table() -> pd.DataFrame:
    return results.table(study())


def main(stage: str) -> pd.DataFrame:
    """The rows of the main network of one stage."""
    return table().query("stage == @stage and task == @study().headline")


def gaps() -> dict[str, pd.DataFrame]:
    """{size: SCA's networks, each with the points by which it is above the dense frontier of that size},
    at the ratios that lie within the frontier by every size."""
    ours = main("channels").query("method == 'sca'")
    dense = frontier.dense_networks(study(), table())
    return frontier.in_every_range(
        {x: equal_size.beside_curve(ours, frontier.envelope(dense, x), x) for x in SIZES}
    )


def picture() -> str:
    """Caption of the frontier, the first figure of README.md and of docs/results.md."""
    drawn = table().query("stage in ['dense', 'channels']")
    seeds = drawn.groupby(["task", "method"])["seed"].nunique()
    asked = sorted({len(study().seeds(*each)) for each in seeds.index})
    return wrapped(f"""
*CIFAR-10, test accuracy against parameters (a) and synaptic operations (b; without the first layer's
multiplications). Stars: dense networks of T time steps and a fraction of the channels (width, the number),
the largest at {main("dense")["accuracy (%)"].mean():.1f} %; dotted: the most accurate one of at most that
size. Lines: channels removed at random, by sca+ and by SCA (frozen: a removed channel stands still, where the
authors' code trains it on). {span(seeds)} seeds, of {" or ".join(map(str, asked))} planned; bars: 95 %
intervals. {card()}*
""")


def card() -> str:
    """What the trainings ran on. raises: ValueError where a record says otherwise"""
    numerics = [trial["numerics"] for trial in trials()]
    if not all(each["fast"]["bf16"] for each in numerics):
        raise ValueError("the cifar study: not every training ran in bf16; say how they ran")
    slow = sum(each["device"] == "cpu" for each in numerics)
    return f"Trained on a GPU (H100, bf16){f'; {slow} of {len(numerics)} on a CPU' if slow else ''}."


def trials() -> list[dict]:
    """Every trial of the study's records."""
    return [
        trial
        for path in sorted(study().results.rglob("*.json"))
        for trial in json.loads(path.read_text())["trials"]
    ]


def pictures() -> str:
    """The other figures of the study, each with its caption and what is missing of it so far."""
    pruned, whole = main("channels"), main("dense")
    ratio = next(iter(study().ablations.values())).ratio
    n = results.progress(study(), pruned)
    methods = missing(study().methods, pruned["method"], study().labels)
    tasks = missing(study().grid.pruned, table().query("stage == 'channels'")["task"], {})
    train = study().tasks[study().headline].train
    spiking = train.epochs - sum(phase.epochs for phase in train.phases)
    varied = "" if table()["stage"].eq("ablate").any() else "No setting is varied yet."
    told = {
        "accuracy": f"""Test accuracy of the main network against (a) the ratio of removed channels, (b) the
            share of parameters left, with published results of another network, VGG16, in grey, and (c)
            SynOps; {results.progress(study(), pd.concat([whole, pruned]))}, 95 % intervals. {methods}""",
        "forest": f"""Every difference tried so far, A - B, in points of test accuracy: mean over paired seeds
            with its 95 % interval; filled: decided after Holm's correction within its question ({n}). All of
            it is exploratory. {methods}""",
        "effects": f"""(a) Paired difference to SCA in test accuracy at the same ratio and seed; (b) size and
            cost in percent of SCA's ({n}). {methods}""",
        "channels": f"""(a) Channels that SCA keeps in each layer, outline: dense; (b) in the deeper layers
            after each update; (c) channels that an update switches on or off, in percent ({n}).""",
        "scores": f"""(a) Density of the score S + |V| over the channels that SCA leaves at each ratio; (b)
            its median in each layer ({n}).""",
        "collapse": f"""(a) Validation accuracy before and after each update at ratio {ratio:g}, a panel a
            method; (b) percent of its channels that each layer keeps; (c) test accuracy against the thinnest
            layer, with a rank correlation from four methods on ({n}). {methods}""",
        "recovery": f"""Validation accuracy behind the dense network of the same seed after the same epoch,
            from a method's last change of structure on, a panel a ratio; linear up to 10 points, logarithmic
            above ({n}). What cuts once recovers for longer, and at a higher learning rate. Spikes begin
            {spiking} epochs before the end of each line; before them neurons pass on rates. {methods}""",
        "ablation": f"""SCA beside methods that regrow nothing, (a) test accuracy and (b) parameters against
            the ratio; (c) one setting of SCA varied at a time ({n}). {varied} {methods}""",
        "tasks": f"""Test accuracy against parameters, a panel a task ({n}). {tasks}""",
    }
    return "\n\n".join(
        f"![{name} of the cifar study](../figures/cifar/{name}.png)\n\n{wrapped(f'*Study cifar. {text}')}*"
        for name, text in told.items()
    )


def missing(asked, there: pd.Series, labels: dict[str, str]) -> str:
    """A sentence on what is not trained yet; "" if all is."""
    left = [f'"{labels[name]}"' if labels else f"`{name}`" for name in asked if name not in set(there)]
    return f"Not trained yet: {', '.join(left)}." if left else ""


def at_equal(size: str) -> list[claims.Difference]:
    """SCA minus random channels at equal size, at each of SCA's own ratios that can be compared."""
    own, made = study().methods["sca"].label, findings.differences(study(), table())
    found = tried(f"At equal {size}", own, "random", made)
    return [each for each in found if " of " not in each.at]


def at_ninety() -> str:
    """What is found at the papers' accuracy, each a line."""
    before = tried("Does prune-and-regrow beat random", study().methods["sca"].label, "random")
    hypotheses = {each.name: each for each in primary.tried(study(), table())}
    chance, plus = hypotheses["h1"], hypotheses["h4"]
    sizes, operations = (at_equal(name) for name in SIZES.values())
    if min(each.mean for each in sizes) <= 0 or max(each.mean for each in operations) >= 0:
        raise ValueError("SCA beside random channels at equal size: the signs have changed; write it anew")
    found = gaps()
    seeds = {x: each.groupby("seed")["gap"].mean() for x, each in found.items()}
    if seeds["parameters"].mean() <= 0 or seeds["AC"].mean() >= 0:
        raise ValueError("SCA beside the frontier: the signs have changed; write it anew")
    both = ", ".join(f"{shown(*interval(seeds[x]))} points at equal {name}" for x, name in SIZES.items())
    ratios = " and ".join(f"{ratio:g}" for ratio in found["AC"]["ratio"].unique())
    n = min(map(len, seeds.values()))
    asked = len(study().grid.seeds)
    spends = beside().set_index(["method", "ratio"])["SynOps left (%)"]
    both_spend = [spends[study().methods[name].label] for name in ("sca-plus", "sca")]
    if not both_spend[0].lt(both_spend[1]).all():
        raise ValueError("sca+ has no fewer SynOps than SCA: write it anew")
    lines = (
        f"**What SCA leaves.** {leaves()}",
        f"**Do its scores choose better than chance?** Registered, at equal ratio, mean over three: "
        f"{shown(chance.mean, chance.half)} points against random channels, {chance.verdict} (n = {chance.n} "
        f"of {asked}). Exploratory: above them at equal parameters, below at equal SynOps "
        f"({decided(sizes + operations)}), since SCA keeps channels where maps are large. In our earlier "
        f"networks of {reached():.0f} % SCA was {lost(before)} below random at equal ratio "
        f"({decided(before)}); why is not known.",
        f"**Does our gentler *sca+* do better?** {shown(plus.mean, plus.half)} points against SCA at equal "
        f"ratio, with fewer SynOps (n = {plus.n} of {asked}).",
        "**Does SCA beat a smaller dense network**, narrower or with fewer time steps from the start, and "
        f"trained for as many epochs? {both} (mean over ratios {ratios}, n = {n} seeds).",
    )
    return "\n".join(f"- {line}" for line in lines)


def leaves() -> str:
    """What SCA keeps of the dense network at the ratio of its ablations, and what that costs."""
    ratio = next(iter(study().ablations.values())).ratio
    [ours] = beside().query("method == @study().methods['sca'].label and ratio == @ratio").to_dict("records")
    sizes = " and ".join(f"{ours[f'{name} left (%)']:.0f} % of the {name}" for name in SIZES.values())
    behind = ours["beside dense"].lstrip("-")
    return f"At ratio {ratio:g}: {sizes}, {behind} points behind dense (n = {ours['n']})."


def beside() -> pd.DataFrame:
    """Each method at each ratio beside the dense network of the same seed and beside smaller dense ones."""
    ours, dense = main("channels"), main("dense").set_index("seed")
    smaller = frontier.dense_networks(study(), table())
    gaps = {x: equal_size.beside_curve(ours, frontier.envelope(smaller, x), x)["gap"] for x in SIZES}
    rows = []
    for (method, ratio), found in ours.groupby(["method", "ratio"], sort=False):
        same = dense.reindex(found["seed"]).set_index(found.index)
        row = {"method": study().methods[method].label, "ratio": ratio, "n": len(found)}
        row["test accuracy (%)"] = shown(*interval(found[ACCURACY])).lstrip("+")
        row["beside dense"] = shown(*interval((found[ACCURACY] - same[ACCURACY]).dropna()))
        for x, name in SIZES.items():
            row[f"{name} left (%)"] = round(100 * (found[x] / same[x]).mean())
        for x, name in SIZES.items():
            gap = gaps[x].reindex(found.index).dropna()
            row[f"beside smaller dense networks of equal {name}"] = shown(*interval(gap)) if len(gap) else ""
        rows.append(row)
    return pd.DataFrame(rows)


def left() -> str:
    """The same as a table: differences in points, mean over seeds and 95 % interval."""
    return results.as_rows(beside())


def recovers() -> str:
    """What SCA and random channels win back from the first epoch after their last change to the end."""
    behind = recovery.behind(main("channels"), main("dense"))
    ends, gains = recovery.ends(behind), recovery.won_back(behind)
    told = []
    for label in (study().methods[name].label for name in ("sca", "random")):
        epochs = behind.loc[behind["label"].eq(label), recovery.SINCE].max() - 1
        mine = gains[gains["label"].eq(label)]
        back = [shown(*interval(points)).lstrip("+") for _, points in mine.groupby("ratio")["points"]]
        behind_by = [f"{points:.1f}" for points in ends.loc[label, "an epoch later"]]
        told.append(
            f"{label} is {', '.join(behind_by)} points behind dense after its first epoch without a change, "
            f"and wins back {', '.join(back)} in the next {epochs:.0f} (n = {mine['seed'].nunique()})"
        )
    ratios = ", ".join(f"{ratio:g}" for ratio in mine["ratio"].unique())
    return wrapped(f"On the validation images, at ratios {ratios}: {'; '.join(told)}.")


def state() -> str:
    """How far the cifar study is."""
    there = table().groupby(["stage", "task", "method"])["seed"].nunique().sum()
    accuracy = main("dense")["accuracy (%)"]
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
