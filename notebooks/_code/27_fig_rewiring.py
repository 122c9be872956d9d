# code of 27_fig_rewiring.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd

from lib import plots, results
from lib.settings import given

settings = given.study(study=study)
cell = settings.grid.rewired[0]
table = results.load(settings, "weights", settings.weights).query("cell == @cell")

# %%
updates = pd.DataFrame([{"method": run.method, "asked": run.asked, "seed": run.seed, "update": number, **update}
                        for run in table.itertuples() for number, update in enumerate(run.updates, 1) if "explored" in update])
pq = updates[(updates["method"] == "pq") & (updates["asked"] == table["asked"].min())]
common = max(set.intersection(*(set(rows["asked"]) for _, rows in table.groupby("method"))))
shared = updates[updates["asked"] == common]
shared.groupby("method", sort=False)[["density", "explored"]].agg(["first", "last"]).round(3)

# %%
layers = pd.DataFrame([{"layer": layer, "seed": row.seed, "update": row.update, **seen}
                       for row in pq.itertuples() for layer, seen in row.layers.items()])
last = layers[layers["update"] == layers["update"].max()]
last.groupby("layer", sort=False)[["index", "bound", "ratio", "density"]].mean().round(3)

# %%
GAUSSIAN = 0.8455
fig, axes = plots.figure(180, 130, 2, 2)
whole, ratio, left, explored = axes
plots.line(whole, pq, "update", "density", "update", "PQ", **plots.style("pq"))
counts = sorted(pq["update"].unique())
whole.plot(counts, [0.5 * GAUSSIAN**k for k in counts], color="black", linestyle="--", label=r"$0.5\cdot0.8455^k$")
whole.set(title="(a) density of the network", xlabel="update", ylabel="density", ylim=(0, 0.5))
whole.legend();

# %%
for (layer, rows), (color, marker, dashes) in zip(layers.groupby("layer", sort=False), plots.SEQUENCE * 4, strict=False):
    for ax, column in ((ratio, "ratio"), (left, "density")):
        plots.line(ax, rows, "update", column, "update", layer, color=color, marker=marker, linestyle=dashes)
ratio.axhline(1 - GAUSSIAN, color="0.4", linewidth=0.8)
ratio.annotate("Gaussian weights", (max(counts), 1 - GAUSSIAN), xytext=(0, 3), textcoords="offset points", fontsize=6, ha="right")
ratio.set(title="(b) rewiring ratio, layers as in (c)", xlabel="update", ylabel="rewiring ratio c", ylim=(0, None))
left.set(title="(c) density of each layer", xlabel="update", ylabel="density", ylim=(0, 1))
left.legend(ncols=2, fontsize=6);

# %%
for method, rows in shared[shared["explored"] < 1].groupby("method", sort=False):
    label = settings.weights[method].label
    plots.line(explored, rows, "update", "explored", "update", label, **{**plots.style(method), "linestyle": "-", "linewidth": 0.8})
explored.set(title=f"(d) exploration rate at density {common:.3g}", xlabel="update", ylabel="share of positions ever active", ylim=(0, 1.35), yticks=[0, 0.25, 0.5, 0.75, 1])
explored.legend(ncols=3, fontsize=5, loc="upper center", columnspacing=0.8, handlelength=1.2);

# %%
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "rewiring")
