"""Captions of the cifar study's figures, as `tools/readme.py` writes them."""

import pandas as pd
from prose import wrapped
from prose_cifar import of_headline, study, table

from lib.report import frontier, results
from lib.report.draw import ACCURACY
from lib.report.stats import span


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
steps T, the largest at {most:.1f} %; dotted: the most accurate one of at most that size. Lines: pruned
networks, the ratio growing to the left (*frozen*: a removed channel stands still; as published, it trains
on; *sca+*: our variant, whose ratio rises and regrowth fades; *divided*: by their
layer's mean; *random*: drawn, about the same share of each layer; *first cut's widths*: drawn, as many in
each layer as one cut by SCA's score keeps). {span(seeds)} seeds, of {" or ".join(map(str, asked))} planned;
bars: 95 % intervals of three seeds or more.*
""")


def pictures() -> str:
    """The other figures of the study, each with its caption and what is missing of it so far."""
    pruned, whole = of_headline("channels"), of_headline("dense")
    ratio = next(iter(study().ablations.values())).ratio
    n = results.progress(study(), pruned)
    once = [name for name, method in study().methods.items() if name == "sca" or method.growth == "none"]
    parts = results.progress(study(), pruned[pruned["method"].isin(once)])
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
            the ratio{varied} ({parts}). {methods}""",
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
