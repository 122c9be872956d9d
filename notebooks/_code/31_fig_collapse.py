# code of 31_fig_collapse.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd

from lib import claims, plots, results
from lib.settings import given

settings = given.study(study=study)
cell, ablation = settings.grid.ablated[0], next(iter(settings.ablations.values()))
table = pd.concat([results.load(settings, "channels", settings.methods), results.load(settings, "ablate", settings.ablations)])
table = table[(table["cell"] == cell) & (table["ratio"] == ablation.ratio)]
labels = {name: method.label for name, method in settings.methods.items()}
table["label"] = [claims.label(claims.varied(row.variant) or row.method, labels) for row in table.itertuples()]

# %%
epochs = pd.DataFrame([
    {"label": run.label, "seed": run.seed, "epoch": row["epoch"] + (0.0 if when == "before_update" else 0.12), "accuracy (%)": 100 * row[when]}
    for run in table.itertuples() for row in run.log for when in ("before_update", "validation") if when in row])
epochs.groupby(["label", "epoch"], sort=False)["accuracy (%)"].mean().unstack(0).round(0)

# %%
left = pd.DataFrame([{"label": run.label, "seed": run.seed, **{layer: 100 * kept / run.channels[layer] for layer, kept in run.widths.items()}}
                     for run in table.itertuples()]).set_index(["label", "seed"])
ends = pd.DataFrame({"thinnest (%)": left.min(axis=1), "accuracy (%)": 100 * table.set_index(["label", "seed"])["accuracy"]})
shares = left[plots.in_order(left.columns)].groupby("label", sort=False).mean()
shares.assign(**ends.groupby("label").mean()).round(1)

# %%
fig = plots.canvas(180, 170)
axes = fig.subplot_mosaic([["when", "when"], ["where", "end"], ["names", "names"]], height_ratios=(4, 4, 1.2))
for method in ("sca", "sca-literal", "only-prune", "sca-plus", "random"):
    rows = epochs[epochs["label"] == settings.methods[method].label]
    plots.line(axes["when"], rows, "epoch", "accuracy (%)", "epoch", settings.methods[method].label, **plots.style(method))
axes["when"].set(xlabel="epoch (at each update: before and after it)", ylabel="validation accuracy (%)", title="(a) what updates take", ylim=(0, min(102, axes["when"].get_ylim()[1])))
plots.legend_beside(axes["when"])

# %%
axes["where"].imshow(shares, aspect="auto", vmin=0, vmax=100, cmap="cividis")
axes["where"].set_yticks(range(len(shares)), shares.index)
axes["where"].set_xticks(range(len(shares.columns)), shares.columns, rotation=45, ha="right")
axes["where"].grid(False)
for (row, column), share in pd.DataFrame(shares.to_numpy()).stack().items():
    axes["where"].text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=5, color="black" if share > 50 else "white")
axes["where"].set(xlabel="layer", ylabel="method", title="(b) channels left in each layer (%)");

# %%
named = {settings.methods[name].label: name for name in settings.methods}
spare = iter([*plots.SEQUENCE, *((color, "X") for color, *_ in plots.SEQUENCE)])
for label, rows in ends.groupby("label", sort=False):
    look = plots.style(named[label], list(settings.methods)) if label in named else dict(zip(("color", "marker"), next(spare), strict=False))
    face = look["color"] if label in named else "white"
    axes["end"].plot(rows["thinnest (%)"], rows["accuracy (%)"], **look | {"linestyle": "", "markerfacecolor": face}, label=label)

# %%
ranked = ends.drop(index=[settings.methods[name].label for name in settings.methods if settings.methods[name].mode == "fixed"], level="label")
means = ranked.groupby("label").mean()
rank = means["thinnest (%)"].corr(means["accuracy (%)"], method="spearman")
axes["end"].set(xlabel="channels left in the thinnest layer (%)", ylabel="test accuracy (%)")
axes["end"].set_title(f"(c) each training; rank correlation of the means\nof {len(means)} that rank all layers together: {rank:+.2f}")
axes["names"].legend(*axes["end"].get_legend_handles_labels(), loc="center", fontsize=6, ncols=4, title="in (c)")
axes["names"].axis("off");

# %%
fig.suptitle(f"{plots.cell_title(cell, settings.cells[cell])}, ratio {ablation.ratio}")
plots.finish(fig, settings, "collapse")
