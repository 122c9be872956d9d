# code of 15_train_controls.ipynb; written by lib/nbcode.py

study = "smoke"
cell = "digits-vgg"
method = "anew"

# %%
import matplotlib.pyplot as plt
import numpy as np
from tqdm.auto import tqdm

from lib import control, data, launch, measure, models, results, resume, train
from lib.settings import given

job = given.job("controls", study=study, cell=cell, method=method)
settings = job.settings
recipe = job.recipe
points = job.points
train.set_up(settings.threads)
splits = data.open_or_prepare(settings, recipe.data)

# %%
found = {(seed, number): control.pruned_record(settings, splits, job.cell, point, seed)
         for seed in settings.grid.seeds for number, point in enumerate(points)}
for (seed, number), record in found.items():
    print(f"seed {seed}, {points[number].method.of} at {points[number].name}: {100 * record['accuracy']:.1f} %, {record['parameters']['total']:,} parameters")

# %%
runs = {key: control.Control(splits, recipe, points[key[1]], key[0], record) for key, record in found.items()}
for (seed, number), run in runs.items():
    print(f"seed {seed}, {points[number].name}: {sum(p.numel() for p in run.net.parameters()):,} parameters, {run.cell.train.epochs} epochs")

# %%
first = settings.grid.seeds[0], 0
shown = {"dense": found[first]["channels"], "pruned": found[first]["widths"], "control": runs[first].widths}
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for shift, (label, width) in enumerate(shown.items()):
    ax.bar(np.arange(len(width)) + 0.3 * (shift - 1), list(width.values()), width=0.27, label=label)
ax.set(title=points[0].name, xlabel="layer", ylabel="channels")
ax.legend()
plt.show()

# %%
kept = {seed: resume.folder(*job, seed) for seed in settings.grid.seeds}
for (seed, number), run in runs.items():
    run.resume(kept[seed] / f"{number}.pt")
    launch.spread(run, kept[seed] / f"{number}.pt")
    for _ in tqdm(range(len(run.log), len(run.recipe_epochs)), desc=f"{job.method}, {points[number].name}, seed {seed}", unit="epoch"):
        run.epoch()
        run.checkpoint(kept[seed] / f"{number}.pt")

# %%
fig, axes = plt.subplots(1, len(points), figsize=(3.5 * len(points), 2.7), sharey=True, squeeze=False, layout="constrained")
for (seed, number), run in runs.items():
    ax, look = axes.flat[number], {"color": f"C{seed % 10}"}
    for log, dashes in ((run.log, "-"), (found[seed, number]["log"], ":")):
        ax.plot([row["epoch"] for row in log], [100 * row["validation"] for row in log], dashes, **look)
    ax.set(title=f"{points[number].name}; dotted: pruned", xlabel="epoch", ylabel="validation accuracy (%)")
plt.show()

# %%
measured = {key: {**points[key[1]].record, **measure.report(run), "epochs": len(run.log)} for key, run in runs.items()}
for (seed, number), point in measured.items():
    print(f"seed {seed}, {points[number].name}: test accuracy {100 * point['accuracy']:.1f} %, pruned {100 * found[seed, number]['accuracy']:.1f} %; "
          f"{point['parameters']['total']:,} parameters, {point['synops']['ac'] / 1e3:.0f} K AC")

# %%
for (seed, number), run in runs.items():
    folder = job.folder(seed)
    folder.mkdir(parents=True, exist_ok=True)
    models.save(run.net, folder / f"{number}-ratio-{points[number].ratio}.pt")

# %%
for seed in settings.grid.seeds:
    results.save(job, seed, [measured[seed, number] for number in range(len(points))])
    resume.forget(kept[seed])
