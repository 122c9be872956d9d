"""Data of a user's own: each layout is read as it lies, split and normalised as the study's."""

import re

import numpy as np
import pytest
import torch
from own import COUNTS, one_line, places, put, write_frames, write_image
from PIL import Image

from lib import data
from lib.core.files import ROOT
from lib.data import datasets

PARTS = ("train", "validation", "test")


def held(splits: data.Splits) -> dict[bytes, int]:
    """{an image: its label} of the training and the validation part together."""
    return {
        image.numpy().tobytes(): int(label)
        for images, labels in (splits.train, splits.validation)
        for image, label in zip(images.kept, labels, strict=True)
    }


def read_whole(splits: data.Splits, made: dict[str, np.ndarray]) -> None:
    """Every file is there once, as it was written, with its label; test files in order."""
    labels = {part: np.repeat(np.arange(3), count) for part, count in COUNTS.items()}
    expected = {
        image.tobytes(): label for image, label in zip(made["train"], labels["train"].tolist(), strict=True)
    }
    assert held(splits) == expected and len(expected) == 30
    assert np.array_equal(splits.test[0].kept.numpy(), made["test"])
    assert np.array_equal(splits.test[1].numpy(), labels["test"])
    assert splits.classes == 3
    assert {part: np.bincount(getattr(splits, part)[1]).tolist() for part in PARTS} == {
        "train": [8] * 3,
        "validation": [2] * 3,
        "test": [3] * 3,
    }


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".TIFF"])
def test_coloured_images_are_read_to_the_pixel(suffix, tmp_path):
    made = put(tmp_path, (6, 8, 3), suffix, write_image)
    splits = data.yours(tmp_path, validation=0.2)
    read_whole(splits, {part: images.transpose(0, 3, 1, 2) for part, images in made.items()})
    assert not splits.events and splits.in_shape == (3, 6, 8)


def test_grey_images_have_one_channel(tmp_path):
    made = put(tmp_path, (6, 8), ".png", write_image)
    splits = data.yours(str(tmp_path), validation=0.2)
    read_whole(splits, {part: images[:, None] for part, images in made.items()})
    assert splits.in_shape == (1, 6, 8)


def test_grey_ones_among_coloured_ones_are_coloured(pictures):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    write_image(pictures / "test" / "ant" / "0.png", grey)
    splits = data.yours(pictures)
    assert np.array_equal(splits.test[0].kept[0].numpy(), np.stack([grey] * 3))


def test_a_palette_and_a_transparent_image_are_read_as_rgb(pictures):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(pictures / "test" / "ant" / "0.png")
    few = Image.fromarray(pixels[..., :3]).quantize(7)
    few.save(pictures / "test" / "ant" / "1.png")
    kept = data.yours(pictures).test[0].kept.numpy()
    assert np.array_equal(kept[0], pixels[..., :3].transpose(2, 0, 1))
    assert np.array_equal(kept[1], np.asarray(few.convert("RGB")).transpose(2, 0, 1))


@pytest.mark.parametrize(("size", "shape"), [(4, (3, 4, 4)), ((4, 9), (3, 4, 9)), ([12, 2], (3, 12, 2))])
def test_images_of_any_size_are_resized(size, shape, pictures):
    other = Image.fromarray(np.full((20, 10, 3), 77, np.uint8))
    other.save(pictures / "test" / "ant" / "0.png")
    splits = data.yours(pictures, size=size)
    assert splits.in_shape == shape and (splits.test[0].kept[0] == 77).all()
    with Image.open(pictures / "test" / "bee" / "1.png") as image:
        expected = np.asarray(image.resize(shape[:0:-1], Image.Resampling.BILINEAR))
    assert np.array_equal(splits.test[0].kept[4].numpy(), expected.transpose(2, 0, 1))


def test_a_size_that_images_have_changes_no_pixel(pictures):
    assert torch.equal(data.yours(pictures, size=(6, 8)).test[0].kept, data.yours(pictures).test[0].kept)


def test_event_frames_are_read_as_counts(tmp_path):
    made = put(tmp_path, (4, 2, 5, 6), ".npz", write_frames)
    splits = data.yours(tmp_path, validation=0.2)
    read_whole(splits, made)
    assert splits.events and splits.in_shape == (2, 5, 6)
    assert torch.equal(splits.test[0][:2].transpose(0, 1), torch.from_numpy(made["test"][:2]).float())


