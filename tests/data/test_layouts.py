"""Folders as people's tools leave them, and the smallest and strangest recordings."""

import os
from pathlib import Path

import numpy as np
import pytest
from test_datasets import fake_cifar, line, offline, read_tiny, tiny, write_recordings  # noqa: F401

from lib import data
from lib.core.errors import DataError
from lib.data import datasets, events
from lib.data.datasets import Ask
from lib.settings import DATASETS

# ---------------------------------------------------------------- Tiny-ImageNet


def same(found: dict, expected: dict) -> bool:
    return all(np.array_equal(found[key], expected[key]) for key in expected)


def sort_val(folder: Path, into: str, annotated: bool, share: int = 6) -> None:
    """Moves the first `share` validation images into class folders,
    as the scripts do that make an ImageFolder of them."""
    notes = folder / "val" / "val_annotations.txt"
    for row in notes.read_text().splitlines()[:share]:
        file, wnid = row.split("\t")[:2]
        place = folder / "val" / into.format(wnid)
        place.mkdir(parents=True, exist_ok=True)
        (folder / "val" / "images" / file).rename(place / file)
    if not any((folder / "val" / "images").iterdir()):
        (folder / "val" / "images").rmdir()
    if not annotated:
        notes.unlink()


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize("into", ["{}/images", "{}", "images/{}"])
def test_validation_images_sorted_into_class_folders_are_the_same_set(tiny, into, annotated):  # noqa: F811
    expected = read_tiny(tiny)
    sort_val(tiny, into, annotated)
    assert same(read_tiny(tiny), expected)


def test_a_script_that_was_stopped_half_way_loses_no_image(tiny):  # noqa: F811
    expected = read_tiny(tiny)
    sort_val(tiny, "{}", annotated=True, share=3)
    assert same(read_tiny(tiny), expected)


def test_training_images_without_their_folder_images_are_read(tiny):  # noqa: F811
    expected = read_tiny(tiny)
    for images in (tiny / "train").glob("*/images"):
        for path in images.iterdir():
            path.rename(images.parent / path.name)
        images.rmdir()
    assert same(read_tiny(tiny), expected)


@pytest.mark.parametrize("root", ["tiny-imagenet-200", "elsewhere", "."])
def test_a_folder_one_level_further_down_or_given_itself_is_read(tiny, root):  # noqa: F811
    expected, above = read_tiny(tiny), tiny.parent
    if root == "tiny-imagenet-200":  # nested
        tiny.rename(above / "moved")
        tiny.mkdir()
        (above / "moved").rename(tiny / tiny.name)
        assert same(datasets.tiny_imagenet(above, Ask()), expected)
    elif root == "elsewhere":  # renamed, and given as the root
        tiny.rename(above / root)
        assert same(datasets.tiny_imagenet(above / root, Ask()), expected)
    else:
        assert same(datasets.tiny_imagenet(tiny, Ask()), expected)


def test_another_layout_is_told_from_a_missing_image(tiny):  # noqa: F811
    (tiny / "val" / "images" / "val_3.JPEG").unlink()
    told = line(read_tiny, tiny)
    assert "val/images/val_3.JPEG is missing; put the official file there" in told
    (tiny / "val" / "images").rename(tiny / "val" / "pictures")
    told = line(read_tiny, tiny)
    assert f"{tiny / 'val'} has another layout: val holds pictures, val_annotations.txt" in told
    assert "known are val_annotations.txt with images/*.JPEG, and <class>/images/" in told


# ---------------------------------------------------------------- CIFAR, CIFAR10-DVS


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("layout", ["{0}", "data/{0}/{0}", "data/{1}/{0}", "renamed"])
def test_cifar_is_found_where_tools_unpack_it_and_as_its_own_root(name, layout, tmp_path):
    folder = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[name]
    official = Path(os.environ.get("SNN_DATA", "nowhere")) / folder
    if not official.is_dir():
        pytest.skip(f"SNN_DATA names no folder that holds {folder}")
    place = tmp_path / layout.format(folder, folder.replace("batches-py", "python"))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(official.resolve())
    root = tmp_path / "data" if layout.startswith("data") else place
    found = datasets.cifar(name, root)
    assert found["train_x"].shape == (50000, 3, 32, 32)
    assert found["test_y"][:3].tolist() == {"cifar10": [3, 8, 8], "cifar100": [49, 33, 72]}[name]


