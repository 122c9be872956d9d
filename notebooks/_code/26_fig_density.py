# code of 26_fig_density.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import matplotlib.pyplot as plt

from lib import config, plots, published, results

settings = config.load(study)
cell = settings.grid.rewired[0]
table = results.load(settings, "weights", settings.weights).query("cell == @cell")
dense = results.load(settings, "dense", ["dense"]).query("cell == @cell")

# %%
dense = dense.assign(density=1.0)
table, dense = (rows.assign(accuracy=100 * rows["accuracy"], left=100 * rows["density"], K=[ops["ac"] / 1e3 for ops in rows["synops"]])
                for rows in (table, dense))
table["loss"] = table["accuracy"] - table["seed"].map(dense.set_index("seed")["accuracy"])
table.groupby(["method", "asked"], sort=False)[["left", "accuracy", "loss", "K"]].mean().round(2)

# %%
printed = published.read().query("granularity.str.startswith('weight') and accuracy_loss.notna() and connectivity.notna()")
name = published.name(settings.cells[cell].data)
where = name if (printed["data"] == name).any() else "CIFAR-10"
printed = printed[printed["data"] == where]

# %%
fig, [by_density, by_ops, beside] = plots.figure(180, 92, 1, 3)
for ax, x, label in ((by_density, "left", "density (% of weights left)"), (by_ops, "K", "SynOps (K AC a sample)")):
    plots.all_methods(ax, table, dense.assign(asked=1.0), x, settings.weights, by="asked")
    ax.set(xlabel=label, ylabel="test accuracy (%)")
by_density.set(title="(a) at equal density", xscale="log", xticks=[20, 30, 50, 100], xticklabels=["20", "30", "50", "100"])
by_ops.set_title("(b) at equal operations")

# %%
stated = printed["definition"].str.startswith("parameters")
for rows, look in ((printed[stated], {"color": "0.45"}), (printed[~stated], {"facecolors": "none", "edgecolors": "0.45"})):
    beside.scatter(rows["connectivity"], rows["accuracy_loss"], marker="o", s=14, linewidths=0.8, **look)
for method in settings.weights:
    rows = table[table["method"] == method]
    plots.line(beside, rows, "left", "loss", "asked", method, **plots.style(method, list(settings.weights)))
beside.axhline(0, color="black", linestyle=":", linewidth=0.8)

# %%
beside.set(xlabel="weights left (%)", ylabel="accuracy - dense (points)", xscale="log", xticks=[1, 3, 10, 30, 100],
           xticklabels=["1", "3", "10", "30", "100"], title=f"(c) grey: published, {where}")
plots.legend_above(fig, by_density)
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.note(fig, study, len(settings.grid.seeds))
plots.save(fig, settings.figures, "density")
plt.show()
