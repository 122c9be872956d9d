"""Tiny-ImageNet's folder, official or as people's scripts sort it: which image is of which class."""

import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lib.core.errors import DataError
from lib.data import download

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


def fetch(folder: Path) -> None:
    """Downloads Tiny-ImageNet's official archive, if it is not there whole, and unpacks it.
    raises: DataError"""
    archive = folder.with_name(f"{folder.name}.zip")
    try:
        download.fetch(URL, archive, MD5)
        download.unpack(archive, folder)
    except (OSError, RuntimeError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise download.absent("tiny-imagenet", folder, error, [(archive, MD5)]) from error


def files(folder: Path) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """(image, label) of Tiny-ImageNet's training and of its validation part.

    raises: DataError that says what is missing
    """
    if not all((folder / part).is_dir() for part in ("train", "val")):
        raise DataError(
            f"tiny-imagenet: {folder} lacks train/ or val/: it holds {download.seen(folder)}; put both there"
        )
    trains = training_part(folder)
    number = {wnid: n for n, wnid in enumerate(trains)}
    tests = validation_part(folder, trains)
    if missing := sorted(set(trains) - {wnid for _, wnid in tests}):
        raise DataError(
            f"tiny-imagenet: {folder / 'val'} has no image of {missing[0]}; put the official folder there"
        )
    labelled = [(path, number[wnid]) for wnid in trains for path in trains[wnid]]
    return labelled, [(path, number[wnid]) for path, wnid in tests]


def training_part(folder: Path) -> dict[str, list[Path]]:
    """{class: its training images}, from train/<class>/images/ or train/<class>/.

    raises: DataError if a class has none
    """
    found = {}
    for one in sorted(path for path in (folder / "train").iterdir() if path.is_dir()):
        images = one / "images"
        found[one.name] = download.some(images if images.is_dir() else one, "*.JPEG", "tiny-imagenet")
    return found


def validation_part(folder: Path, classes: Iterable[str]) -> list[tuple[Path, str]]:
    """(image, class) of the validation part, val_0 first, by val_annotations.txt,
    else by class folders of three kinds.

    raises: DataError if it lies in none of these ways, or names a class that is not among `classes`
    """
    val = folder / "val"
    notes = val / "val_annotations.txt"
    if notes.is_file():
        rows = [(*line.split("\t"), "")[:2] for line in filter(None, notes.read_text().splitlines())]
        pairs = [(lying(val, file, wnid), wnid) for file, wnid in rows]
    else:
        places = [(place, wnid) for wnid in classes for place in sorted_into(val, wnid)]
        pairs = [(path, wnid) for place, wnid in places for path in place.glob("*.JPEG")]
        pairs.sort(key=lambda pair: download.in_order(pair[0]))
    if not any(path.is_file() for path, _ in pairs):
        raise DataError(
            f"tiny-imagenet: {val} has another layout: val holds {download.seen(val)}; "
            f"its images/ {download.seen(val / 'images')}; known are val_annotations.txt with images/*.JPEG, "
            "and <class>/images/, <class>/ and images/<class>/"
        )
    for path, wnid in pairs:
        if wnid not in classes:
            raise DataError(
                f"tiny-imagenet: {notes}: {path.name} is of class {wnid!r}, which {folder / 'train'} lacks; "
                f"put the official folder there"
            )
    return pairs


def sorted_into(val: Path, wnid: str) -> tuple[Path, Path, Path]:
    """Where people's scripts move the validation images of a class."""
    return val / wnid / "images", val / wnid, val / "images" / wnid


def lying(val: Path, file: str, wnid: str) -> Path:
    """Where an annotated image lies: its official place, if it is in none."""
    official = val / "images" / file
    places = (official, *(place / file for place in sorted_into(val, wnid)))
    return next((path for path in places if path.is_file()), official)


def jpeg(path: Path) -> np.ndarray:
    """One 64x64 image, grey ones as RGB: uint8 [3, 64, 64]. raises: DataError that names the file"""
    from PIL import Image

    try:
        pixels = np.asarray(Image.open(path).convert("RGB"))
    except FileNotFoundError as error:
        raise DataError(f"tiny-imagenet: {path} is missing; put the official file there") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = str(error).replace(str(path), "it")
        raise DataError(
            f"tiny-imagenet: {path} cannot be read as a JPEG ({reason}); put the official file there"
        ) from error
    if pixels.shape != (64, 64, 3):
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise DataError(f"tiny-imagenet: {path} has {size} pixels; official images have 64x64")
    return pixels.transpose(2, 0, 1)
