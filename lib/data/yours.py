"""Your own data -> splits as the study's: images or event frames in a folder a class, or an .npz."""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from lib.core.errors import DataError, shown
from lib.data import folders
from lib.data.datasets import Arrays, take
from lib.data.splits import Splits, divided, normalised
from lib.settings.base import expanded

PARTS = ("train", "test")
KEYS = ("train_x", "train_y", "test_x", "test_y")
LAYOUTS = (
    "give a folder of train/ and test/, in each one folder a class, of images or of event frames (.npz), "
    f"or an .npz of {', '.join(KEYS)}"
)
SHAPES = "uint8, images [N, C, H, W] or event counts [N, T, 2, H, W]"


def yours(path: str | Path, size=None, validation: float = 0.1, seed: int = 0) -> Splits:
    """The splits of data of your own. Validation images are held out of the training images, and images
    normalised, as the study's are.

    path: a folder of train/ and test/, each with one folder a class, all of images that PIL reads (grey if
    all are grey, else RGB; of what is transparent, the colour beneath) or all of event frames as SpikingJelly
    writes them: .npz with `frames` [T, 2, H, W]. Classes are numbered in order of their names.
    Or an .npz of train_x, test_x, uint8 [N, C, H, W] or event counts [N, T, 2, H, W], and of train_y,
    test_y [N], whole numbers 0 to K - 1. Its ~ and $VARIABLES are replaced
    size: pixels (H, W), or of both sides, that images of a folder are resized to (bilinear, stretched)
    validation: share of each class that is held out; seed: which ones
    raises: DataError, one line, for whatever is not so
    """
    size = checked(size, validation, seed)
    try:
        path = located(path)
        raw, classes = by_class(path, size) if path.is_dir() else archive(path, size)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({folders.reason(error)}); let it be read") from error
    parts = divided(raw, validation, seed, str(path), "validation", classes)
    if parts["train_x"].ndim == 4:
        refuse_constant(path, parts["train_x"])
    return normalised({name: torch.from_numpy(values) for name, values in parts.items()})


def checked(size, validation, seed) -> tuple[int, int] | None:
    """(H, W) in pixels, or None. raises: DataError if one of the three is not allowed"""
    sides = size if isinstance(size, tuple | list) else (size, size)
    if size is not None and not (len(sides) == 2 and all(whole(side, 1) for side in sides)):
        raise DataError(f"size: {shown(size)}: give (H, W) or one number, in pixels, whole and at least 1")
    if not isinstance(validation, int | float | np.number) or not 0 < validation < 1:
        raise DataError(f"validation: {shown(validation)}: give a share between 0 and 1, such as 0.1")
    if not whole(seed, 0):
        raise DataError(f"seed: {shown(seed)}: give a whole number, 0 or more")
    return None if size is None else tuple(map(int, sides))


