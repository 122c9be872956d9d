# code of 30_fig_effects.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd

from lib import claims, plots, results
from lib.settings import given

settings = given.study(study=study)
cell = settings.grid.controlled[0]
groups = {"channels": settings.methods, "ablate": settings.ablations, "controls": settings.controls}
runs = {stage: results.load(settings, stage, group).query("cell == @cell") for stage, group in groups.items()}

# %%
labels = {name: method.label for name, method in (settings.methods | settings.controls).items()}
base = runs["channels"].set_index(["method", "ratio", "seed"])
beside = {**dict.fromkeys(settings.methods, "sca"), **{name: one.base for name, one in settings.ablations.items()},
          **{name: control.of for name, control in settings.controls.items()}}
rows = pd.concat([runs["channels"].query("method != 'sca'"), runs["ablate"], runs["controls"]], keys=["method", "varied", "control"], names=["group", None])
rows = rows.reset_index("group").assign(
    label=[claims.label(claims.varied(row.variant) or row.method, labels) for row in rows.reset_index("group").itertuples()])

# %%
theirs = base.loc[list(zip(rows["method"].map(beside), rows["ratio"], rows["seed"], strict=True))]
paired = rows[["group", "ratio", "label", "seed"]].assign(
    points=100 * (rows["accuracy"].to_numpy() - theirs["accuracy"].to_numpy()),
    parameters=[100 * a["total"] / b["total"] for a, b in zip(rows["parameters"], theirs["parameters"], strict=True)],
    synops=[100 * a["ac"] / b["ac"] for a, b in zip(rows["synops"], theirs["synops"], strict=True)])
paired.groupby(["ratio", "group", "label"])[["points", "parameters", "synops"]].mean().round(1)

# %%
effects = list(paired.groupby(["ratio", "group", "label"], sort=False))
ratios = sorted(paired["ratio"].unique())
effects = [(key, group) for ratio in ratios for key, group in effects if key[0] == ratio]
looks = {"method": (plots.BLUE, "o"), "varied": (plots.ORANGE, "s"), "control": (plots.VERMILION, "D")}

# %%
fig, (accuracy, cost) = plots.figure(180, 22 + 5.2 * len(effects), 1, 2, sharey=True, width_ratios=(3, 2))
names = {"method": "method", "varied": "SCA, one setting varied", "control": "dense control"}
for place, ((_, group, _), values) in enumerate(effects):
    color, marker = looks[group]
    plots.dot_across(accuracy, values["points"], place, color=color, marker=marker, label=names.pop(group, None))
    for column, face in {"parameters": color, "synops": "white"}.items():
        cost.plot(values[column].mean(), place, color=color, marker=marker, markerfacecolor=face)

# %%
for ax in (accuracy, cost):
    ax.axvline(0 if ax is accuracy else 100, color=plots.BLACK, linewidth=0.8)
    for place in (place for place in range(1, len(effects)) if effects[place][0][0] != effects[place - 1][0][0]):
        ax.axhline(place - 0.5, color="0.6", linewidth=0.6)
accuracy.set_yticks(range(len(effects)), [f"{label}, {ratio:g}" for (ratio, _, label), _ in effects])
accuracy.set(xlabel="test accuracy - SCA's (points)", ylabel="what differs from SCA, and the ratio", ylim=(len(effects) - 0.5, -0.5), title="(a) accuracy at equal ratio");

# %%
cost.set(xlabel="% of SCA's (filled: parameters,\nhollow: SynOps, AC)", xscale="log", title="(b) size and cost")
cost.xaxis.set_major_locator(plots.LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
cost.xaxis.set_major_formatter("{x:g}")
cost.xaxis.set_minor_formatter(plots.NullFormatter())

# %%
accuracy.legend(loc="lower center", bbox_to_anchor=(0.5, 1.05), ncols=3)
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "effects", "bars: 95 % interval of the paired difference; small marks: seeds")
