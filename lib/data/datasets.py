"""One reader a data set: raw files -> bytes and labels of its training and test parts.
`lib.settings.datasets` names them."""

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lib.core.errors import DataError
from lib.data import download, events, tiny

# train_x, test_x: uint8 [N, C, H, W], or event counts [N, T, 2, H, W]; train_y, test_y: [N]
Arrays = dict[str, np.ndarray]

# Pixels a side of event frames.
# differs from the paper: sums of 2x2 sensor pixels; published (TET convention, A9): 128x128, interpolated to
# 48x48, which makes fractions of events; and 48 does not divide 128: some of its cells would count twice the
# events of others
DVS_SIZE = 64
SIM_SIZE = 48  # the pixels of the simulated sensor itself
DIGITS_SIZE = 16
TEST_SEED = 2020  # of CIFAR10-DVS's test recordings: one constant, so that every study has the same


@dataclass(frozen=True)
class Ask:
    """images: training images at most, the first of each class (None: all); frames: of a recording;
    seed: of a simulation."""

    images: int | None = None
    frames: int = 20
    seed: int = 2020


def first(labels: np.ndarray, most: int | None) -> np.ndarray:
    """Indices, in order, of the first images of each class: `most` in all at most, the same number a class;
    all if None.

    raises: DataError if that is less than one a class
    """
    if most is None:
        return np.arange(len(labels))
    classes = np.unique(labels)
    if most < len(classes):
        raise DataError(
            f"data.images: {most}: there are {len(classes)} classes; give at least one image a class"
        )
    each = [np.flatnonzero(labels == label)[: most // len(classes)] for label in classes]
    return np.sort(np.concatenate(each))


def digits(root: Path, ask: Ask) -> Arrays:
    """scikit-learn's handwritten digits, shipped with it: 1797 images of 8x8 in 17 grey levels;
    every fifth is a test image."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images * (255 / 16)).round().astype(np.uint8).reshape(-1, 1, 8, 8)
    test = np.arange(len(labels)) % 5 == 4
    return {
        "train_x": images[~test],
        "train_y": labels[~test],
        "test_x": images[test],
        "test_y": labels[test],
    }


def cifar10(root: Path, ask: Ask) -> Arrays:
    return cifar("cifar10", root)


def cifar100(root: Path, ask: Ask) -> Arrays:
    return cifar("cifar100", root)


def cifar(name: str, root: Path) -> Arrays:
    """CIFAR-10 or CIFAR-100 by torchvision, each file against its official md5."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    official = dict([*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])])

    def held(at: Path) -> int:
        return sum((at / file).is_file() for file in official)

    archive = kind.filename.removesuffix(".tar.gz")
    folder = download.placed(root, kind.base_folder, archive, lambda at: held(at) > 1)
    here = type(kind.__name__, (kind,), {"base_folder": folder.name})  # the folder may have another name
    sets = {}
    if folder.exists():
        if any(folder.iterdir()) and not held(folder):
            raise DataError(
                f"{name}: {folder} has another layout: it holds {download.seen(folder)}; known is the python "
                f"version: {', '.join(official)}; put it there, {download.HINT}"
            )
        for file, md5 in official.items():
            put = f"put the official {folder.name} there, or remove {folder} and it is downloaded"
            remedy = f"{put}, {download.HINT}"
            download.verify(name, folder / file, md5, remedy)
    try:
        if not folder.exists():
            download.fetch(kind.url, folder.with_name(kind.filename), kind.tgz_md5)
            download.unpack(folder.with_name(kind.filename), folder)
        for part in ("train", "test"):
            found = here(folder.parent, train=part == "train")
            sets[f"{part}_x"] = found.data.transpose(0, 3, 1, 2)
            sets[f"{part}_y"] = np.array(found.targets)
    except (OSError, RuntimeError, tarfile.TarError) as error:
        raise download.absent(
            name, folder, error, [(folder.with_name(kind.filename), kind.tgz_md5)]
        ) from error
    return sets


def tiny_imagenet(root: Path, ask: Ask) -> Arrays:
    """Tiny-ImageNet-200, 64x64. Its validation images are the test images:
    the labels of its own test images are secret."""
    name = "tiny-imagenet-200"

    def holds(at: Path) -> bool:
        marked = any((at / mark).is_file() for mark in ("wnids.txt", "val/val_annotations.txt"))
        return marked or at.name == name and (at / "train").is_dir()

    folder = download.placed(root, name, name, holds)
    if not folder.exists():
        tiny.fetch(folder)
    return take("tiny-imagenet", *tiny.files(folder), ask.images, tiny.jpeg)


def take(name: str, train: list, test: list, most: int | None, read: Callable[[Path], np.ndarray]) -> Arrays:
    """Reads the files of (path, label) pairs, once, with a progress bar."""
    train = [train[n] for n in first(np.array([label for _, label in train]), most)]
    sets = {}
    for part, pairs in (("train", train), ("test", test)):
        for n, (path, _) in enumerate(tqdm(pairs, f"{name}, {part}", unit="file")):
            one = read(path)
            if n == 0:
                sets[f"{part}_x"] = np.empty((len(pairs), *one.shape), np.uint8)
            sets[f"{part}_x"][n] = one
        sets[f"{part}_y"] = np.array([label for _, label in pairs])
    return sets


def cifar10_dvs(root: Path, ask: Ask) -> Arrays:
    """CIFAR10-DVS, recorded: counts on 64x64 pixels. It has no official split: a tenth of each class, drawn
    once for all studies, is the test part, 9000 and 1000 recordings in all."""
    from spikingjelly.datasets.cifar10_dvs import CIFAR10DVS_CLASS_NAMES

    name = "cifar10-dvs"

    def holds(at: Path) -> bool:
        return at.name == name and any((at / part).is_dir() for part in ("events_np", "extract", "download"))

    root = download.placed(root, name, name, holds)
    kept = root / "events_np"
    marker = root / "events_np.building"
    extract = root / "extract"
    if marker.exists() and (kept.exists() or extract.exists()):  # SpikingJelly's; nothing here makes one
        remedy = f"remove {marker}, and {kept} and {extract} with it unless you know them to be whole"
        raise DataError(
            f"{name}: an earlier preparation was stopped; {remedy}, and try again: downloads are kept"
        )
    if not kept.exists():
        events.make_recordings(root)
    rng = np.random.default_rng(TEST_SEED)
    parts = {"train": [], "test": []}
    for label, one in enumerate(CIFAR10DVS_CLASS_NAMES):
        files = download.some(kept / one, "*.npz", name)
        if len(files) < 2:
            raise DataError(
                f"{name}: {kept / one} holds one recording, which the test part takes; put two there"
            )
        tests = set(rng.choice(len(files), max(1, round(len(files) / 10)), replace=False).tolist())
        for n, path in enumerate(files):
            parts["test" if n in tests else "train"].append((path, label))

    def read(path: Path) -> np.ndarray:
        return events.by_number(events.recording(path, ask.frames), ask.frames, DVS_SIZE, events.SENSOR)

    return take("cifar10-dvs", parts["train"], parts["test"], ask.images, read)


def simulated(still: Arrays, size: int, ask: Ask, counts: dict[str, int | None]) -> Arrays:
    """Simulated recordings of still images: 4 sensor steps a frame, a path of a sixteenth of the sensor
    either way, a contrast threshold of 0.15, a spurious event a pixel, polarity and step with
    probability 0.001.

    counts: images of each part, the first of each class. The same bytes on one machine whenever the seed is
    the same.
    """
    generator = torch.Generator().manual_seed(ask.seed)
    sets = {}
    for part, most in counts.items():
        chosen = first(still[f"{part}_y"], most)
        found = np.empty((len(chosen), ask.frames, 2, size, size), np.uint8)
        with tqdm(total=len(chosen), desc=f"simulated events, {part}", unit="image") as bar:
            for start in range(0, len(chosen), 50):  # small enough for the processor's cache
                images = torch.from_numpy(still[f"{part}_x"][chosen[start : start + 50]]).float() / 255
                moved = events.simulate(images, size, 4 * ask.frames, generator, size / 16, noise=1e-3)
                found[start : start + 50] = events.frames(moved, ask.frames).numpy()
                bar.update(len(images))
        sets[f"{part}_x"] = found
        sets[f"{part}_y"] = still[f"{part}_y"][chosen]
    return sets


def cifar10_dvs_sim(root: Path, ask: Ask) -> Arrays:
    """As many simulated recordings as CIFAR10-DVS has, 9000 of CIFAR-10's training and 1000 of its test
    images."""
    counts = {"train": min(ask.images or 9000, 9000), "test": 1000}
    return simulated(cifar("cifar10", root), SIM_SIZE, ask, counts)


def digits_dvs_sim(root: Path, ask: Ask) -> Arrays:
    return simulated(digits(root, ask), DIGITS_SIZE, ask, {"train": ask.images, "test": None})
