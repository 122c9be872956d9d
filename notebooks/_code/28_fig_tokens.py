# code of 28_fig_tokens.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd

from lib import config, plots, results
from lib.settings import given

settings = given.study(study=study)
cell = settings.grid.selected[0]
methods = {name: method for name, method in settings.tokens.items() if method.kind == "select"}
table = results.load(settings, "tokens", methods).query("cell == @cell")
dense = results.load(settings, "dense", ["dense"]).query("cell == @cell")

# %%
table, dense = (rows.assign(accuracy=100 * rows["accuracy"], nJ=rows["energy_pj"] / 1e3, AC=[ops["ac"] / 1e3 for ops in rows["synops"]],
                            MAC=[ops["mac"] / 1e3 for ops in rows["synops"]], M=rows["flops"] / 1e6) for rows in (table, dense))

# %%
table["share"] = 100 * table["M"] / dense["M"].mean()
table["tokens"] = table["tokens"].map(str)
table.groupby(["method", "rho", "tokens"], sort=False)[["accuracy", "M", "share", "AC", "MAC", "nJ"]].mean().round(2).rename(columns={"AC": "AC (K)", "MAC": "MAC (K)"})

# %%
fig, [by_rho, macs, by_energy, speed] = plots.figure(180, 150, 2, 2)
for number, (name, method) in enumerate(methods.items()):
    rows, look = table[table["method"] == name], plots.style(name, list(settings.tokens))
    aside = rows.assign(rho=rows["rho"] + 0.015 * (number - 1.5) * (method.rule != "all"))  # beside each other: their bars would lie on one another
    plots.line(by_rho, aside, "rho", "accuracy", "rho", method.label, **look)
    plots.line(by_energy, rows, "nJ", "accuracy", "rho", method.label, **look)
    macs.plot(rows.groupby("rho")["share"].mean(), **look)

# %%
by_energy.plot(dense["nJ"].mean(), dense["accuracy"].mean(), markersize=8, **plots.style("dense"))
for ax in (by_rho, by_energy):
    ax.axhline(dense["accuracy"].mean(), color="black", linestyle=":", linewidth=0.8)
    ax.set(ylabel="test accuracy (%)", ylim=(None, min(ax.get_ylim()[1], 101)))

# %%
by_rho.set(xlabel=r"share $\rho$ of tokens that goes on at each stage", title=r"(a) against $\rho$ (dotted: dense)")
by_rho.legend(fontsize=6, loc="lower right")
macs.set(xlabel=r"share $\rho$ of tokens that goes on at each stage", ylabel="operations (% of the dense network's)",
         title=f"(b) operations, marks as in (a); 100 %: {dense['M'].mean():.3g} M")
by_energy.set(xlabel="energy (nJ a sample)", title="(c) against energy, marks as in (a); star: dense");

# %%
timed = pd.read_csv(config.ROOT / "results" / "benchmarks" / "tokens.csv").set_index("rho")
measured = timed.drop(index="dense").reset_index().astype({"rho": float})
macs.plot(measured["rho"], 100 * measured["published GFLOPs"] / timed.loc["dense", "published GFLOPs"], label="Spikformer-4-384, published", color="0.45", marker="P", linestyle="--")
macs.legend(fontsize=6)
middle = measured["throughput / dense"]
bars = [middle - measured["lower quartile"], measured["upper quartile"] - middle]
speed.errorbar(measured["rho"], middle, yerr=bars, label="here, two CPU cores (bars: quartiles)", capsize=2, elinewidth=0.8, **plots.style("learned"))
speed.plot(measured["rho"], measured["published throughput / dense"], label="published, GPU", color="0.45", marker="o", linestyle="--")
speed.axhline(1, color="black", linestyle=":", linewidth=0.8)
speed.set(xlabel=r"share $\rho$ of tokens that goes on at each stage", ylabel="throughput / dense network's", title="(d) Spikformer-4-384, 64 tokens, untrained")
speed.legend(loc="lower left");

# %%
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "tokens")
