"""One function a data set: raw files -> bytes and labels of its training and test parts.

`python -m lib.sources NAME [ROOT]` checks that a data set can be had: counts, digests, mean and standard deviation of each
channel, and a contact sheet build/contact-NAME.png.
"""

import hashlib
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lib import archives, events
from lib.errors import ConfigError, DataError

Arrays = dict[str, np.ndarray]  # train_x, test_x: uint8 [N, C, H, W], or event counts [N, T, 2, H, W]; train_y, test_y: [N]
# of a recording, unless data.frames says otherwise
FRAMES = {"cifar10-dvs": 20, "cifar10-dvs-t10": 10, "cifar10-dvs-sim": 20, "digits-dvs-sim": 4}
# Pixels a side of event frames.
# differs from the paper: sums of 2x2 sensor pixels; published (TET convention, A9): 128x128, interpolated to 48x48, which
# makes fractions of events; and 48 does not divide 128: some of its cells would count twice the events of others
DVS_SIZE = 64
SIM_SIZE = 48  # the pixels of the simulated sensor itself
DIGITS_SIZE = 16
TEST_SEED = 2020  # of CIFAR10-DVS's test recordings: one constant, so that every study has the same


@dataclass(frozen=True)
class Ask:
    """images: training images at most, the first of each class (None: all); frames: of a recording; seed: of a simulation."""

    images: int | None = None
    frames: int = 20
    seed: int = 2020


