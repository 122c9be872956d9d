# code of 24_tab_summary.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import json

import pandas as pd

from lib import results, stats
from lib.settings import given

settings = given.study(study=study)
groups = {"channels": settings.methods, "controls": settings.controls, "weights": settings.weights, "tokens": settings.tokens}
runs = pd.concat([results.load(settings, "dense", ["dense"]), *(results.load(settings, stage, group) for stage, group in groups.items())])
labels = {"dense": "dense"} | {name: method.label for group in groups.values() for name, method in group.items()}

# %%
CONNECTIVITY = {"parameters, all": "connectivity_all", "parameters, prunable": "connectivity_prunable",
                "synapses, all": "synapses_all", "synapses, prunable": "synapses_prunable"}
removing = {"dense", *settings.methods, *(name for name, method in settings.tokens.items()
                                           if (method.rho if method.kind == "tickets" else method.rule not in ("all", "skip")))}
FILES = {"every weight": "dense", "weights left": "sparse"}

# %%
flat = pd.DataFrame([{
    "cell": run.cell, "method": run.method, "ratio": run.ratio, "rho": run.rho, "asked (%)": 100 * run.asked, "seed": run.seed, "density (%)": 100 * run.density, "accuracy (%)": 100 * run.accuracy,
    "parameters (K)": run.parameters["total"] / 1e3, **{f"{name} (%)": 100 * share[key] for share in [pd.Series(run.parameters, dtype=float)] for name, key in CONNECTIVITY.items()}, "AC (K)": run.synops["ac"] / 1e3,
    "MAC (K)": run.synops["mac"] / 1e3, "MAC x T (K)": run.synops["mac_x_T"] / 1e3, "all layers as dense (K)": run.flops / 1e3, "energy (nJ)": run.energy_pj / 1e3, "silent channels (%)": 100 * run.silent,
    **{f"file, {name} (KB)": sizes[key] / 1e3 for name, key in FILES.items() for sizes in [run.bytes] if isinstance(sizes, dict)},
    "masked - removed": run.compact_difference if run.method in removing else float("nan")} for run in runs.itertuples()])

# %%
groups = flat.groupby(["cell", "method", "ratio", "rho", "asked (%)"], sort=False, dropna=False)
summary = groups.mean(numeric_only=True).drop(columns="seed").assign(**{"masked - removed": groups["masked - removed"].max()})
summary.insert(2, "± (95 %)", groups["accuracy (%)"].apply(lambda values: stats.interval(values)[1]))
summary.insert(0, "n", groups.size())

# %%
assert (summary["masked - removed"].dropna() <= 1e-12).all(), "a compact network differs from the masked one"
exact = summary.pop("masked - removed").map("{:.0e}".format, na_action="ignore")
summary = summary.round(3).assign(**{"masked - removed": exact}).reset_index().assign(method=lambda rows: rows["method"].map(labels))
summary

# %%
results.write_text(settings.results / "summary.csv", summary.to_csv(index=False))
footnote = "Energy counts 0.9 pJ an AC and 4.6 pJ a MAC (45 nm) and leaves out memory access and neuron updates.\n"
results.write_text(settings.results / "summary.md", summary.astype(object).where(summary.notna(), None).to_markdown(index=False, missingval="") + "\n\n" + footnote)

# %%
asked = runs[["ratio", "asked", "rho"]].rename(columns={"asked": "density"})
at = asked.apply(lambda row: ", ".join(f"{name} {value:.3g}" for name, value in row.dropna().items()), axis=1)
runs = runs.reset_index(drop=True).assign(at=at.to_list())
measured = runs.assign(accuracy_percent=100 * runs["accuracy"], parameters=[each["total"] for each in runs["parameters"]],
                       synops_k=[each["ac"] / 1e3 for each in runs["synops"]])
means = measured.groupby(["cell", "method", "at"], sort=False)[["accuracy_percent", "parameters", "synops_k"]].mean().round(3)
metrics = {}
for (cell, method, place), row in means.iterrows():
    metrics.setdefault(cell, {}).setdefault(method, {})[place] = row.to_dict()
results.write_text(settings.results / "metrics.json", json.dumps(metrics, indent=1) + "\n")

# %%
curves = pd.DataFrame([{"cell": run.cell, "method": run.method, "at": run.at, "seed": run.seed, "epoch": epoch["epoch"],
                        "validation (%)": 100 * epoch["validation"]} for run in runs.itertuples() for epoch in run.log])
results.write_text(settings.results / "curves.csv", curves.round(3).to_csv(index=False))
