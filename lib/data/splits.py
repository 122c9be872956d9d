"""Data sets -> splits that are fixed once, kept as bytes; batches and augmentation.
The raw data: `lib.data.datasets`."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.core.errors import ConfigError, DataError, pick
from lib.core.files import ROOT, atomic_write
from lib.data import datasets
from lib.data.datasets import Arrays, Ask, first
from lib.settings import DATASETS, Study
from lib.settings.base import expanded


@dataclass(frozen=True, eq=False)
class Images:
    """Images kept as bytes, made float32 when they are picked: a data set takes a quarter of the memory.

    kept: uint8 [N, C, H, W], or event counts [N, T, 2, H, W]
    shift, scale: [C, 1, 1]; what is picked is (kept / 255 - shift) / scale,
    but whole event counts as they are

    Picked by a slice or by indices, images are [n, C, H, W] and event frames [T, n, 2, H, W],
    as a network takes them.
    """

    kept: Tensor
    shift: Tensor | None = None
    scale: Tensor | None = None

    @property
    def events(self) -> bool:
        return self.kept.dim() == 5

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index) -> Tensor:
        return self.augmented(index)

    def augmented(self, index, augment: Callable | None = None, *chance) -> Tensor:
        """What `index` picks, changed by one of AUGMENT before it is normalised, so that 0, its padding,
        is black. chance: the function's further arguments"""
        picked = self.kept[index].float()
        if self.events and picked.dim() == 5:
            picked = picked.transpose(0, 1)
        changed = augment(picked, *chance) if augment else picked
        return changed if self.events else (changed / 255).sub_(self.shift).div_(self.scale)

    def split(self, size: int) -> Iterator[Tensor]:
        """Batch after batch, in order, as `Tensor.split`."""
        return (self[start : start + size] for start in range(0, len(self), size))


@dataclass(frozen=True)
class Splits:
    """Images (or, of still images, a float tensor) and labels, int64 [N], of one data set;
    classes: how many there are."""

    train: tuple[Images | Tensor, Tensor]
    validation: tuple[Images | Tensor, Tensor]
    test: tuple[Images | Tensor, Tensor]
    classes: int

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image or of one event frame."""
        return tuple(self.train[0][:1].shape[-3:])

    @property
    def events(self) -> bool:
        """Whether frames of event counts, not images: whole numbers,
        an event in them is an AC (methods 0.1)."""
        return isinstance(self.train[0], Images) and self.train[0].events


def root_folder(root: Path) -> Path:
    """Where the raw data sets lie: the variable SNN_DATA, its ~ and $VARIABLES replaced, else `root`.

    raises: ConfigError if SNN_DATA names a variable that is not set
    """
    try:
        return Path(expanded(os.environ.get("SNN_DATA") or "") or root)
    except ValueError as error:
        raise ConfigError(f"SNN_DATA: {error}") from None


def prepare(
    name: str, root: Path, validation: float, seed: int, images: int | None = None, frames: int | None = None
) -> Arrays:
    """Raw data -> uint8 images (or event counts) and labels of three splits, as `divided` makes them.

    images: training images at most, validation ones included:
    the first ones, the same number of each class (None: all)
    frames: of each recording of an event set (None: its usual number)
    raises: DataError if the data cannot be had, or are not as their record says
    """
    record = pick(DATASETS, name, "data set")
    raw = getattr(datasets, record.reader)(root, Ask(images, frames or record.frames or 1, seed))
    check(name, raw)
    few = first(raw["train_y"], images)
    if len(few) < len(raw["train_y"]):  # what is picked by indices is a copy
        raw = raw | {key: raw[key][few] for key in ("train_x", "train_y")}
    return divided(raw, validation, seed, name)


def divided(
    raw: Arrays, validation: float, seed: int, name: str, asked: str = "data.validation", classes=None
) -> Arrays:
    """The training images of a reader -> training and validation images, the same share of each class, by
    `seed`; the test images as they are.

    name, asked, classes: what a message calls the data, the share, and each class (None: by its number)
    raises: DataError if a class is too small to hold one out and leave one
    """
    y = raw["train_y"]
    # differs from the paper: validation images are held out of the training images;
    # published: choices made on the test images
    held = held_out(y, validation, np.random.default_rng(seed))
    for label, each in enumerate(np.bincount(y)):
        if (out := int(held[y == label].sum())) in (0, each):
            called = label if classes is None else repr(classes[label])
            said = f"holds out {out} of {each} images of class {called} of {name}"
            advice = f"{'raise' if out == 0 else 'lower'} it, or give more images a class"
            raise DataError(f"{asked}: {validation}: {said}; hold out one and leave one: {advice}")
    parts = {"train": ~held, "validation": held}
    made = {f"{part}_{xy}": raw[f"train_{xy}"][chosen] for part, chosen in parts.items() for xy in "xy"}
    return made | {key: raw[key] for key in ("test_x", "test_y")}


def check(name: str, raw: Arrays) -> None:
    """Raises DataError in one line where what a reader gives is not what the record of the set says."""
    record = DATASETS[name]
    where = f"{name}: lib.data.datasets.{record.reader} gave"
    for part in ("train", "test"):
        x = raw[f"{part}_x"]
        y = raw[f"{part}_y"]
        if x.dtype != np.uint8 or x.shape[-3:] != record.shape or x.ndim != 4 + record.events:
            frames = "frames, " * record.events
            wanted = f"uint8 [images, {frames}{', '.join(map(str, record.shape))}]"
            raise DataError(f"{where} {part}_x {x.dtype} {list(x.shape)}; it must be {wanted}")
        if y.shape != (len(x),):
            raise DataError(f"{where} {part}_y {list(y.shape)} for {len(x)} images; give one label an image")
    found = np.unique(raw["train_y"])
    if not np.array_equal(found, np.arange(record.classes)):
        told = f"{len(found)} classes, {found[0]} to {found[-1]}"
        raise DataError(
            f"{where} train_y of {told}; it must be of {record.classes}, 0 to {record.classes - 1}"
        )


def prepare_for(settings: Study, name: str) -> Arrays:
    """`prepare` as a study's params.yaml asks for it."""
    ask = settings.data
    return prepare(
        name,
        root_folder(ROOT / ask.root),
        ask.validation,
        ask.split_seed,
        ask.images.get(name),
        ask.frames.get(name),
    )


