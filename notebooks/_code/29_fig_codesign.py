# code of 29_fig_codesign.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd

from lib import plots, published, results
from lib.settings import given

settings = given.study(study=study)
cell = settings.grid.selected[0]
methods = {name: method for name, method in settings.tokens.items() if method.kind == "tickets"}
table = results.load(settings, "tokens", methods).query("cell == @cell")
dense = results.load(settings, "dense", ["dense"]).query("cell == @cell")
control = results.load(settings, "tokens", ["all"]).query("cell == @cell")

# %%
table, dense, control = (rows.assign(accuracy=100 * rows["accuracy"], nJ=rows["energy_pj"] / 1e3) for rows in (table, dense, control))
table["left"], table["parameters"] = 100 * table["density"], [100 * counts["connectivity_all"] for counts in table["parameters"]]
table["loss"] = table["accuracy"] - table["seed"].map(dense.set_index("seed")["accuracy"])
table.groupby(["method", "asked"], sort=False)[["left", "accuracy", "loss", "nJ"]].mean().round(2)

# %%
kinds = pd.DataFrame([{"method": run.method, "asked": run.asked, "seed": run.seed, "kind": kind, "left": 100 * left / every, "share": 100 * every / sum(n for _, n in run.kinds.values())}
                      for run in table.itertuples() for kind, (left, every) in run.kinds.items()])
kinds.pivot_table(index=["method", "asked"], columns="kind", values="left", sort=False).round(1)

# %%
fig, [by_density, by_energy, where, beside] = plots.figure(180, 150, 2, 2)
for name, method in methods.items():
    rows, look = table[table["method"] == name], plots.style(name, list(settings.tokens))
    plots.line(by_density, rows, "left", "accuracy", "asked", method.label, **look)
    plots.line(by_energy, rows, "nJ", "accuracy", "asked", method.label, **look)
    plots.line(beside, rows, "parameters", "loss", "asked", method.label, **look)

# %%
for ax in (by_density, by_energy):
    ax.axhline(dense["accuracy"].mean(), color="black", linestyle=":", linewidth=0.8)
    ax.axhline(control["accuracy"].mean(), color=plots.PURPLE, linestyle="--", linewidth=0.8)
    ax.set(ylabel="test accuracy (%)", ylim=(None, min(ax.get_ylim()[1], 101)))
by_density.set(xlabel="density (% of weights left)", title="(a) against density (dotted: dense; dashed: trained on)")
by_density.legend()
by_energy.plot(dense["nJ"].mean(), dense["accuracy"].mean(), markersize=8, **plots.style("dense"))
by_energy.set(xlabel="energy (nJ a sample)", title="(b) against energy, marks as in (a)");

# %%
few = kinds[kinds["asked"] == kinds["asked"].min()]
order = ["stem", "q", "k", "v", "projection", "MLP", "selector", "head"]
width = 0.8 / len(methods)
for number, (name, method) in enumerate(methods.items()):
    rows, look = few[few["method"] == name], plots.style(name, list(settings.tokens))
    mean = plots.over_seeds(rows.assign(place=rows["kind"].map(order.index)), "place", "left", "place")
    places = mean["place"] + width * (number - (len(methods) - 1) / 2)
    where.bar(places, mean["left"], yerr=mean["half"], width=0.95 * width, color=look["color"], hatch=plots.HATCH[number], edgecolor="white",
              linewidth=0.4, error_kw={"capsize": 2, "elinewidth": 0.8}, label=method.label)

# %%
where.axhline(100 * few["asked"].iloc[0], color="black", linestyle="--", linewidth=0.8)
where.set_xticks(range(len(order)), order, rotation=30, ha="right")
where.set(xlabel="kind of layer", ylabel="weights left (% of the kind's)", title=f"(c) by kind of layer at density {few['asked'].iloc[0]:.3g} (dashed)")
where.legend(fontsize=6);

# %%
data = published.name(settings.cells[cell].data)
printed = published.read().query("definition == 'parameters, all' and method.str.contains('LTH')")
data = data if (printed["data"] == data).any() else "CIFAR-10"
printed = printed[printed["data"] == data]
for (name, rows), mark in zip(printed.groupby("method"), "s^", strict=False):
    beside.plot(rows["connectivity"], rows["accuracy_loss"], marker=mark, color="0.45", linestyle="--", linewidth=0.8, label=f"{name}, published")
beside.axhline(0, color="black", linestyle=":", linewidth=0.8)
beside.set(xlabel="parameters left (%)", ylabel="accuracy - dense (points)", title=f"(d) beside dense; grey: {data}, published")
beside.legend(fontsize=5, loc="upper left", ncols=2)
plots.size_axis(beside)

# %%
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "codesign")
