# code of 23_fig_ablation.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import matplotlib.pyplot as plt
import pandas as pd

from lib import claims, plots, results
from lib.settings import given

settings = given.study(study=study)
cell = settings.grid.pruned[0]
table = results.load(settings, "channels", settings.methods).query("cell == @cell")
varied = results.load(settings, "ablate", settings.ablations).query("cell == @cell")

# %%
name, ablation = next(iter(settings.ablations.items()))
base = table[(table["method"] == ablation.base) & (table["ratio"] == ablation.ratio)]
shown = [(part, group) for part in plots.PART if any(part in variant for variant in varied["variant"]) for group in (base, varied[[list(variant) == [part] for variant in varied["variant"]]])]
parts = pd.DataFrame([{"part": part, "value": claims.SCORES.get(row.settings[part], row.settings[part]), "accuracy": 100 * row.accuracy, "K": row.parameters["total"] / 1e3}
                      for part, group in shown for row in group.itertuples()])
parts.groupby(["part", "value"])[["accuracy", "K"]].agg(["mean", "std"]).round(1)

# %%
table = table.assign(accuracy=100 * table["accuracy"], K=[p["total"] / 1e3 for p in table["parameters"]])
fig, axes = plots.panels(2 + parts["part"].nunique(), 58)

# %%
for ax, y, label in ((axes[0], "accuracy", "test accuracy (%)"), (axes[1], "K", "parameters (K)")):
    for method in ("sca", "only-prune", "random"):
        plots.line(ax, table[table["method"] == method], "ratio", y, "ratio", settings.methods[method].label, **plots.style(method))
    ax.set(xlabel="ratio of channels removed", ylabel=label)

# %%
axes[0].set_title("(a) regrowth: accuracy")
axes[1].set_title("(b) regrowth: parameters left")
axes[0].legend();

# %%
for ax, letter, (part, group) in zip(axes[2:], "cdefgh"[:len(axes) - 2], parts.groupby("part", sort=False), strict=True):
    own = base["settings"].iloc[0][part]
    plots.dots(ax, group, "value", "accuracy", claims.SCORES.get(own, own))
    ax.set(xlabel=plots.PART[part], ylabel="test accuracy (%)", title=f"({letter}) SCA at ratio {ablation.ratio}")
for same in (axes[:1], axes[2:]):
    low, high = zip(*(ax.get_ylim() for ax in same), strict=True)
    plt.setp(same, ylim=(max(0, min(low)), min(102, max(high))))
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "ablation")