def first(labels: np.ndarray, most: int | None) -> np.ndarray:
    """Indices, in order, of the first images of each class: `most` in all at most, the same number a class; all if None.

    raises: DataError if that is less than one a class
    """
    if most is None:
        return np.arange(len(labels))
    classes = np.unique(labels)
    if most < len(classes):
        raise DataError(f"data.images: {most}: there are {len(classes)} classes; give at least one image a class")
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[: most // len(classes)] for label in classes]))


def digits(root: Path, ask: Ask) -> Arrays:
    """scikit-learn's handwritten digits, shipped with it: 1797 images of 8x8 in 17 grey levels; every fifth is a test image."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images * (255 / 16)).round().astype(np.uint8).reshape(-1, 1, 8, 8)
    test = np.arange(len(labels)) % 5 == 4
    return {"train_x": images[~test], "train_y": labels[~test], "test_x": images[test], "test_y": labels[test]}


def cifar(name: str, root: Path) -> Arrays:
    """CIFAR-10 or CIFAR-100 by torchvision, each file against its official md5."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    official = dict([*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])])

    def held(at: Path) -> int:
        return sum((at / file).is_file() for file in official)

    archive = kind.filename.removesuffix(".tar.gz")
    folder = archives.placed(root, kind.base_folder, archive, lambda at: held(at) > 1)
    here = type(kind.__name__, (kind,), {"base_folder": folder.name})  # the folder may have another name
    sets = {}
    if folder.exists():
        if any(folder.iterdir()) and not held(folder):
            raise DataError(
                f"{name}: {folder} has another layout: it holds {archives.seen(folder)}; known is the python "
                f"version: {', '.join(official)}; put it there, {archives.HINT}"
            )
        for file, md5 in official.items():
            remedy = f"put the official {folder.name} there, or remove {folder} and it is downloaded, {archives.HINT}"
            archives.verify(name, folder / file, md5, remedy)
    try:
        if not folder.exists():
            archives.fetch(kind.url, folder.with_name(kind.filename), kind.tgz_md5)
            archives.unpack(folder.with_name(kind.filename), folder)
        for part in ("train", "test"):
            found = here(folder.parent, train=part == "train")
            sets[f"{part}_x"], sets[f"{part}_y"] = found.data.transpose(0, 3, 1, 2), np.array(found.targets)
    except (OSError, RuntimeError, tarfile.TarError) as error:
        raise archives.absent(name, folder, error, [(folder.with_name(kind.filename), kind.tgz_md5)]) from error
    return sets


def tiny_imagenet(root: Path, ask: Ask) -> Arrays:
    """Tiny-ImageNet-200, 64x64. Its validation images are the test images: the labels of its own test images are secret."""
    name = "tiny-imagenet-200"

    def holds(at: Path) -> bool:
        marked = any((at / mark).is_file() for mark in ("wnids.txt", "val/val_annotations.txt"))
        return marked or at.name == name and (at / "train").is_dir()

    folder = archives.placed(root, name, name, holds)
    if not folder.exists():
        archives.fetch_tiny(folder)
    return take("tiny-imagenet", *archives.tiny_files(folder), ask.images, archives.jpeg)


def take(name: str, train: list, test: list, most: int | None, read: Callable[[Path], np.ndarray]) -> Arrays:
    """Reads the files of (path, label) pairs, once, with a progress bar."""
    train, sets = [train[n] for n in first(np.array([label for _, label in train]), most)], {}
    for part, pairs in (("train", train), ("test", test)):
        for n, (path, _) in enumerate(tqdm(pairs, f"{name}, {part}", unit="file")):
            one = read(path)
            if n == 0:
                sets[f"{part}_x"] = np.empty((len(pairs), *one.shape), np.uint8)
            sets[f"{part}_x"][n] = one
        sets[f"{part}_y"] = np.array([label for _, label in pairs])
    return sets


def cifar10_dvs(root: Path, ask: Ask) -> Arrays:
    """CIFAR10-DVS, recorded: counts on 64x64 pixels. It has no official split: a tenth of each class, drawn once for all
    studies, is the test part, 9000 and 1000 recordings in all."""
    from spikingjelly.datasets.cifar10_dvs import CIFAR10DVS_CLASS_NAMES

    name = "cifar10-dvs"

    def holds(at: Path) -> bool:
        return at.name == name and any((at / part).is_dir() for part in ("events_np", "extract", "download"))

    root = archives.placed(root, name, name, holds)
    kept, marker = root / "events_np", root / "events_np.building"
    if marker.exists() and (kept.exists() or (root / "extract").exists()):  # SpikingJelly's; nothing here makes one
        remedy = f"remove {marker}, and {kept} and {root / 'extract'} with it unless you know them to be whole"
        raise DataError(f"cifar10-dvs: an earlier preparation was stopped; {remedy}, and try again: downloads are kept")
    if not kept.exists():
        events.make_recordings(root)
    rng, parts = np.random.default_rng(TEST_SEED), {"train": [], "test": []}
    for label, one in enumerate(CIFAR10DVS_CLASS_NAMES):
        files = archives.some(kept / one, "*.npz", name)
        if len(files) < 2:
            raise DataError(f"{name}: {kept / one} holds one recording, which the test part takes; put two there")
        tests = set(rng.choice(len(files), max(1, round(len(files) / 10)), replace=False).tolist())
        for n, path in enumerate(files):
            parts["test" if n in tests else "train"].append((path, label))

    def read(path: Path) -> np.ndarray:
        return events.by_number(events.recording(path, ask.frames), ask.frames, DVS_SIZE, events.SENSOR)

    return take("cifar10-dvs", parts["train"], parts["test"], ask.images, read)


def simulated(still: Arrays, size: int, ask: Ask, counts: dict[str, int | None]) -> Arrays:
    """Simulated recordings of still images: 4 sensor steps a frame, a path of a sixteenth of the sensor either way, a contrast
    threshold of 0.15, a spurious event a pixel, polarity and step with probability 0.001.

    counts: images of each part, the first of each class. The same bytes on one machine whenever the seed is the same.
    """
    generator, sets = torch.Generator().manual_seed(ask.seed), {}
    for part, most in counts.items():
        chosen = first(still[f"{part}_y"], most)
        found = np.empty((len(chosen), ask.frames, 2, size, size), np.uint8)
        with tqdm(total=len(chosen), desc=f"simulated events, {part}", unit="image") as bar:
            for start in range(0, len(chosen), 50):  # small enough for the processor's cache
                images = torch.from_numpy(still[f"{part}_x"][chosen[start : start + 50]]).float() / 255
                moved = events.simulate(images, size, 4 * ask.frames, generator, size / 16, noise=1e-3)
                found[start : start + 50] = events.frames(moved, ask.frames).numpy()
                bar.update(len(images))
        sets[f"{part}_x"], sets[f"{part}_y"] = found, still[f"{part}_y"][chosen]
    return sets


def cifar10_dvs_sim(root: Path, ask: Ask) -> Arrays:
    """As many simulated recordings as CIFAR10-DVS has, 9000 of CIFAR-10's training and 1000 of its test images."""
    return simulated(cifar("cifar10", root), SIM_SIZE, ask, {"train": min(ask.images or 9000, 9000), "test": 1000})


def digits_dvs_sim(root: Path, ask: Ask) -> Arrays:
    return simulated(digits(root, ask), DIGITS_SIZE, ask, {"train": ask.images, "test": None})


SOURCES: dict[str, Callable[[Path, Ask], Arrays]] = {
    "digits": digits,
    "cifar10": lambda root, ask: cifar("cifar10", root),
    "cifar100": lambda root, ask: cifar("cifar100", root),
    "tiny-imagenet": tiny_imagenet,
    "cifar10-dvs": cifar10_dvs,
    "cifar10-dvs-t10": cifar10_dvs,
    "cifar10-dvs-sim": cifar10_dvs_sim,
    "digits-dvs-sim": digits_dvs_sim,
}

TRAINING = {  # images of the smallest class, and all, of the sets that always have as many; validation images included
    "digits": (127, 1438),
    "digits-dvs-sim": (127, 1438),
    "cifar10": (5000, 50000),
    "cifar10-dvs-sim": (5000, 50000),
    "cifar100": (500, 50000),
}
SHAPES = {  # in_shape (C, H, W) of one frame, classes
    "digits": ((1, 8, 8), 10),
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "tiny-imagenet": ((3, 64, 64), 200),
    "cifar10-dvs": ((2, 64, 64), 10),
    "cifar10-dvs-t10": ((2, 64, 64), 10),
    "cifar10-dvs-sim": ((2, 48, 48), 10),
    "digits-dvs-sim": ((2, 16, 16), 10),
}


def describe(name: str, arrays: Arrays) -> str:
    """Counts and digests of each split, mean and standard deviation of each channel of the training images."""
    x, lines = arrays["train_x"], []
    kind = "simulated event counts" if name.endswith("-sim") else "event counts" if x.ndim == 5 else "images"
    lines.append(f"{name}: {kind} of {' x '.join(map(str, x.shape[1:]))}, {len(np.unique(arrays['train_y']))} classes")
    for part in ("train", "validation", "test"):
        each = np.bincount(arrays[f"{part}_y"])
        lines.append(f"{part}: {len(arrays[f'{part}_y'])}, {each.min()} to {each.max()} of each class")
        for key in (f"{part}_x", f"{part}_y"):
            lines.append(f"  {key}: sha256 {hashlib.sha256(np.ascontiguousarray(arrays[key])).hexdigest()}")
    for channel in range(x.shape[-3]):
        parts = (x[start : start + 200, ..., channel, :, :].ravel() for start in range(0, len(x), 200))
        values = sum(np.bincount(part, minlength=256) for part in parts) / x[..., channel, :, :].size
        scale = np.arange(256) / (1 if x.ndim == 5 else 255)
        mean = values @ scale
        lines.append(f"  channel {channel}: mean {mean:.4f}, std {np.sqrt(values @ (scale - mean) ** 2):.4f}")
    return "\n".join(lines)


def contact_sheet(name: str, arrays: Arrays, path: Path) -> None:
    """8 training images of each of 10 classes, or 8 frames of one recording of each, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(10, 8, figsize=(8, 10.5), layout="constrained")
    for label, row in zip(np.unique(arrays["train_y"])[:10], axes, strict=False):
        found = arrays["train_x"][np.flatnonzero(arrays["train_y"] == label)[:8]]
        if found.ndim == 5:
            found = events.picture(found[0][np.linspace(0, found.shape[1] - 1, min(8, found.shape[1])).astype(int)])
        else:
            found = found.transpose(0, 2, 3, 1)
        for image, ax in zip(found, row, strict=False):
            ax.imshow(image, cmap="gray")
    for ax in axes.flat:
        ax.axis("off")
    fig.suptitle(f"{name} (simulated events)" if name.endswith("-sim") else name)
    path.parent.mkdir(exist_ok=True)
    fig.savefig(path, dpi=100)


def main() -> None:
    from lib import config, data

    try:
        if len(sys.argv) not in (2, 3):
            raise ConfigError(f"give the name of a data set, and where it lies: {', '.join(SOURCES)}")
        if len(sys.argv) == 3:
            os.environ["SNN_DATA"] = sys.argv[2]
        name, sheet = sys.argv[1], config.ROOT / "build" / f"contact-{sys.argv[1]}.png"
        arrays = data.prepare_for(config.load("quick"), name)
        print(describe(name, arrays))
        contact_sheet(name, arrays, sheet)
        print(f"contact sheet: {sheet.relative_to(config.ROOT)}")
    except (ConfigError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
