# code of 20_fig_accuracy.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import matplotlib.pyplot as plt
import pandas as pd

from lib import config, plots, results

settings = config.load(study)
names = list(settings.methods)
cell = settings.grid.cells[0]
table = results.load(settings, "channels", names).query("cell == @cell")
dense = results.load(settings, "dense", ["dense"]).query("cell == @cell")

# %%
table, dense = (rows.assign(accuracy=100 * rows["accuracy"], M=[p["total"] / 1e6 for p in rows["parameters"]],
                            K=[ops["ac"] / 1e3 for ops in rows["synops"]]) for rows in (table, dense))
sca = pd.concat([dense, table[table["method"] == "sca"]])
sca.groupby("ratio")[["accuracy", "M", "K"]].mean().round(3)

# %%
fig, [paper, against_ratio, against_size, against_ops] = plots.figure(180, 130, 2, 2)
plots.bars_and_lines(paper, sca, "ratio", "accuracy", {"M": "parameters (M)", "K": "SynOps (K AC a sample)"})
paper.set(xlabel="ratio of channels removed", ylabel="test accuracy (%)", ylim=(0, 102), title=f"(a) SCA (gated) on {cell}")

# %%
panels = ((against_ratio, "ratio", "ratio of channels removed"), (against_size, "M", "parameters (M)"),
          (against_ops, "K", "SynOps (K AC a sample)"))
for letter, (ax, x, label) in zip("bcd", panels, strict=True):
    for method in names:
        look = plots.style(method, names)
        plots.line(ax, table[table["method"] == method], x, "accuracy", "ratio", settings.methods[method].label, **look)
    plots.line(ax, dense, x, "accuracy", "ratio", "dense", **plots.style("dense"))
    ax.axhline(dense["accuracy"].mean(), color=plots.BLACK, linestyle=":", linewidth=0.8)
    ax.set(xlabel=label, ylabel="test accuracy (%)", ylim=(0, 102), title=f"({letter}) all methods, {cell}")
against_size.set_xscale("log")
against_ratio.legend(loc="lower left")
plots.note(fig, study, len(settings.grid.seeds))
plots.save(fig, settings.figures, "accuracy")
plt.show()
