"""Data of a user's own: a folder of images, one of event frames, the arrays of an .npz."""

from pathlib import Path

import numpy as np
import pytest
from own import COUNTS, put, write_frames, write_image


@pytest.fixture
def pictures(tmp_path) -> Path:
    put(tmp_path, (6, 8, 3), ".png", write_image)
    return tmp_path


@pytest.fixture
def recordings(tmp_path) -> Path:
    put(tmp_path, (4, 2, 5, 6), ".npz", write_frames, 3)
    return tmp_path


@pytest.fixture
def own_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    found = {}
    for part, count in COUNTS.items():
        found[f"{part}_x"] = rng.integers(0, 256, (3 * count, 3, 5, 6), dtype=np.uint8)
        found[f"{part}_y"] = np.arange(3 * count) % 3
    return found
