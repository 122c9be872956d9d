# code of 11_train_dense.ipynb; written by lib/nbcode.py

study = "smoke"
cell = "digits-vgg"

# %%
import matplotlib.pyplot as plt
from tqdm.auto import tqdm

from lib import data, launch, measure, models, results, resume, train
from lib.settings import given

job = given.job("dense", study=study, cell=cell)
settings = job.settings
recipe = job.recipe
train.set_up(settings.threads)
splits = data.open_or_prepare(settings, recipe.data)

# %%
fig, axes = plt.subplots(1, 8, figsize=(9, 1.5))
for ax, image, label in zip(axes, *splits.train, strict=False):
    ax.imshow(image.flatten(0, -3)[0], cmap="gray")
    ax.set(title=f"{label}", xticks=[], yticks=[])

# %%
runs = {seed: train.Run(splits, recipe, None, seed) for seed in settings.grid.seeds}
first = runs[settings.grid.seeds[0]]
print({name: len(site.mask) for name, site in first.net.sites.items()}, f"T = {first.net.T}")

# %%
kept = {seed: resume.folder(*job, seed) for seed in runs}
for seed, run in runs.items():
    run.resume(kept[seed] / "0.pt")
    launch.spread(run, kept[seed] / "0.pt")
    for _ in tqdm(range(len(run.log), recipe.train.epochs), desc=f"{job.cell} dense, seed {seed}", unit="epoch"):
        run.epoch()
        run.checkpoint(kept[seed] / "0.pt")

# %%
fig, (loss, hits) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for seed, run in runs.items():
    loss.plot([row["epoch"] for row in run.log], [row["loss"] for row in run.log], label=f"seed {seed}")
    hits.plot([row["epoch"] for row in run.log], [100 * row["validation"] for row in run.log])
loss.set(xlabel="epoch", ylabel="training loss (nats)", yscale="log")
hits.set(xlabel="epoch", ylabel="validation accuracy (%)")
loss.legend()
plt.show()

# %%
measured = {seed: measure.report(run) for seed, run in runs.items()}
for seed, point in measured.items():
    print(f"seed {seed}: test accuracy {100 * point['accuracy']:.1f} %, {point['parameters']['total']:,} parameters, "
          f"{point['synops']['ac'] / 1e3:.0f} K AC and {point['synops']['mac'] / 1e3:.0f} K MAC a sample")

# %%
fig, ax = plt.subplots(figsize=(8, 2.5))
firing = measured[settings.grid.seeds[0]]["firing"]
ax.bar(list(firing), [sum(rates) / len(rates) for rates in firing.values()])
ax.set(xlabel="layer", ylabel="firing rate\n(spikes a neuron and step)")
plt.show()

# %%
for seed, run in runs.items():
    folder = job.folder(seed)
    folder.mkdir(parents=True, exist_ok=True)
    models.save(run.net, folder / "dense.pt")
    results.save(job, seed, [{"ratio": 0.0, **measured[seed]}])
    resume.forget(kept[seed])
