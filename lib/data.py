"""Data sets -> tensors in memory, with fixed splits; batches and augmentation."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.config import ROOT, Study
from lib.errors import ConfigError, pick
from lib.files import whole


@dataclass(frozen=True)
class Splits:
    """Normalised images, float32 [N, C, H, W], and labels, int64 [N], of one data set; classes: how many there are."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    classes: int

    @property
    def in_shape(self) -> tuple[int, int, int]:
        return tuple(self.train[0].shape[1:])


class DataError(ConfigError):
    """The data cannot be had; the message says what to do."""


def digits() -> dict[str, np.ndarray]:
    """scikit-learn's handwritten digits, shipped with it: 1797 images of 8x8 in 17 grey levels; every fifth is a test image."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images * (255 / 16)).round().astype(np.uint8).reshape(-1, 1, 8, 8)
    test = np.arange(len(labels)) % 5 == 4
    return {"train_x": images[~test], "train_y": labels[~test], "test_x": images[test], "test_y": labels[test]}


def _cifar(name: str, root: Path) -> dict[str, np.ndarray]:
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    sets = {}
    for part in ("train", "test"):
        try:
            found = kind(root, train=part == "train", download=not (root / kind.base_folder).exists())
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{name}: not found under {root} and not downloaded ({' '.join(str(error).split())}); put the official folder "
                f"{kind.base_folder} there, or set SNN_DATA or data.root in params.yaml to where it is"
            ) from error
        sets[f"{part}_x"], sets[f"{part}_y"] = found.data.transpose(0, 3, 1, 2), np.array(found.targets)
    return sets


SOURCES: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    "digits": lambda root: digits(),
    "cifar10": lambda root: _cifar("cifar10", root),
    "cifar100": lambda root: _cifar("cifar100", root),
}

SHAPES = {"digits": ((1, 8, 8), 10), "cifar10": ((3, 32, 32), 10), "cifar100": ((3, 32, 32), 100)}  # in_shape, classes


def root_folder(root: Path) -> Path:
    """Where the raw data sets lie: the variable SNN_DATA, else `root`."""
    return Path(os.environ.get("SNN_DATA") or root)


def prepare(name: str, root: Path, validation: float, seed: int) -> dict[str, np.ndarray]:
    """Raw data -> uint8 images and labels of three splits. The validation split is drawn from the training images, the same
    share of each class, by `seed`; the test images are those of the source.

    raises: DataError if the data cannot be had
    """
    raw = pick(SOURCES, name, "data set")(root)
    # differs from the paper: validation images are held out of the training images; published: choices made on the test images
    held = held_out(raw["train_y"], validation, np.random.default_rng(seed))
    return {
        "train_x": raw["train_x"][~held],
        "train_y": raw["train_y"][~held],
        "validation_x": raw["train_x"][held],
        "validation_y": raw["train_y"][held],
        "test_x": raw["test_x"],
        "test_y": raw["test_y"],
    }


def held_out(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Bool [N]: `share` of each class, rounded, drawn without replacement."""
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held[rng.choice(members, round(share * len(members)), replace=False)] = True
    return held


def save(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Written beside, then moved: a stopped run leaves no half file."""
    with whole(path) as beside, open(beside, "wb") as file:
        np.savez(file, **arrays)


def load(path: Path) -> Splits:
    """What `save` wrote, normalised by the mean and standard deviation of the training images, channel by channel."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    images = arrays["train_x"].float() / 255
    mean, std = (f((0, 2, 3)).view(1, -1, 1, 1) for f in (images.mean, images.std))
    parts = {
        part: ((arrays[f"{part}_x"].float() / 255 - mean) / std, arrays[f"{part}_y"].long())
        for part in ("train", "validation", "test")
    }
    return Splits(**parts, classes=int(arrays["train_y"].max()) + 1)


def open_or_prepare(settings: Study, name: str) -> Splits:
    """The splits of data set `name` in a study; prepared first if no run has done so yet."""
    path = settings.data_path(name)
    if not path.exists():
        save(prepare(name, root_folder(ROOT / settings.data.root), settings.data.validation, settings.data.split_seed), path)
    return load(path)


def batches(x: Tensor, y: Tensor, size: int, generator: torch.Generator, augment=None) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order; a last, smaller batch is dropped, because BN on a few images disturbs the network.

    raises: DataError if there are not enough images for a single batch
    """
    if len(x) < size:
        raise DataError(f"batch: {size}: there are only {len(x)} training images; lower it in params.yaml")
    for index in torch.randperm(len(x), generator=generator)[: len(x) // size * size].split(size):
        picked = x[index]
        yield augment(picked, generator) if augment else picked, y[index]


def crop_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Random crop after 4 pixels of padding, and horizontal flip, drawn for each image (A26). x: [N, C, H, W]"""
    n, _, height, width = x.shape
    padded = torch.nn.functional.pad(x, (4, 4, 4, 4))
    top, left = torch.randint(0, 9, (2, n), generator=generator)
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    columns = torch.where(torch.rand(n, 1, generator=generator) < 0.5, columns, columns.flip(1))
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


AUGMENT = {"none": None, "crop_flip": crop_flip}
