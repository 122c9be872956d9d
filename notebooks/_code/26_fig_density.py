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
fig, [by_density, at_one, by_ops, beside] = plots.figure(180, 150, 2, 2)
several = {name: method for name, method in settings.weights.items() if table.loc[table["method"] == name, "asked"].nunique() > 1}
plots.all_methods(by_density, table, dense.assign(asked=1.0), "left", several or settings.weights, by="asked")
plots.size_axis(by_density)
low, high = by_density.get_ylim()
by_density.set(xlabel="density (% of weights left)", ylabel="test accuracy (%)", ylim=(low, min(high, 101)), title="(a) against density")
by_density.legend(loc="lower right", fontsize=6)

# %%
asked = table["asked"].max()
names = []
for place, (name, method) in enumerate(settings.weights.items()):
    rows = table[(table["method"] == name) & (table["asked"] == asked)]
    plots.dot_across(at_one, rows["accuracy"], -place, **plots.style(name, list(settings.weights)))
    ended = rows["left"].mean()
    names.append(method.label + (f" ({ended:.0f} %)" if abs(ended - 100 * asked) > 0.1 else ""))
at_one.axvline(dense["accuracy"].mean(), color="black", linestyle=":", linewidth=0.8)
at_one.set_yticks([-place for place in range(len(names))], names)
at_one.set(xlabel="test accuracy (%)", title=f"(b) at density {asked:.3g} (dotted: dense)", xlim=(None, min(at_one.get_xlim()[1], 101)))

# %%
plots.all_methods(by_ops, table, dense.assign(asked=1.0), "K", settings.weights, by="asked")
by_ops.set(xlabel="SynOps (K AC a sample)", ylabel="test accuracy (%)", ylim=by_density.get_ylim(), title="(c) against operations, marks as in (b)")
stated = printed["definition"].str.startswith("parameters")
for rows, look in ((printed[stated], {"color": "0.45"}), (printed[~stated], {"facecolors": "none", "edgecolors": "0.45"})):
    beside.scatter(rows["connectivity"], rows["accuracy_loss"], marker="o", s=14, linewidths=0.8, **look)

# %%
for name in settings.weights:
    mean = table[table["method"] == name].groupby("asked")[["left", "loss"]].mean()
    beside.plot(mean["left"], mean["loss"], **plots.style(name, list(settings.weights)))
beside.axhline(0, color="black", linestyle=":", linewidth=0.8)
beside.set(xlabel="weights left (%)", ylabel="accuracy - dense (points)", title=f"(d) grey: published, {where}")
plots.size_axis(beside)

# %%
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.note(fig, study, len(settings.grid.seeds))
plots.save(fig, settings.figures, "density")
plt.show()