def test_frames_that_spikingjelly_wrote_are_read(tmp_path):
    """By its own integration of streams of events."""
    from spikingjelly.datasets.utils import integrate_events_file_to_frames_file_by_fixed_frames_number

    rng = np.random.default_rng(0)
    (tmp_path / "raw").mkdir()
    for files in places(tmp_path / "frames", ".npz").values():
        for path in files:
            stream = {"t": np.arange(60), "x": rng.integers(0, 6, 60), "y": rng.integers(0, 5, 60)}
            np.savez(tmp_path / "raw" / path.name, **stream, p=rng.integers(0, 2, 60))
            integrate_events_file_to_frames_file_by_fixed_frames_number(
                np.load, tmp_path / "raw" / path.name, path.parent, "number", 4, 5, 6
            )
    splits = data.yours(tmp_path / "frames")
    assert splits.in_shape == (2, 5, 6) and splits.train[0].kept.shape[1] == 4
    assert (splits.test[0].kept.sum((1, 2, 3, 4)) == 60).all()


@pytest.mark.parametrize("shape", [(3, 5, 6), (4, 2, 5, 6)])
def test_an_npz_is_read(shape, own_arrays, tmp_path):
    rng = np.random.default_rng(3)
    for part in COUNTS:
        own_arrays[f"{part}_x"] = rng.integers(0, 256, (len(own_arrays[f"{part}_x"]), *shape), dtype=np.uint8)
        own_arrays[f"{part}_y"] = np.sort(own_arrays[f"{part}_y"]).astype(">u8")
    np.savez_compressed(tmp_path / "mine.npz", **own_arrays)
    splits = data.yours(tmp_path / "mine.npz", validation=0.2)
    read_whole(splits, {part: own_arrays[f"{part}_x"] for part in COUNTS})
    assert splits.events == (len(shape) == 4) and splits.in_shape == shape[-3:]


def test_splits_and_numbers_are_those_of_the_study(tmp_path):
    """The digits, by the study's own way and as a user's file."""
    data.save(data.prepare("digits", tmp_path, 0.125, 2020), tmp_path / "prepared.npz")
    np.savez(tmp_path / "mine.npz", **datasets.digits(tmp_path, datasets.Ask()))
    expected = data.load(tmp_path / "prepared.npz")
    mine = data.yours(tmp_path / "mine.npz", validation=0.125, seed=2020)
    for part in PARTS:
        (x, y), (asked, labels) = getattr(mine, part), getattr(expected, part)
        assert torch.equal(x[:], asked[:]) and torch.equal(y, labels), part
    assert x[:].dtype == torch.float32 and mine.classes == expected.classes == 10


def test_the_seed_alone_says_which_images_are_held_out(pictures):
    first, again, other = (data.yours(pictures, validation=0.3, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(first.validation[0].kept, again.validation[0].kept)
    assert torch.equal(first.train[0][:], again.train[0][:])
    assert not torch.equal(first.validation[0].kept, other.validation[0].kept)
    assert torch.equal(first.test[0].kept, other.test[0].kept)


def test_what_systems_put_beside_files_is_left_out(pictures):
    expected = data.yours(pictures)
    for name in (".DS_Store", "train/.DS_Store", "train/ant/Thumbs.db", "test/bee/._0.png"):
        (pictures / name).write_bytes(b"x")
    for name in ("train", "test/bee"):
        (pictures / name / ".ipynb_checkpoints").mkdir()
        (pictures / name / ".ipynb_checkpoints" / "0-checkpoint.png").write_bytes(b"x")
    assert torch.equal(data.yours(pictures).train[0][:], expected.train[0][:])


def test_variables_in_the_path_are_replaced(pictures, monkeypatch):
    monkeypatch.setenv("MINE", str(pictures.parent))
    assert data.yours(f"$MINE/{pictures.name}").classes == 3
    one_line("$NOWHERE/x: no such user or variable here", "$NOWHERE/x")


# ---------------------------------------------------------------- what the page says


def test_the_ten_lines_of_the_page_run(tmp_path, monkeypatch, capsys):
    """docs/data.md, word by word, on a small folder of the name that it uses."""
    section = (ROOT / "docs" / "data.md").read_text().split("\n## Your own data\n")[1].split("\n## ")[0]
    [code] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    put(tmp_path / "pictures", (40, 36, 3), ".png", write_image)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["splits"].in_shape == (3, 32, 32) and names["splits"].classes == 3
    parameters, accuracy = map(float, capsys.readouterr().out.split())
    assert accuracy in [n / 9 for n in range(10)]
    assert 0 < parameters < sum(weight.numel() for weight in names["run"].masked().parameters())
