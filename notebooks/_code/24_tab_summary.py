# code of 24_tab_summary.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd
from IPython.display import Markdown, display

from lib import config, results, stats

settings = config.load(study)
groups = {"channels": settings.methods, "controls": settings.controls, "weights": settings.weights, "tokens": settings.tokens}
runs = pd.concat([results.load(settings, "dense", ["dense"]), *(results.load(settings, stage, group) for stage, group in groups.items())])
labels = {"dense": "dense"} | {name: method.label for group in groups.values() for name, method in group.items()}
varied = results.load(settings, "ablate", settings.ablations)

# %%
CONNECTIVITY = {"parameters, all": "connectivity_all", "parameters, prunable": "connectivity_prunable",
                "synapses, all": "synapses_all", "synapses, prunable": "synapses_prunable"}
removing = {"dense", *settings.methods, *(name for name, method in settings.tokens.items()
                                           if (method.rho if method.kind == "tickets" else method.rule not in ("all", "skip")))}
FILES = {"every weight": "dense", "weights left": "sparse"}

# %%
flat = pd.DataFrame([{
    "cell": run.cell, "method": run.method, "ratio": run.ratio, "rho": run.rho, "asked (%)": 100 * run.asked, "seed": run.seed, "density (%)": 100 * run.density, "accuracy (%)": 100 * run.accuracy,
    "parameters (K)": run.parameters["total"] / 1e3, **{f"{name} (%)": 100 * run.parameters[key] for name, key in CONNECTIVITY.items()}, "AC (K)": run.synops["ac"] / 1e3,
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
pairs = [("sca", "only-prune"), ("only-prune", "random"), ("sca", "random"), *((("sca", own) if own == "sca-literal" else (own, "sca"))
         for own in settings.methods if own not in ("sca", "only-prune", "random"))]

# %%
accuracy = runs.set_index(["cell", "method", "ratio", "seed"])["accuracy"].sort_index()
lines = [f"- {cell}, ratio {ratio}: "
         + stats.compare(accuracy[cell, ours, ratio], accuracy[cell, theirs, ratio], (labels[ours], labels[theirs]))
         for cell in settings.grid.pruned for ours, theirs in pairs for ratio in settings.cells[cell].ratios]
lines += [f"- {cell}, ratio {point.ratio}: " + stats.compare(accuracy[cell, control.of, point.ratio], accuracy[cell, name, point.ratio], (labels[control.of], control.label))
          for cell in settings.grid.controlled for name, control in settings.controls.items() for point in settings.points(cell, name)]
lines.append("")

# %%
for cell, name in [(cell, name) for cell in settings.grid.ablated for name in settings.ablations]:
    base, ratio = settings.ablations[name].base, settings.ablations[name].ratio
    for point in settings.points(cell, name):
        own = varied[(varied["cell"] == cell) & (varied["method"] == name) & (varied["variant"] == point.variant)].set_index("seed")["accuracy"]
        changed = ", ".join(f"{key} {value}".replace("_", " ") for key, value in point.variant.items())
        lines.append(f"- {cell}, ratio {ratio}: " + stats.compare(own.sort_index(), accuracy[cell, base, ratio], (f"{labels[base]} with {changed}", labels[base])))
lines.append("")

# %%
rows = runs[runs["method"].isin(settings.weights)].set_index(["cell", "method", "asked", "seed"]).sort_index()
for cell, method, asked in rows.index.droplevel("seed").drop_duplicates():
    if method != "pq" and (cell, "pq", asked) in rows.index:
        ours, theirs = rows.loc[(cell, "pq", asked)], rows.loc[(cell, method, asked)]
        apart = 100 * (theirs["density"] - ours["density"]).mean()
        told = stats.compare(ours["accuracy"], theirs["accuracy"], (labels["pq"], labels[method]))
        lines.append(f"- {cell}, density {asked:.3g}: " + (told if abs(apart) < 0.1 else
                     f"{labels[method]} ended {apart:+.1f} points of density away from PQ: not compared"))
lines.append("")

# %%
tokens = runs[runs["method"].isin(settings.tokens)]
rows, nJ = (tokens.set_index(["cell", "method", "rho", "asked", "seed"])[column].sort_index() for column in ("accuracy", "energy_pj"))
for cell in settings.grid.selected:
    control, dense = rows[cell, "all", 1.0, 1.0], accuracy[cell, "dense", 0.0]
    lines.append(f"- {cell}: " + stats.compare(control, dense, (labels["all"], "dense")))
    for rho in sorted(rows[cell, "learned"].index.unique("rho"), reverse=True):
        learned = rows[cell, "learned", rho, 1.0]
        for name, theirs in [(name, rows.get((cell, name, rho, 1.0))) for name in ("random-tokens", "attention")] + [("all", control)]:
            if theirs is not None:
                costs = [nJ[cell, method, share, 1.0].mean() / 1e3 for method, share in (("learned", rho), (name, 1.0 if name == "all" else rho))]
                lines.append(f"- {cell}, rho {rho:g}: " + stats.compare(learned, theirs, (labels["learned"], labels[name])) + " for {:.0f} against {:.0f} nJ".format(*costs))

# %%
for cell in settings.grid.selected:
    for rho in sorted(tokens.loc[(tokens["cell"] == cell) & (tokens["method"] == "skip"), "rho"].unique(), reverse=True):
        lines.append(f"- {cell}, rho {rho:g}: " + stats.compare(rows[cell, "skip", rho, 1.0], accuracy[cell, "dense", 0.0], (labels["skip"], "dense")))
    plain, both = (settings.tokens[name].rho or 1.0 for name in ("tickets-all", "tickets-learned"))
    for density in sorted(rows[cell, "tickets-all"].index.unique("asked"), reverse=True):
        ours = rows[cell, "tickets-all", plain, density]
        if (cell, "tickets-learned", both, density) in rows.index.droplevel("seed"):
            lines.append(f"- {cell}, density {density:.3g}: " + stats.compare(rows[cell, "tickets-learned", both, density], ours, (labels["tickets-learned"], labels["tickets-all"]))
                         + f" for {nJ[cell, 'tickets-learned', both, density].mean() / 1e3:.0f} against {nJ[cell, 'tickets-all', plain, density].mean() / 1e3:.0f} nJ")
        lines.append(f"- {cell}, density {density:.3g}: " + stats.compare(ours, rows[cell, "all", 1.0, 1.0], (labels["tickets-all"], labels["all"])))
display(Markdown("\n".join(lines)))

# %%
results.write_text(settings.results / "summary.csv", summary.to_csv(index=False))
footnote = "Energy counts 0.9 pJ an AC and 4.6 pJ a MAC (45 nm) and leaves out memory access and neuron updates.\n"
results.write_text(settings.results / "summary.md", summary.astype(object).where(summary.notna(), None).to_markdown(index=False, missingval="") + "\n\n" + footnote)
results.write_text(settings.results / "comparisons.md", "\n".join(lines) + "\n")
