"""An .npz of a user's own in which something is wrong, and wrong arguments: one line."""

from pathlib import Path

import numpy as np
import pytest
from own import one_line

# ---------------------------------------------------------------- a wrong .npz


def test_an_npz_that_is_none(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_bytes(b"no zip")
    one_line(f"{path} is damaged or no .npz (", path)


def test_nothing_in_an_npz_is_executed(own_arrays, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "mark",)

    np.savez(tmp_path / "mine.npz", **own_arrays | {"train_y": np.array([Bomb()])})
    one_line("allow_pickle", tmp_path / "mine.npz")
    assert not (tmp_path / "mark").exists()


def test_an_npz_is_not_resized(own_arrays, tmp_path):
    np.savez(tmp_path / "mine.npz", **own_arrays)
    one_line(
        "mine.npz is an .npz, whose images are not resized; leave size out", tmp_path / "mine.npz", size=8
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: {"test_y": None}, "it must hold train_x, train_y, test_x, test_y and nothing else"),
        (lambda a: {"validation_x": a["test_x"]}, "'validation_x']; it must hold train_x, train_y, test_x"),
        (
            lambda a: {"train_x": a["train_x"] / 256},
            "mine.npz: train_x holds 0 to 0.996094 of float64; give uint8, images [N, C, H, W] or event "
            "counts [N, T, 2, H, W]: of shares of 1, (255 * x).round().astype(np.uint8)",
        ),
        (lambda a: {"test_x": a["test_x"].astype(int)}, "test_x holds 0 to 255 of int64; give uint8"),
        (lambda a: {"test_x": a["test_x"] > 9}, "test_x holds bool; give uint8"),
        (lambda a: {"train_x": a["train_x"][:, 0]}, "train_x is [30, 5, 6]; give uint8, images [N, C, H, W]"),
        (lambda a: {"train_x": a["train_x"][:, None]}, "train_x is [30, 1, 3, 5, 6]; give uint8, images"),
        (lambda a: {"test_x": a["test_x"][:0]}, "test_x is [0, 3, 5, 6]; give uint8, images"),
        (
            lambda a: {"train_x": a["train_x"].transpose(0, 2, 3, 1)},
            "train_x is [30, 5, 6, 3], channels last; give x.transpose(0, 3, 1, 2)",
        ),
        (
            lambda a: {"test_x": a["test_x"][..., :4]},
            "train_x holds images of [3, 5, 6], test_x of [3, 5, 4]; give both the same",
        ),
        (
            lambda a: {"train_y": a["train_y"][:-1]},
            "train_y is int64 [29] for 30 images; give one whole number an image, its class",
        ),
        (lambda a: {"train_y": a["train_y"][:, None]}, "train_y is int64 [30, 1] for 30 images"),
        (lambda a: {"test_y": a["test_y"] / 1}, "test_y is float64 [9] for 9 images"),
        (
            lambda a: {"train_y": a["train_y"] + 1},
            "train_y has 3 classes, numbered 1 to 3; number them 0 to 2",
        ),
        (lambda a: {"train_y": a["train_y"] - 1}, "train_y has 3 classes, numbered -1 to 1"),
        (lambda a: {"test_y": a["test_y"] * 2}, "class 1 is in train_y alone; give train and test the same"),
        (lambda a: {"test_y": a["test_y"] + 1}, "class 0 is in train_y alone"),
        (lambda a: {"test_y": np.arange(9)}, "class 3 is in test_y alone; give train and test the same"),
        (lambda a: {key: 0 * a[key] for key in ("train_y", "test_y")}, "has one class alone; give two"),
        (lambda a: {"train_x": 0 * a["train_x"] + 7}, "channel 0 is 7 in every pixel"),
        (
            lambda a: {"train_y": np.minimum(np.arange(30), 2)},
            "validation: 0.1: holds out 0 of 1 images of class 0 of",
        ),
    ],
)
def test_wrong_arrays(change, said, own_arrays, tmp_path):
    arrays = {key: values for key, values in (own_arrays | change(own_arrays)).items() if values is not None}
    np.savez(tmp_path / "mine.npz", **arrays)
    one_line(said, tmp_path / "mine.npz")


# ---------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize("size", [0, -3, 2.5, "32", True, (4,), (4, 4, 3), (0, 4), [4, None]])
def test_a_size_that_is_none(size, pictures):
    one_line(
        f"size: {size!r}: give (H, W) or one number, in pixels, whole and at least 1", pictures, size=size
    )


@pytest.mark.parametrize("validation", [0, 1, -0.1, 1.5, np.nan, "0.1", None, True])
def test_a_share_that_is_none(validation, pictures):
    said = f"validation: {validation!r}: give a share between 0 and 1, such as 0.1"
    one_line(said, pictures, validation=validation)


@pytest.mark.parametrize("seed", [-1, 0.5, None, "0"])
def test_a_seed_that_is_none(seed, pictures):
    one_line(f"seed: {seed!r}: give a whole number, 0 or more", pictures, seed=seed)
