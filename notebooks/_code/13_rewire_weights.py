# code of 13_rewire_weights.ipynb; written by lib/nbcode.py

study = "smoke"
cell = "digits-vgg"
method = "pq"

# %%
import matplotlib.pyplot as plt
from tqdm.auto import tqdm

from lib import data, launch, measure, results, resume, sparse, train
from lib.settings import given

job = given.job("weights", study=study, cell=cell, method=method)
settings = job.settings
recipe = job.recipe
points = job.points
train.set_up(settings.threads)
splits = data.open_or_prepare(settings, recipe.data)

# %%
runs = {(seed, number): train.Run(splits, recipe, point, seed) for seed in settings.grid.seeds for number, point in enumerate(points)}
for run, point in zip(runs.values(), points, strict=False):
    print(f"{job.method}, {point.name}: {len(run.recipe_epochs)} epochs, updates after {run.pruner.updates or 'every step'}")
print(points[0].method)

# %%
kept = {seed: resume.folder(*job, seed) for seed in settings.grid.seeds}

# %%
for (seed, number), run in runs.items():
    run.resume(kept[seed] / f"{number}.pt")
    launch.spread(run, kept[seed] / f"{number}.pt")
    for _ in tqdm(range(len(run.log), len(run.recipe_epochs)), desc=f"{job.method}, {points[number].name}, seed {seed}", unit="epoch"):
        run.epoch()
        run.checkpoint(kept[seed] / f"{number}.pt")

# %%
fig, (left, hits) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for (seed, number), run in runs.items():
    left.plot([update["epoch"] for update in run.pruner.history], [update["density"] for update in run.pruner.history], marker=".")
    hits.plot([row["epoch"] for row in run.log], [100 * row.get("before_update", row["validation"]) for row in run.log], label=f"{points[number].name}, seed {seed}")
left.set(xlabel="epoch", ylabel="density (share of weights kept)", ylim=(0, 1))
hits.set(xlabel="epoch", ylabel="validation accuracy (%)")
hits.legend(fontsize=6)
plt.show()

# %%
measured = {}
for (seed, number), run in runs.items():
    folder = job.folder(seed)
    folder.mkdir(parents=True, exist_ok=True)
    stored = sparse.sizes(run.finish(), folder / f"{number}-density-{points[number].density:.4g}.safetensors")
    measured[seed, number] = {**points[number].record, **measure.report(run), **measure.weights_left(run.finish()),
                              "bytes": stored, "epochs": len(run.log)}

# %%
for (seed, _), point in measured.items():
    print(f"seed {seed}: density {point['density']:.4f} ({point['density_inner']:.4f} without first and last layer), test accuracy {100 * point['accuracy']:.1f} %, "
          f"{point['synops']['ac'] / 1e3:.0f} K AC, {point['bytes']['sparse']:,} bytes of {point['bytes']['dense']:,}")

# %%
fig, ax = plt.subplots(figsize=(8, 2.5), layout="constrained")
for number, point in enumerate(points):
    layers = measured[settings.grid.seeds[0], number]["layers"]
    ax.plot(list(layers), [left / every for left, every in layers.values()], marker="o", label=point.name)
ax.set(xlabel="layer", ylabel="density", ylim=(0, 1.02))
ax.legend()
plt.show()

# %%
for seed in settings.grid.seeds:
    results.save(job, seed, [measured[seed, number] for number in range(len(points))])
    resume.forget(kept[seed])
