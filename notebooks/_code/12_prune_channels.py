# code of 12_prune_channels.ipynb; written by lib/nbcode.py

study = "smoke"
stage = "channels"
cell = "digits-vgg"
method = "sca"

# %%
import matplotlib.pyplot as plt
import numpy as np
from tqdm.auto import tqdm

from lib import data, launch, measure, models, results, resume, train
from lib.settings import given

job = given.job("channels", "ablate", study=study, stage=stage, cell=cell, method=method)
settings = job.settings
recipe = job.recipe
points = job.points
train.set_up(settings.threads)
splits = data.open_or_prepare(settings, recipe.data)

# %%
fig, axes = plt.subplots(1, 8, figsize=(9, 1.5))
for ax, image, label in zip(axes, *splits.train, strict=False):
    ax.imshow(image.flatten(0, -3)[0], cmap="gray")
    ax.set(title=f"{label}", xticks=[], yticks=[])

# %%
runs = {(seed, number): train.Run(splits, recipe, point, seed) for seed in settings.grid.seeds for number, point in enumerate(points)}
print(f"{job.cell}: {len(splits.train[1])} training images of {splits.in_shape}; {recipe.train.epochs} epochs")
for run, point in zip(runs.values(), points, strict=False):
    print(f"{point.name}: {point.method.mode}, score {point.method.score}, "
          f"growth {point.method.growth} ({point.method.regrow}), updates after epochs {run.pruner.updates}")

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
fig, axes = plt.subplots(1, len(points), figsize=(3.5 * len(points), 3), sharey=True, squeeze=False, layout="constrained")
for ax, run, point in zip(axes.flat, runs.values(), points, strict=False):
    widths = [{name: len(mask) for name, mask in run.pruner.masks.items()}, *[update["kept"] for update in run.pruner.history[:1]],
              {name: int(mask.sum()) for name, mask in run.pruner.masks.items()}]
    for shift, width in zip(np.linspace(-0.3, 0.3, len(widths)), widths, strict=True):
        ax.bar(np.arange(len(width)) + shift, list(width.values()), width=0.25)
    ax.set(title=point.name, xlabel="layer", ylabel="channels kept")
plt.show()

# %%
fig, axes = plt.subplots(1, len(points), figsize=(3.5 * len(points), 2.7), sharey=True, squeeze=False, layout="constrained")
for (seed, number), run in runs.items():
    ax = axes.flat[number]
    ax.plot([row["epoch"] for row in run.log], [100 * row["validation"] for row in run.log], label=f"seed {seed}")
    ax.set(title=points[number].name, xlabel="epoch", ylabel="validation accuracy (%)")
    for update in run.pruner.history:
        ax.axvline(update["epoch"], color="0.6", linewidth=0.6, linestyle=":")
axes.flat[0].legend()
plt.show()

# %%
measured = {key: {**points[key[1]].record, **measure.report(run)} for key, run in runs.items()}
for (seed, _), point in measured.items():
    print(f"seed {seed}, {point['ratio']} {point['variant']}: test accuracy {100 * point['accuracy']:.1f} %, {point['parameters']['total']:,} parameters, "
          f"{point['synops']['ac'] / 1e3:.0f} K AC, masked - removed {point['compact_difference']:.1e}")

# %%
for seed in settings.grid.seeds:
    folder = job.folder(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number, point in enumerate(points):
        models.save(runs[seed, number].finish(), folder / f"{number}-ratio-{point.ratio}.pt")
    results.save(job, seed, [measured[seed, number] for number in range(len(points))])
    resume.forget(kept[seed])
