"""Folders as a user has them, with known images and event frames in them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib import data
from lib.core.errors import DataError

CLASSES = ("ant", "bee", "cat")
COUNTS = {"train": 10, "test": 3}  # of each class


def one_line(said: str, path, **settings) -> None:
    """The user is told this, and in one line."""
    with pytest.raises(DataError) as error:
        data.yours(path, **settings)
    told = str(error.value)
    assert "\n" not in told and said in told, told


def places(root: Path, suffix: str) -> dict[str, list[Path]]:
    """Where the files of train/ and test/ go, class after class; their folders are made."""
    found = {}
    for part, count in COUNTS.items():
        found[part] = [root / part / one / f"{n}{suffix}" for one in CLASSES for n in range(count)]
        for path in found[part]:
            path.parent.mkdir(parents=True, exist_ok=True)
    return found


def put(root: Path, shape: tuple, suffix: str, write, most: int = 256) -> dict[str, np.ndarray]:
    """Files of random whole numbers; what is in them, by part."""
    rng = np.random.default_rng(1)
    made = {}
    for part, files in places(root, suffix).items():
        made[part] = rng.integers(0, most, (len(files), *shape), dtype=np.uint8)
        for path, one in zip(files, made[part], strict=True):
            write(path, one)
    return made


def write_image(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)


def write_frames(path: Path, frames: np.ndarray) -> None:
    """In float64, as SpikingJelly does."""
    np.savez(path, frames=frames.astype(float))
