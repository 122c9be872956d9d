# code of 10_prepare_data.ipynb; written by lib/nbcode.py

study = "smoke"
name = "digits"

# %%
import matplotlib.pyplot as plt
import numpy as np

from lib import config, data

settings = config.load(study)

# %%
root = data.root_folder(config.ROOT / settings.data.root)
arrays = data.prepare(name, root, settings.data.validation, settings.data.split_seed)
{part: arrays[part].shape for part in arrays}

# %%
parts = ("train", "validation", "test")
seen = {part: {image.tobytes() for image in arrays[f"{part}_x"]} for part in parts}
assert not seen["train"] & seen["test"] and not seen["train"] & seen["validation"]
assert all(set(arrays[f"{part}_y"]) == set(arrays["train_y"]) for part in parts)

# %%
classes = np.unique(arrays["train_y"])[:10]
fig, axes = plt.subplots(1, len(classes), figsize=(10, 1.5))
for ax, label in zip(axes, classes, strict=True):
    ax.imshow(arrays["train_x"][arrays["train_y"] == label][0].transpose(1, 2, 0), cmap="gray")
    ax.set(title=f"class {label}", xticks=[], yticks=[])

# %%
fig, ax = plt.subplots(figsize=(7, 2.5))
for shift, part in zip((-0.25, 0, 0.25), parts, strict=True):
    ax.bar(*np.unique(arrays[f"{part}_y"] + shift, return_counts=True), width=0.25, label=part, hatch={"validation": "//", "test": ".."}.get(part))
ax.set(xlabel="class", ylabel="images", title=f"{name}: images a class in each split")
ax.legend()
plt.show()

# %%
data.save(arrays, settings.data_path(name))
splits = data.load(settings.data_path(name))
print(f"{name}: images of {splits.in_shape}, {splits.classes} classes; training mean {splits.train[0].mean():+.3f}, std {splits.train[0].std():.3f}")
