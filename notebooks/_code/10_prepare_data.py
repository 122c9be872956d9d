# code of 10_prepare_data.ipynb; written by lib/nbcode.py

study = "smoke"
name = "digits"

# %%
import matplotlib.pyplot as plt
import numpy as np

from lib import data, events
from lib.settings import given

chosen = given.data_set(study=study, name=name)

# %%
arrays = data.prepare_for(chosen.settings, chosen.name)
{part: arrays[part].shape for part in arrays}

# %%
parts = ("train", "validation", "test")
seen = {part: {hash(image.tobytes()) for image in arrays[f"{part}_x"]} for part in parts}
twice = {f"{a} and {b}": len(seen[a] & seen[b]) for a, b in (parts[:2], parts[1:], parts[::2])}
assert all(set(arrays[f"{part}_y"]) == set(arrays["train_y"]) for part in parts)
assert sum(twice.values()) < 0.001 * len(arrays["train_y"])
twice

# %%
classes, picked = np.unique(arrays["train_y"], return_index=True)
is_events, label = arrays["train_x"].ndim == 5, "simulated" if chosen.name.endswith("-sim") else "recorded"
if is_events:
    images, titles = events.picture(arrays["train_x"][0][:10]), [f"t = {t}" for t in range(10)]
else:
    images, titles = arrays["train_x"][picked[:10]].transpose(0, 2, 3, 1), [f"class {c}" for c in classes]

# %%
fig, axes = plt.subplots(1, len(images), figsize=(10, 2), layout="constrained")
for ax, image, title in zip(axes, images, titles, strict=False):
    ax.imshow(image, cmap="gray")
    ax.set(title=title, xticks=[], yticks=[])
if is_events:
    fig.suptitle(f"{chosen.name}: {label} events of one recording of class {arrays['train_y'][0]}")

# %%
fig, ax = plt.subplots(figsize=(7, 2.5))
for shift, part in zip((-0.25, 0, 0.25), parts, strict=True):
    ax.bar(*np.unique(arrays[f"{part}_y"] + shift, return_counts=True), width=0.25, label=part, hatch={"validation": "//", "test": ".."}.get(part))
ax.set(xlabel="class", ylabel="images", title=f"{chosen.name}: images a class in each split")
ax.legend()
plt.show()

# %%
data.save(arrays, chosen.path)
splits = data.load(chosen.path)
some = splits.train[0][:1000]
print(f"{chosen.name}: {splits.in_shape}, {splits.classes} classes; first training images: mean {some.mean():+.3f}, std {some.std():.3f}")
