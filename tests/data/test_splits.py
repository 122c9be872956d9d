"""Data: fixed disjoint splits, normalisation from the training images alone, batches,
and what is said without data."""

import zipfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision.datasets.cifar
import torchvision.transforms.functional

from lib import data, measure, models
from lib.core.errors import ConfigError, DataError
from lib.data import augmentation, datasets
from lib.settings import DATASETS, config

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    return data.prepare("digits", Path("unused"), 0.125, 2020)


def images(arrays: dict, part: str) -> set[bytes]:
    return {image.tobytes() for image in arrays[f"{part}_x"]}


def test_digits_have_the_stated_counts_and_types(digits):
    assert {part: len(digits[f"{part}_y"]) for part in PARTS} == {
        "train": 1259,
        "validation": 179,
        "test": 359,
    }
    for part in PARTS:
        assert digits[f"{part}_x"].dtype == np.uint8 and digits[f"{part}_x"].shape[1:] == (1, 8, 8)
        assert digits[f"{part}_x"].min() == 0 and digits[f"{part}_x"].max() == 255


def test_no_image_is_in_two_splits(digits):
    seen = [images(digits, part) for part in PARTS]
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_no_image_is_lost(digits):
    raw = datasets.digits(Path("unused"), datasets.Ask())
    parts = np.concatenate([digits[f"{part}_x"] for part in PARTS])
    assert sorted(image.tobytes() for image in parts) == sorted(
        image.tobytes() for image in np.concatenate([raw["train_x"], raw["test_x"]])
    )


def test_the_validation_split_holds_the_same_share_of_each_class(digits):
    held, left = (np.bincount(digits[f"{part}_y"]) for part in ("validation", "train"))
    assert np.array_equal(held, np.round(0.125 * (held + left)))


def test_the_splits_are_fixed_by_their_seed_alone(digits):
    np.random.seed(1)
    torch.manual_seed(1)
    again = data.prepare("digits", Path("unused"), 0.125, 2020)
    assert all(np.array_equal(digits[key], again[key]) for key in digits)
    other = data.prepare("digits", Path("unused"), 0.125, 2021)
    assert images(other, "validation") != images(digits, "validation")
    assert images(other, "test") == images(digits, "test")


def test_an_unknown_data_set_lists_those_there_are():
    with pytest.raises(
        ConfigError,
        match="data set: 'cifer10' is not known; known are digits, cifar10, cifar100, tiny-imagenet",
    ):
        data.prepare("cifer10", Path("unused"), 0.1, 0)


def small_arrays(channels: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_x": rng.integers(0, 256, (n, channels, 5, 5), dtype=np.uint8)
        for part, n in zip(PARTS, (40, 8, 9), strict=True)
    }
    return arrays | {f"{part}_y": np.arange(len(arrays[f"{part}_x"])) % 4 for part in PARTS}


def test_normalisation_is_read_off_the_training_images_alone(tmp_path):
    arrays = small_arrays()
    data.save(arrays, tmp_path / "a.npz")
    splits = data.load(tmp_path / "a.npz")
    scaled = arrays["train_x"] / 255
    mean, std = scaled.mean((0, 2, 3), keepdims=True), scaled.std((0, 2, 3), keepdims=True, ddof=1)
    for part in PARTS:
        images, y = getattr(splits, part)
        x = images[:]
        assert x.dtype == torch.float32 and y.dtype == torch.int64
        assert np.allclose(x.numpy(), (arrays[f"{part}_x"] / 255 - mean) / std, atol=1e-5)
        assert np.array_equal(y.numpy(), arrays[f"{part}_y"])
    assert splits.in_shape == (3, 5, 5) and splits.classes == 4

    arrays["validation_x"][:], arrays["test_x"][:] = 0, 255
    data.save(arrays, tmp_path / "b.npz")
    assert torch.equal(data.load(tmp_path / "b.npz").train[0][:], splits.train[0][:])


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in "ab":
        data.save(small_arrays(), tmp_path / name / "x.npz")
    assert (tmp_path / "a/x.npz").read_bytes() == (tmp_path / "b/x.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a/x.npz") as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # no clock in it