def test_a_nested_folder_with_a_broken_batch_is_damaged_not_another_layout(tmp_path, monkeypatch):
    broken = fake_cifar(tmp_path, monkeypatch)["data_batch_2"]
    nested = tmp_path / "root" / "cifar-10-batches-py"
    nested.mkdir(parents=True)
    broken.parent.rename(nested / "cifar-10-batches-py")
    (nested / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"half")
    told = line(datasets.cifar, "cifar10", tmp_path / "root")
    assert f"{nested / 'cifar-10-batches-py' / 'data_batch_2'} is corrupted or half-downloaded" in told


def test_pictures_in_class_folders_are_another_layout_of_cifar(tmp_path):
    for one in ("train", "test"):
        (tmp_path / "cifar-10-batches-py" / one).mkdir(parents=True)
    told = line(datasets.cifar, "cifar10", tmp_path)
    assert "has another layout: it holds test, train; known is the python version: data_batch_1" in told


def test_what_lies_beside_is_said_where_a_set_is_not_found(tmp_path, offline):  # noqa: F811
    (tmp_path / "cifar-10-batches-bin").mkdir()
    assert "(it holds cifar-10-batches-bin) and not downloaded" in line(datasets.cifar, "cifar10", tmp_path)


def test_the_folder_of_recordings_may_be_given_itself(tmp_path, offline):  # noqa: F811
    write_recordings(tmp_path, 3, "npz")
    found = [datasets.cifar10_dvs(root, Ask(frames=4)) for root in (tmp_path, tmp_path / "cifar10-dvs")]
    assert same(*found)


# ---------------------------------------------------------------- few, and strange, recordings


@pytest.mark.parametrize(
    ("each", "validation", "told"),
    [
        (1, 0.5, "airplane holds one recording, which the test part takes; put two there"),
        (2, 0.5, "data.validation: 0.5: holds out 0 of 1 images of class 0 of cifar10-dvs"),
        (
            3,
            0.1,
            "data.validation: 0.1: holds out 0 of 2 images of class 0 of cifar10-dvs; "
            "hold out one and leave one: raise it",
        ),
        (3, 0.9, "holds out 2 of 2 images of class 0 of cifar10-dvs; hold out one and leave one: lower it"),
        (3, 0.5, None),
    ],
)
def test_few_recordings_a_class_work_or_are_refused(each, validation, told, tmp_path, offline):  # noqa: F811
    write_recordings(tmp_path, each, "npz")
    if told:
        assert told in line(data.prepare, "cifar10-dvs", tmp_path, validation, 0)
    else:
        found = data.prepare("cifar10-dvs", tmp_path, validation, 0)
        assert {part: len(found[f"{part}_y"]) for part in ("train", "validation", "test")} == dict.fromkeys(
            ("train", "validation", "test"), 10
        )


@pytest.mark.parametrize("name", ["digits", "digits-dvs-sim"])
def test_one_image_a_class_is_refused_and_two_are_enough(name):
    with pytest.raises(DataError, match="data.validation: 0.5: holds out 0 of 1 images of class 0"):
        data.prepare(name, Path("unused"), 0.5, 0, images=10)
    found = data.prepare(name, Path("unused"), 0.5, 0, images=20)
    assert np.bincount(found["train_y"]).tolist() == np.bincount(found["validation_y"]).tolist() == [1] * 10


def test_one_image_a_class_of_an_image_set_is_refused(tiny, monkeypatch):  # noqa: F811
    monkeypatch.setitem(DATASETS, "tiny-imagenet", DATASETS["tiny-imagenet"]._replace(classes=3))
    for path in [*(tiny / "train").glob("*/images/*_[1-3].JPEG")]:
        path.unlink()
    told = line(data.prepare, "tiny-imagenet", tiny.parent, 0.5, 0)
    assert "holds out 0 of 1 images of class 0 of tiny-imagenet" in told


@pytest.mark.parametrize(
    ("axis", "value", "told"),
    [
        ("p", -1, "every p must be 0 or 1"),
        ("p", 2, "every p must be 0 or 1"),
        ("t", np.nan, "every t a number"),
        ("x", np.nan, "events outside 128x128"),
    ],
)
def test_one_impossible_event_is_refused(axis, value, told, tmp_path):
    stream = {name: np.arange(40.0) % 2 for name in "txyp"}
    stream[axis][7] = value
    np.savez(tmp_path / "one.npz", **stream)
    assert told in line(events.recording, tmp_path / "one.npz", 4)
