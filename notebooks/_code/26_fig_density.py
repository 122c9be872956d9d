# code of 26_fig_density.ipynb; written by lib/nbcode.py

study = "quick"

# %%
from lib import plots, published, results
from lib.settings import given

settings = given.study(study=study)
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
asked = "granularity.str.startswith('weight') and accuracy_loss.notna() and connectivity.notna() and definition != 'synapses'"
printed = published.read().query(asked)
name = published.name(settings.cells[cell].data)
where = name if (printed["data"] == name).any() else "CIFAR-10"
printed = printed[printed["data"] == where]

# %%
fig, [by_density, at_one, by_ops, beside] = plots.figure(180, 150, 2, 2)
several = {name: method for name, method in settings.weights.items() if table.loc[table["method"] == name, "asked"].nunique() > 1}
for number, name in enumerate(several or settings.weights):
    rows = table[table["method"] == name]
    aside = rows.assign(left=rows["left"] * 1.02 ** number)  # beside each other: their bars would lie on one another
    plots.line(by_density, aside, "left", "accuracy", "asked", settings.weights[name].label, **plots.style(name, list(settings.weights)))
by_density.axhline(dense["accuracy"].mean(), color="black", linestyle=":", linewidth=0.8, label="dense")
low, high = by_density.get_ylim()
by_density.set(xlabel="density (% of weights left)", ylabel="test accuracy (%)", ylim=(low, min(high, 101)), title="(a) against density")
by_density.legend(fontsize=6);

# %%
asked = max(set.intersection(*(set(rows["asked"]) for _, rows in table.groupby("method"))))
names = []
for place, (name, method) in enumerate(settings.weights.items()):
    rows = table[(table["method"] == name) & (table["asked"] == asked)]
    plots.dot_across(at_one, rows["accuracy"], -place, **plots.style(name, list(settings.weights)))
    ended = rows["left"].mean()
    names.append(method.label + (f" ({ended:.0f} %)" if abs(ended - 100 * asked) > 0.1 else ""))
at_one.axvline(dense["accuracy"].mean(), color="black", linestyle=":", linewidth=0.8)
at_one.set_yticks([-place for place in range(len(names))], names)
at_one.set(xlabel="test accuracy (%)", ylabel="method", title=f"(b) at density {asked:.3g} (dotted: dense)", xlim=(None, min(at_one.get_xlim()[1], 101)));

# %%
for ax, x, y in ((by_ops, "K", "accuracy"), (beside, "left", "loss")):
    for name in settings.weights:
        rows, look = table[table["method"] == name], plots.style(name, list(settings.weights))
        mean = rows.groupby("asked")[[x, y]].mean()
        ax.scatter(rows[x], rows[y], s=5, alpha=0.3, color=look["color"], marker=look["marker"], linewidths=0.5)
        ax.plot(mean[x], mean[y], **look)
by_ops.plot(dense["K"].mean(), dense["accuracy"].mean(), markersize=7, **plots.style("dense"))
by_ops.set(xlabel="SynOps (K AC a sample)", ylabel="test accuracy (%)", title="(c) against operations, marks as in (b)")
stated = printed["definition"].str.startswith("parameters")
for rows, look in ((printed[stated], {"color": "0.45"}), (printed[~stated], {"facecolors": "none", "edgecolors": "0.45"})):
    beside.scatter(rows["connectivity"], rows["accuracy_loss"], marker="o", s=14, linewidths=0.8, **look)

# %%
beside.axhline(0, color="black", linestyle=":", linewidth=0.8)
beside.set(xlabel="weights left (%)", ylabel="accuracy - dense (points)", title=f"(d) colour: ours; grey: {where}, published")
plots.size_axis(beside)

# %%
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "density")
