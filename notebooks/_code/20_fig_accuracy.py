# code of 20_fig_accuracy.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd

from lib import plots, published, results
from lib.settings import given

settings = given.study(study=study)
cell = settings.grid.pruned[0]
pruned = results.load(settings, "channels", settings.methods)
unpruned = results.load(settings, "dense", ["dense"])

# %%
pruned, unpruned = (rows.assign(accuracy=100 * rows["accuracy"], size=[p["total"] for p in rows["parameters"]], left=[100 * p["connectivity_all"] for p in rows["parameters"]],
                                M=[p["total"] / 1e6 for p in rows["parameters"]], K=[ops["ac"] / 1e3 for ops in rows["synops"]])
                    for rows in (pruned, unpruned))
table, dense = (rows[rows["cell"] == cell] for rows in (pruned, unpruned))
sca = pd.concat([dense, table[table["method"] == "sca"]])
sca.groupby("ratio")[["accuracy", "M", "K"]].mean().round(3)

# %%
fig, [paper, against_ratio, against_size, against_ops] = plots.figure(180, 135, 2, 2)
plots.bars_and_lines(paper, sca, "ratio", "accuracy", {"M": "parameters (M)", "K": "SynOps (K AC a sample)"})
paper.set(xlabel="ratio of channels removed", ylabel="test accuracy (%)", ylim=(0, 102), title="(a) SCA (gated)");

# %%
panels = ((against_ratio, "ratio", "ratio of channels removed"), (against_size, "left", "parameters left (%)"),
          (against_ops, "K", "SynOps (K AC a sample)"))
for letter, (ax, x, label) in zip("bcd", panels, strict=True):
    plots.all_methods(ax, table, dense, x, settings.methods)
    low, high = ax.get_ylim()
    ax.set(xlabel=label, ylabel="test accuracy (%)", ylim=(max(low, 0), min(high, 101.9)), title=f"({letter}) all methods")

# %%
marks = published.by_channel(settings.cells[cell].data)
for (method, rows), marker in zip(marks.groupby("method", sort=False), "osd^v"[:marks["method"].nunique()], strict=True):
    against_size.plot(rows["connectivity"], rows["accuracy"], marker + "--", color="0.45", markerfacecolor="none", linewidth=0.8, label=f"{method}, published")
for level in marks["dense_accuracy"].dropna().unique():
    against_size.plot(100, level, "*", color="0.45", markerfacecolor="none", markersize=7, label=f"{marks['method'][marks['dense_accuracy'] == level].iloc[0]}, dense, published")
if len(marks):
    against_size.set_ylim(top=100)
    against_size.legend(handles=[line for line in against_size.lines if line.get_label().endswith("published")], fontsize=6, loc="center", bbox_to_anchor=(0.45, 0.68))
plots.size_axis(against_size)
against_ratio.legend(loc="lower left")
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "accuracy")

# %%
fig, axes = plots.panels(len(settings.grid.pruned))
for ax, name in zip(axes, settings.grid.pruned, strict=True):
    plots.all_methods(ax, pruned[pruned["cell"] == name], unpruned[unpruned["cell"] == name], "size", settings.methods)
    plots.size_axis(ax)
    low, high = ax.get_ylim()
    ax.set(xlabel="parameters", ylabel="test accuracy (%)", ylim=(max(low, 0), min(high, 101.9)))
    ax.set_title(plots.cell_title(name, settings.cells[name]).replace(": ", "\n"))
    ax.locator_params(axis="y", nbins=8, steps=[1, 2, 5, 10])

# %%
plots.legend_above(fig, axes[0])
plots.finish(fig, settings, "cells")
