# code of 14_select_tokens.ipynb; written by lib/nbcode.py

study = "smoke"
cell = "digits-spikformer"
method = "learned"

# %%
import matplotlib.pyplot as plt
import torch
from tqdm.auto import tqdm

from lib import data, launch, measure, results, resume, sparse, student, train
from lib.pruning import tokens
from lib.settings import given

job = given.job("tokens", study=study, cell=cell, method=method)
settings = job.settings
recipe = job.recipe
points = job.points
train.set_up(settings.threads)
splits = data.open_or_prepare(settings, recipe.data)

# %%
teachers = {seed: student.teacher(settings, splits, job.cell, seed) for seed in settings.grid.seeds}
for seed, net in teachers.items():
    print(f"seed {seed}: {sum(p.numel() for p in net.parameters()):,} parameters, {net.tokens} tokens, {len(net.blocks)} blocks, "
          f"validation accuracy {100 * measure.accuracy(net, *splits.validation):.1f} %")

# %%
runs = {(seed, number): student.make(splits, recipe, point, seed, teachers[seed])
        for seed in settings.grid.seeds for number, point in enumerate(points)}
for run, point in zip(runs.values(), points, strict=False):
    print(f"{job.method}, {point.name}: tokens {run.net.works_on}, {len(run.recipe_epochs)} epochs, updates after {run.pruner.updates or 'none'}")

# %%
kept = {seed: resume.folder(*job, seed) for seed in settings.grid.seeds}
for (seed, number), run in runs.items():
    student.take_up(run, kept[seed] / f"{number}.pt", runs.get((seed, number - 1)), kept[seed] / f"{number - 1}.pt")
    launch.spread(run, kept[seed] / f"{number}.pt")
    for _ in tqdm(range(len(run.log), len(run.recipe_epochs)), desc=f"{job.method}, {points[number].name}, seed {seed}", unit="epoch"):
        run.epoch()
        run.checkpoint(kept[seed] / f"{number}.pt")

# %%
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for (seed, number), run in runs.items():
    ax.plot([row["epoch"] for row in run.log], [100 * row.get("before_update", row["validation"]) for row in run.log], marker=".", label=f"{points[number].name}, seed {seed}")
ax.set(xlabel="epoch", ylabel="validation accuracy (%)")
ax.legend(fontsize=6)
plt.show()

# %%
networks = {key: run.finish() for key, run in runs.items()}
measured = {}
for (seed, number), run in runs.items():
    net, folder = networks[seed, number], job.folder(seed)
    folder.mkdir(parents=True, exist_ok=True)
    stored = sparse.sizes(net, folder / f"{number}-rho-{points[number].rho:g}-density-{points[number].density:.4g}.safetensors")
    left = measure.weights_left(net)
    measured[seed, number] = {**points[number].record, **measure.report(run), **left, "kinds": measure.by_kind(left["layers"]),
                              "tokens": net.works_on, "bytes": stored, "epochs": len(run.log)}

# %%
for (seed, number), point in measured.items():
    print(f"seed {seed}, {points[number].name}: density {point['density']:.4f}, test accuracy {100 * point['accuracy']:.1f} %, {point['flops'] / 1e6:.2f} M multiply-accumulates, "
          f"{point['synops']['ac'] / 1e3:.0f} K AC, {point['synops']['mac'] / 1e3:.0f} K MAC, masked - gone {point['compact_difference']:.0e}")

# %%
net = networks[settings.grid.seeds[0], len(points) - 1]
images = splits.test[0][:10]
worked = tokens.worked_on(net, images)
fig, axes = plt.subplots(len(worked), 10, figsize=(7.1, 0.7 * len(worked)), squeeze=False)
for row, mask in enumerate(worked):
    for column, image in enumerate(images):
        ax, height = axes[row, column], image.shape[-2] // net.side[0]
        ax.imshow(image.flatten(0, -3)[0], cmap="gray")
        gone = 1 - mask[column].reshape(net.side).repeat_interleave(height, 0).repeat_interleave(height, 1)
        ax.imshow(torch.ones_like(gone), cmap="Reds", vmin=0, vmax=1, alpha=0.75 * gone)
        ax.set(xticks=[], yticks=[])
    axes[row, 0].set_ylabel(f"block {row + 1}:\n{int(mask[0].sum())} of {net.tokens}", rotation=0, ha="right", va="center")
plt.show()

# %%
fig, ax = plt.subplots(figsize=(7, 2.5), layout="constrained")
for number, point in enumerate(points):
    kinds = measured[settings.grid.seeds[0], number]["kinds"]
    ax.plot(list(kinds), [left / every for left, every in kinds.values()], marker="o", label=point.name)
ax.set(xlabel="kind of layer", ylabel="density (share of weights left)", ylim=(0, 1.05))
ax.legend(fontsize=6)
plt.show()

# %%
for seed in settings.grid.seeds:
    results.save(job, seed, [measured[seed, number] for number in range(len(points))])
    resume.forget(kept[seed])