def held_out(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Bool [N]: `share` of each class, rounded, drawn without replacement."""
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held[rng.choice(members, round(share * len(members)), replace=False)] = True
    return held


def save(arrays: Arrays, path: Path) -> None:
    """Written beside, then moved: a stopped run leaves no half file."""
    with atomic_write(path) as beside, open(beside, "wb") as file:
        np.savez(file, **arrays)


def load(path: Path) -> Splits:
    """What `save` wrote, normalised. raises: DataError if it is damaged"""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} is damaged ({error}); remove it and run again: it is prepared anew"
        ) from error
    return normalised(arrays)


def normalised(arrays: dict[str, Tensor]) -> Splits:
    """Of what `divided` gives, as tensors: images are normalised by the mean and standard deviation of the
    training images, channel by channel; event counts are not."""
    shift, scale = (None, None) if arrays["train_x"].dim() == 5 else mean_std(arrays["train_x"])
    parts = {
        part: (Images(arrays[f"{part}_x"], shift, scale), arrays[f"{part}_y"].long())
        for part in ("train", "validation", "test")
    }
    return Splits(**parts, classes=int(arrays["train_y"].max()) + 1)


def mean_std(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of each channel of uint8 [N, C, H, W], as shares of 255: two of [C, 1, 1].
    One channel at a time is made float."""
    each = [
        ((one := x[:, c : c + 1].float().div_(255)).mean((0, 2, 3)), one.std((0, 2, 3)))
        for c in range(x.shape[1])
    ]
    return tuple(torch.cat(values).view(-1, 1, 1) for values in zip(*each, strict=True))


def open_or_prepare(settings: Study, name: str) -> Splits:
    """The splits of data set `name` in a study; prepared first if no run has done so yet."""
    path = settings.data_path(name)
    if not path.exists():
        save(prepare_for(settings, name), path)
    return load(path)


def batches(
    x: Images | Tensor, y: Tensor, size: int, generator: torch.Generator, augment=None, epoch: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order; a last, smaller batch is dropped,
    because BN on a few images disturbs the network.

    Batches are [n, C, H, W], of event sets [T, n, 2, H, W]. epoch: its parity says which images have their
    turn
    augment: one of AUGMENT; it is given 0 to 255, as float32, or event counts;
    of a float tensor, what that holds
    raises: DataError if there are not enough for a single batch
    """
    if len(x) < size:
        raise DataError(f"batch: {size}: there are only {len(x)} training images; lower it in params.yaml")
    half = torch.rand(len(x), generator=torch.Generator().manual_seed(0)) < 0.5
    turned = half ^ bool(epoch % 2)
    for index in torch.randperm(len(x), generator=generator)[: len(x) // size * size].split(size):
        chance = generator, turned[index]
        if isinstance(x, Images):
            yield x.augmented(index, augment, *chance), y[index]
        else:
            yield augment(x[index], *chance) if augment else x[index], y[index]
