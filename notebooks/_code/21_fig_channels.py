# code of 21_fig_channels.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd

from lib import plots, results
from lib.settings import given

settings = given.study(study=study)
names = list(settings.methods)
cell = settings.grid.pruned[0]
table = results.load(settings, "channels", names).query("cell == @cell")
sca, ratio = table[table["method"] == "sca"], settings.cells[cell].ratios[0]

# %%
widths = pd.DataFrame([{"layer": layer, "ratio": row.ratio, "kept": kept}
                       for row in sca.itertuples() for layer, kept in row.widths.items()])
full = pd.Series(sca["channels"].iloc[0])
full = full[plots.in_order(full.index)]
widths.groupby(["ratio", "layer"], sort=False)["kept"].mean().unstack(0).assign(dense=full).round(1)

# %%
updates = pd.DataFrame([{"method": row.method, "ratio": row.ratio, "seed": row.seed, **update}
                        for row in table.itertuples() for update in row.updates])
half = updates[(updates["method"] == "sca") & (updates["ratio"] == ratio)]
moved = updates[(updates["ratio"] == ratio) & (updates["epoch"] > updates["epoch"].min())]
moved = moved.assign(changed=100 * moved["changed"])
moved.groupby(["method", "epoch"])["changed"].mean().unstack(0).round(2)

# %%
fig, [where, when, change] = plots.figure(180, 125, 3, 1)
plots.grouped_bars(where, widths, "layer", "kept", "ratio", full)
where.set(xlabel="layer", ylabel="channels kept", title="(a) SCA (gated): channels kept per layer at each ratio")
plots.legend_beside(where, title="ratio")

# %%
deep = list(full.index[len(full) // 2:])
for number, layer in enumerate(deep):
    kept = half.assign(kept=[update[layer] for update in half["kept"]])
    color, marker, dashes = plots.SEQUENCE[number % len(plots.SEQUENCE)]
    plots.line(when, kept, "epoch", "kept", "epoch", f"{layer} of {full[layer]}", color=color, marker=marker, linestyle=dashes)
when.set(xlabel="epoch", ylabel="channels kept", ylim=(0, None), title=f"(b) SCA (gated) at ratio {ratio}: deeper layers over training")
plots.legend_beside(when)

# %%
for method in [name for name in names if name in set(moved["method"])]:
    rows = moved[moved["method"] == method]
    plots.line(change, rows, "epoch", "changed", "epoch", settings.methods[method].label, **plots.style(method, names))
change.set(xlabel="epoch", ylabel="channels changed (%)", ylim=(-0.7, None))
change.set_title(f"(c) ratio {ratio}: channels switched on or off by an update (after the first)")
plots.legend_beside(change)
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "channels")
