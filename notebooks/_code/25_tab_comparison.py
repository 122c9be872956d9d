# code of 25_tab_comparison.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import pandas as pd
from IPython.display import display

from lib import published, results, stats
from lib.settings import given

settings = given.study(study=study)
runs = pd.concat([results.load(settings, "dense", ["dense"]), results.load(settings, "channels", settings.methods),
                  results.load(settings, "weights", settings.weights), results.load(settings, "tokens", settings.tokens)])
printed = published.read()
printed.groupby(["data", "kind"], sort=False).size().unstack(fill_value=0)

# %%
flat = pd.DataFrame([{
    "cell": run.cell, "method": run.method, "ratio": run.ratio, "rho": run.rho, "asked": run.asked, "seed": run.seed, "accuracy (%)": 100 * run.accuracy,
    "parameters left (%)": 100 * run.parameters["connectivity_all"], "synapses left (%)": 100 * run.parameters["synapses_all"],
    "AC (M)": run.synops["ac"] / 1e6, "MAC (M)": run.synops["mac"] / 1e6} for run in runs.itertuples()])

# %%
dense = flat[flat["method"] == "dense"].set_index(["cell", "seed"])
dense = flat[["cell", "seed"]].join(dense, on=["cell", "seed"])
flat["dense accuracy (%)"] = dense["accuracy (%)"]
flat["accuracy - dense (points)"] = (flat["accuracy (%)"] - dense["accuracy (%)"]).where(flat["method"] != "dense")
for operations in ("AC", "MAC"):
    flat[f"{operations} (% of dense)"] = 100 * flat[f"{operations} (M)"] / dense[f"{operations} (M)"]

# %%
groups = flat.groupby(["cell", "method", "ratio", "rho", "asked"], sort=False, dropna=False)
ours = groups.mean(numeric_only=True).assign(n=groups.size())
for column in ("accuracy (%)", "accuracy - dense (points)"):
    ours[f"± {column}"] = groups[column].apply(lambda values: stats.interval(values)[1])
assert (ours["n"] == len(settings.grid.seeds)).all(), "a seed is missing"

# %%
labels = {"dense": "dense"} | {name: method.label for name, method in (settings.methods | settings.weights | settings.tokens).items()}
ours = ours.reset_index()
cells = [settings.cells[name] for name in ours["cell"]]
ours["data"], ours["T"] = [cell.data for cell in cells], [cell.T for cell in cells]
ours["network"] = [cell.net + (f", width {cell.width:g}" if cell.width != 1 else "") for cell in cells]
granularity = {"dense": ""} | dict.fromkeys(settings.methods, "channel") | dict.fromkeys(settings.weights, "weight")
tokens = {name: "token" if method.kind == "select" else "weight+token" if method.rho else "weight" for name, method in settings.tokens.items()}
ours["granularity"] = ours["method"].map(granularity | tokens)
ours["method"] = ours["method"].map(labels)
ours = ours.assign(kind="this study", definition="parameters, all", source=f"results/{settings.study}")

# %%
blocks = []
for data, mine in ours.groupby("data", sort=False):
    heading, theirs = published.beside(printed, data, list(mine["network"]))
    name = published.name(data)
    blocks += [mine.assign(block=f"{name}, this study", data=name), published.in_columns(theirs).assign(block=heading)]
table = pd.concat(blocks, ignore_index=True)[published.COLUMNS].astype({"n": "Int64"})
assert (table["block"].str.endswith("this study") == (table["kind"] == "this study")).all(), "a row in the wrong block"

# %%
text = published.as_text(table)
rows = text.loc[:, (text != "").any()].set_index("block", append=True).swaplevel()
mark, bar = "font-weight: 600; background: rgba(0, 114, 178, 0.12)", "border-left: 4px solid"
ours = rows["kind"] == "this study"
style = rows.style.apply(lambda column: [mark if own else "" for own in ours])
style = style.apply(lambda column: [bar if own else "" for own in ours], subset="method")
numbers = rows.columns.difference(["method", "granularity", "operations or energy, as printed", "source", "note"])
style = style.set_properties(subset=numbers, **{"white-space": "nowrap"})
style = style.set_properties(subset=["source", "note"], **{"min-width": "14em"})
style.set_uuid("comparison").hide(axis="index", level=1).hide(axis="index", names=True).set_table_styles([
    {"selector": "th, td", "props": "text-align: left; vertical-align: top; padding: 2px 8px; max-width: 15em"},
    {"selector": "tbody tr", "props": "border-top: 1px solid rgba(128, 128, 128, 0.4)"}])
display(style)

# %%
results.write_text(settings.results / "table1.csv", table.round(6).to_csv(index=False))
parts = [f"Study {settings.study}. Ours: mean ± 95 % interval over n seeds; published: as printed, never our own numbers. "
         "All studies but `paper` show the procedure, not the papers' numbers.\n"]
for block, rows in text.drop(columns="block").groupby(text["block"], sort=False):
    parts.append(f"## {block}\n\n{rows.loc[:, (rows != '').any()].to_markdown(index=False, disable_numparse=True)}\n")
results.write_text(settings.results / "table1.md", "\n".join(parts))
