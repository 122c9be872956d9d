# code of 22_fig_scores.ipynb; written by lib/nbcode.py

study = "quick"

# %%
import numpy as np
import pandas as pd
import seaborn as sns

from lib import plots, results
from lib.settings import given

settings = given.study(study=study)
cell = settings.grid.pruned[0]
runs = pd.concat([results.load(settings, "dense", ["dense"]), results.load(settings, "channels", ["sca"])]).query("cell == @cell")

# %%
scores = pd.DataFrame([{"ratio": run.ratio, "seed": run.seed, "layer": layer, "score": score} for run in runs.itertuples()
                       for layer, size in run.channels.items() for score in run.scores[layer] + [0.0] * (size - run.widths[layer])])
scores.groupby("ratio")["score"].describe().round(2)

# %%
left = [pd.DataFrame({"score": sum(run.scores.values(), []), "rate": sum(run.firing.values(), [])}) for run in runs.itertuples()]
ranks = runs.assign(correlation=[both.corr("spearman").loc["score", "rate"] for both in left])
print(ranks.groupby("ratio")["correlation"].agg(["mean", "min", "max"]).round(2))

# %%
np.random.seed(0)  # the jitter of the points, or the picture would differ each time
fig, [spread, layers] = plots.figure(180, 75, 1, 2)
order = sorted(scores["ratio"].unique())
where = {"x": "ratio", "y": "score", "order": order, "ax": spread}
sns.violinplot(scores, inner=None, cut=0, density_norm="width", bw_adjust=0.5, color=plots.SKY, linewidth=0.6, **where)
sns.stripplot(scores, size=1.2, color=plots.BLACK, alpha=0.35, jitter=0.25, rasterized=True, **where)
spread.set(xlabel="ratio of channels removed (0: unpruned)", ylabel="score, mean of S + |V| (thresholds)")
spread.set_title("(a) all channels");

# %%
left = scores[scores["score"] > 0].groupby(["ratio", "layer", "seed"], sort=False)["score"].median().reset_index()
for (ratio, rows), (color, marker, dashes) in zip(left.groupby("ratio"), plots.SEQUENCE, strict=False):
    mean = rows.groupby("layer", sort=False)["score"].mean()
    layers.plot(range(len(mean)), mean, color=color, marker=marker, linestyle=dashes, label=f"ratio {ratio}")

# %%
layers.set_xticks(range(len(mean)), mean.index, rotation=45)
layers.set(xlabel="layer", ylabel="median score (thresholds)", title="(b) channels left, layer by layer")
layers.legend()
fig.suptitle(plots.cell_title(cell, settings.cells[cell]))
plots.finish(fig, settings, "scores", "points: channels of all seeds")