def whole(value, least: int) -> bool:
    """Whether it is a whole number of at least so much."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least


def located(path: str | Path) -> Path:
    """The path, its ~ and $VARIABLES replaced. raises: DataError if nothing is there"""
    try:
        found = Path(expanded(str(path)))
    except ValueError as error:
        raise DataError(str(error)) from error
    if not found.exists():
        raise DataError(f"{found} is not there; {LAYOUTS}")
    return found


def refuse_constant(path: Path, x: np.ndarray) -> None:
    """Raises DataError if a channel of the training images [N, C, H, W] never changes: normalised, it would
    be divided by 0."""
    for channel in range(x.shape[1]):
        one = x[:, channel]
        if one.min() == one.max():
            said = f"channel {channel} is {one.min()} in every pixel of all training images"
            raise DataError(f"{path}: {said} and cannot be normalised; leave that channel out")


def refuse_few(path: Path, classes: int) -> None:
    """Raises DataError unless there are two classes or more."""
    if classes < 2:
        raise DataError(f"{path} has one class alone; give two or more")


# ---------------------------------------------------------------- a folder


def by_class(path: Path, size: tuple[int, int] | None) -> tuple[Arrays, list[str]]:
    """train_x, train_y, test_x, test_y of a folder, and the names of its classes. raises: DataError"""
    if not all((path / part).is_dir() for part in PARTS):
        raise DataError(f"{path} lacks train/ or test/: it holds {folders.seen(path)}; {LAYOUTS}")
    classes, train = folders.listed(path / "train")
    others, test = folders.listed(path / "test")
    for part, asked, there in (("test", classes, others), ("train", others, classes)):
        if missing := sorted(set(asked) - set(there)):
            said = f"{path / part} lacks the class {missing[0]!r}"
            raise DataError(f"{said}; give train/ and test/ the same classes")
    refuse_few(path, len(classes))
    files = [file for file, _ in (*train, *test)]
    if folders.kind(path, files) == "images":
        read = partial(folders.pixels, mode=folders.mode(files, size), size=size)
    elif size is None:
        read = partial(frames, first=files[0], shape=frames(files[0]).shape)
    else:
        raise DataError(f"size: {size}: {path} holds event frames, which are not resized; leave size out")
    return take(path.resolve().name, train, test, None, read), classes


def frames(path: Path, first: Path | None = None, shape: tuple | None = None) -> np.ndarray:
    """The event frames of one recording: uint8 [T, 2, H, W], events a pixel, polarity and frame.

    first, shape: another recording, and what its frames are like
    raises: DataError if they are not whole counts of at most 255, or not as those of the first
    """
    found = loaded(path, ("frames",))["frames"]
    if found.ndim != 4 or found.shape[1] != 2 or found.size == 0 or found.dtype.kind not in "biuf":
        raise DataError(f"{path}: frames is {found.dtype} {list(found.shape)}; give counts [T, 2, H, W]")
    with np.errstate(invalid="ignore"):  # what is no number, or too large, is found just below
        counts = found.astype(np.uint8)
    if not np.array_equal(counts, found):
        advice = "give whole counts of 0 to 255: integrate into more frames, or clip them"
        raise DataError(f"{path}: frames holds {between(found)}; {advice}")
    if shape is not None and found.shape != shape:
        both = f"frames {list(found.shape)}, {first} has {list(shape)}"
        raise DataError(f"{path} has {both}; give all recordings as many frames of the same size")
    return counts


# ---------------------------------------------------------------- an .npz


def archive(path: Path, size: tuple[int, int] | None) -> tuple[Arrays, None]:
    """train_x, train_y, test_x, test_y of an .npz, and no names of classes. raises: DataError"""
    if path.suffix.lower() != ".npz":
        raise DataError(f"{path} is neither a folder nor an .npz; {LAYOUTS}")
    if size is not None:
        raise DataError(f"size: {size}: {path} is an .npz, whose images are not resized; leave size out")
    arrays = loaded(path, KEYS)
    for part in PARTS:
        refuse_images(f"{path}: {part}_x", arrays[f"{part}_x"])
        refuse_labels(f"{path}: {part}_y", arrays[f"{part}_y"], len(arrays[f"{part}_x"]))
    one, other = (list(arrays[f"{part}_x"].shape[1:]) for part in PARTS)
    if one != other:
        raise DataError(f"{path}: train_x holds images of {one}, test_x of {other}; give both the same")
    refuse_classes(path, *(np.unique(arrays[f"{part}_y"]) for part in PARTS))
    return arrays | {key: arrays[key].astype(np.int64) for key in ("train_y", "test_y")}, None


def loaded(path: Path, keys: tuple[str, ...]) -> Arrays:
    """The arrays of an .npz; nothing in it is executed. raises: DataError if it is damaged, or has other
    keys"""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = file.files
            arrays = {key: file[key] for key in keys if key in names}
    except Exception as error:  # of a broken file, zipfile, zlib and NumPy raise a dozen kinds
        why = folders.reason(error, path)
        raise DataError(f"{path} is damaged or no .npz ({why}); write it anew, or take it out") from error
    if set(names) != set(keys):
        raise DataError(f"{path} holds {shown(names)}; it must hold {', '.join(keys)} and nothing else")
    return arrays


def between(x: np.ndarray) -> str:
    """0 to 0.7 of float64"""
    return f"{x.min():g} to {x.max():g} of {x.dtype}"


def refuse_images(where: str, x: np.ndarray) -> None:
    """Raises DataError unless they are uint8 [N, C, H, W], or [N, T, 2, H, W]."""
    if x.dtype != np.uint8:
        held = between(x) if x.dtype.kind in "iuf" and x.size else str(x.dtype)
        shares = x.dtype.kind == "f" and x.size and x.min() >= 0 and x.max() <= 1
        advice = ": of shares of 1, (255 * x).round().astype(np.uint8)" if shares else ""
        raise DataError(f"{where} holds {held}; give {SHAPES}{advice}")
    if 0 in x.shape or not (x.ndim == 4 or x.ndim == 5 and x.shape[2] == 2):
        raise DataError(f"{where} is {list(x.shape)}; give {SHAPES}")
    if x.ndim == 4 and x.shape[3] <= 4 < min(x.shape[1:3]):
        raise DataError(f"{where} is {list(x.shape)}, channels last; give x.transpose(0, 3, 1, 2)")


def refuse_labels(where: str, y: np.ndarray, images: int) -> None:
    """Raises DataError unless there is one whole number an image."""
    if y.dtype.kind not in "iu" or y.shape != (images,):
        said = f"{where} is {y.dtype} {list(y.shape)} for {images} images"
        raise DataError(f"{said}; give one whole number an image, its class")


def refuse_classes(path: Path, train: np.ndarray, test: np.ndarray) -> None:
    """Raises DataError unless the labels that occur in train_y and in test_y are 0 to K - 1, K of 2 or
    more."""
    K = len(train)
    if not np.array_equal(train, np.arange(K)):
        said = f"{path}: train_y has {K} classes, numbered {train[0]} to {train[-1]}"
        raise DataError(f"{said}; number them 0 to {K - 1}")
    if odd := sorted({*train.tolist()} ^ {*test.tolist()}):
        part = "train_y" if odd[0] in train else "test_y"
        raise DataError(f"{path}: class {odd[0]} is in {part} alone; give train and test the same classes")
    refuse_few(path, K)