def test_a_failing_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    data.save(small_arrays(), path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        data.save(small_arrays(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]


def test_data_are_prepared_once(tmp_path, monkeypatch):
    settings = config.load("smoke").model_copy(update={"out": str(tmp_path)})
    first = data.open_or_prepare(settings, "digits")
    monkeypatch.setattr("lib.data.splits.prepare", None)  # a second call would fail
    assert torch.equal(data.open_or_prepare(settings, "digits").train[0][:], first.train[0][:])


def test_batches_hold_every_image_once_but_the_last_small_batch():
    x = torch.arange(23.0)
    seen = [(a, b) for a, b in data.batches(x, x.long(), 5, torch.Generator().manual_seed(0))]
    assert [len(a) for a, _ in seen] == [5] * 4
    assert all(torch.equal(a.long(), b) for a, b in seen)
    assert torch.cat([a for a, _ in seen]).unique().numel() == 20


def test_the_order_of_batches_follows_from_their_generator_alone():
    x = torch.arange(50.0)

    def order(seed):
        return torch.cat([a for a, _ in data.batches(x, x, 10, torch.Generator().manual_seed(seed))])

    first = order(0)
    torch.manual_seed(7)
    assert torch.equal(order(0), first)
    assert not torch.equal(order(1), first)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(DataError, match="batch: 50: there are only 23 training images; lower it"):
        next(data.batches(torch.zeros(23), torch.zeros(23), 50, torch.Generator()))


def test_crop_flip_equals_a_slow_loop():
    x = torch.randn(32, 3, 8, 6, generator=torch.Generator().manual_seed(1))
    fast = augmentation.crop_flip(x, torch.Generator().manual_seed(2))

    chance = torch.Generator().manual_seed(2)  # the same draws, in the same order
    top, left = torch.randint(0, 9, (2, 32), generator=chance)
    keep = torch.rand(32, 1, generator=chance) < 0.5
    slow = torch.zeros_like(x)
    for n in range(32):
        for row in range(8):
            for column in range(6):
                from_row = row + int(top[n]) - 4
                from_column = (column if keep[n] else 5 - column) + int(left[n]) - 4
                if 0 <= from_row < 8 and 0 <= from_column < 6:
                    slow[n, :, row, column] = x[n, :, from_row, from_column]
    assert torch.equal(fast, slow)
    assert 0 < keep.sum() < 32 and len(set(top.tolist())) > 3


def test_an_image_is_turned_as_torchvision_turns_it():
    x = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    degrees = torch.tensor([0.0, 15.0, -15.0, 7.3, -1.2, 90.0])
    turned = augmentation.rotated(x, degrees)
    for n, angle in enumerate(degrees.tolist()):
        expected = torchvision.transforms.functional.rotate(x[n], angle)
        same = (turned[n] == expected).float().mean()
        assert same > 0.995, (angle, same)  # on the edge between two pixels, rounding may choose the other
    assert torch.equal(turned[0], x[0])


def test_crop_flip_rotate_turns_by_up_to_15_degrees(monkeypatch):
    seen = []
    monkeypatch.setattr(augmentation, "rotated", lambda x, degrees: seen.append(degrees) or x)
    x = torch.rand(500, 1, 4, 4)
    same = augmentation.crop_flip_rotate(x, torch.Generator().manual_seed(3))
    assert torch.equal(same, augmentation.crop_flip(x, torch.Generator().manual_seed(3)))
    assert -15 <= seen[0].min() < -14 and 14 < seen[0].max() <= 15


@pytest.mark.parametrize("augment", ["crop_flip", "crop_flip_rotate"])
def test_augmentation_for_images_refuses_event_frames(augment):
    with pytest.raises(ConfigError, match="are for still images; event frames take roll_flip or none"):
        data.AUGMENT[augment](torch.zeros(4, 2, 2, 8, 8), torch.Generator())


@pytest.fixture(scope="module")
def event_splits(tmp_path_factory) -> data.Splits:
    path = tmp_path_factory.mktemp("events") / "x.npz"
    data.save(data.prepare("digits-dvs-sim", path.parent, 0.125, 2020, images=200), path)
    return data.load(path)


def test_event_sets_hold_whole_counts_with_time_first_in_a_batch(event_splits):
    images, labels = event_splits.train
    assert (
        images.events
        and images.kept.shape == (len(labels), 4, 2, 16, 16)
        and event_splits.in_shape == (2, 16, 16)
    )
    for x, _ in data.batches(images, labels, 20, torch.Generator().manual_seed(0), data.AUGMENT["roll_flip"]):
        assert x.shape == (4, 20, 2, 16, 16) and x.dtype == torch.float32
        assert torch.equal(x, x.round()) and x.max() > 1
    assert torch.equal(images[:3].transpose(0, 1), images.kept[:3].float())
    assert torch.equal(images[5], images.kept[5].float())


def test_a_network_takes_the_batches_of_an_event_set(event_splits):
    net = models.build("dvs-digits", 10, event_splits.in_shape, T=4, events=event_splits.events)
    x, y = next(data.batches(*event_splits.train, 20, torch.Generator().manual_seed(0)))
    assert net(x).shape == (20, 10)
    images, labels = event_splits.test
    assert 0 <= measure.accuracy(net, images, labels) <= 1
    ops = measure.synops(net, images[:20])
    assert ops["mac"] == 0 < ops["ac"]  # whole events: no layer needs a multiplication


def test_splitting_images_loses_none_and_keeps_their_order(event_splits, digits, tmp_path):
    data.save(digits, tmp_path / "x.npz")
    for images in (event_splits.test[0], data.load(tmp_path / "x.npz").test[0]):
        parts = list(images.split(100))
        assert torch.equal(torch.cat(parts, dim=1 if images.events else 0), images[:])


@pytest.mark.parametrize("name", ["digits", "digits-dvs-sim"])
def test_a_part_of_the_images_is_the_first_of_each_class(name, digits):
    few = data.prepare(name, Path("unused"), 0.2, 2020, images=205)
    assert np.array_equal(np.bincount(few["train_y"]), [16] * 10) and np.array_equal(
        np.bincount(few["validation_y"]), [4] * 10
    )
    assert len(few["test_y"]) == 359
    if name == "digits":
        raw = datasets.digits(Path("unused"), datasets.Ask())
        kept = {
            image.tobytes() for label in range(10) for image in raw["train_x"][raw["train_y"] == label][:20]
        }
        assert images(few, "train") | images(few, "validation") == kept


def test_more_images_than_there_are_means_all(digits):
    assert images(data.prepare("digits", Path("unused"), 0.125, 2020, images=10**6), "train") == images(
        digits, "train"
    )


def test_fewer_images_than_classes_are_refused():
    with pytest.raises(
        DataError, match="data.images: 9: there are 10 classes; give at least one image a class"
    ):
        data.prepare("digits", Path("unused"), 0.125, 2020, images=9)


def test_a_study_says_how_many_images_and_frames():
    settings = config.load("smoke")
    asked = settings.data.model_copy(
        update={"images": {"digits-dvs-sim": 100}, "frames": {"digits-dvs-sim": 2}}
    )
    arrays = data.prepare_for(settings.model_copy(update={"data": asked}), "digits-dvs-sim")
    assert arrays["train_x"].shape[1:] == (2, 2, 16, 16)
    assert len(arrays["train_y"]) + len(arrays["validation_y"]) == 100


@pytest.mark.parametrize("failure", [URLError("no network"), RuntimeError("not found\nor corrupted")])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_absent_data_without_a_network_say_what_to_do(name, failure, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", fail)
    with pytest.raises(DataError) as error:
        data.prepare(name, tmp_path, 0.1, 0)
    line = str(error.value)
    folder = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[name]
    assert "\n" not in line
    assert not [
        part
        for part in (name, str(tmp_path), "not downloaded", folder, "SNN_DATA", "data.root")
        if part not in line
    ], line


def test_an_incomplete_folder_is_refused_and_not_downloaded_over(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", None)  # a call would fail
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match=r"cifar10: \S+data_batch_1 is missing \(expected md5 c99cafc1"):
        data.prepare("cifar10", tmp_path, 0.1, 0)


def test_a_failing_preparation_writes_nothing(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", fail)
    monkeypatch.delenv("SNN_DATA", raising=False)
    settings = config.load("smoke")
    settings = settings.model_copy(
        update={
            "out": str(tmp_path / "out"),
            "data": settings.data.model_copy(update={"root": str(tmp_path)}),
        }
    )
    with pytest.raises(DataError):
        data.open_or_prepare(settings, "cifar10")
    assert not (tmp_path / "out").exists()


def test_the_variable_replaces_the_folder_of_the_parameters(tmp_path, monkeypatch):
    monkeypatch.delenv("SNN_DATA", raising=False)
    assert data.root_folder(Path("here")) == Path("here")
    monkeypatch.setenv("SNN_DATA", str(tmp_path))
    assert data.root_folder(Path("here")) == tmp_path


def test_there_are_as_many_digits_as_said():
    """A study is checked by these numbers before there are any data."""
    arrays = data.prepare("digits", None, 0.125, 0)
    made = np.concatenate([arrays["train_y"], arrays["validation_y"]])
    said = (np.bincount(made).min(), len(made))
    assert said == DATASETS["digits"].training == DATASETS["digits-dvs-sim"].training
