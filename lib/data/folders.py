"""Folders of files, one a class: what is in them, and the images among it."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lib.core.errors import DataError
from lib.data.download import seen

LEFT_OUT = ("Thumbs.db", "desktop.ini")  # and whatever is hidden: what systems put beside files
GREY = ("1", "L", "LA", "La")  # PIL's modes
DEEP = ("I", "F")  # as their names begin: 16 or 32 bits a channel


def reason(error: Exception, path: Path | None = None) -> str:
    """What went wrong, on one line; `path`, which the line names already, is 'it'."""
    said = str(error) if path is None else str(error).replace(str(path), "it")
    return " ".join(said.split()) or type(error).__name__


def listed(part: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """The names of the classes of a folder, in order, and its files, each with the number of its class, in
    the order of torchvision's `DatasetFolder`.

    raises: DataError if there is no class, one is empty, or a file lies in none
    """
    from torchvision.datasets import DatasetFolder

    def taken(path) -> bool:
        names = Path(path).relative_to(part).parts
        return not any(name.startswith(".") or name in LEFT_OUT for name in names)

    inside = sorted(filter(taken, part.iterdir()))
    names = [one.name for one in inside if one.is_dir()]
    if not names:
        raise DataError(f"{part} has no class: it holds {seen(part)}; give it one folder a class")
    if loose := [one for one in inside if not one.is_dir()]:
        raise DataError(f"{loose[0]} lies in no class; put it into a folder of {part}, or take it out")
    numbers = {name: label for label, name in enumerate(names)}
    files = DatasetFolder.make_dataset(str(part), numbers, is_valid_file=taken, allow_empty=True)
    if empty := sorted(set(numbers.values()) - {label for _, label in files}):
        one = part / names[empty[0]]
        raise DataError(f"{one} holds no file; put files of that class there, or take the folder out")
    return names, [(Path(file), label) for file, label in files]


def kind(path: Path, files: list[Path]) -> str:
    """'images' or 'event frames', whichever all `files` of a folder are by their suffixes.
    raises: DataError"""
    from PIL import Image

    readable = {suffix for suffix, name in Image.registered_extensions().items() if name in formats()}
    kinds = dict.fromkeys(readable, "images") | {".npz": "event frames"}
    first = {}
    for file in files:
        if file.suffix.lower() not in kinds:
            advice = "neither an image that PIL reads nor an .npz; convert it, or take it out"
            raise DataError(f"{file} is by its suffix {advice}")
        first.setdefault(kinds[file.suffix.lower()], file)
    if len(first) > 1:
        both = " and ".join(f"{what} ({file})" for what, file in first.items())
        raise DataError(f"{path} holds {both}; give a folder of one kind")
    return next(iter(first))


def formats() -> list[str]:
    """What PIL reads by itself: for EPS it would run Ghostscript."""
    from PIL import Image

    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]


@contextmanager
def opened(path: Path):
    """An image, closed afterwards. raises: DataError if it cannot be read, now or while it is open"""
    from PIL import Image

    try:
        with Image.open(path, formats=formats()) as image:
            yield image
    except DataError:
        raise
    except Exception as error:  # of a broken file, each of PIL's readers raises other kinds
        why = reason(error, path)
        raise DataError(f"{path} cannot be read as an image ({why}); mend it, or take it out") from error


def mode(files: list[Path], size: tuple[int, int] | None) -> str:
    """'L' if all images are grey, else 'RGB'. Their heads alone are read, with a progress bar.

    raises: DataError if one is of more than 8 bits a channel, or several in a file, or if they differ in size
    and no `size` is given
    """
    modes = set()
    first = None
    for file in tqdm(files, "sizes of images", unit="file"):
        with opened(file) as image:
            found = image.mode
            sides = "x".join(map(str, image.size))
            several = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a photo, a preview
        if found.startswith(DEEP):
            raise DataError(f"{file} has pixels of mode {found}; give images of 8 bits a channel")
        if several > 1:
            raise DataError(f"{file} holds {several} images; give one a file")
        first = first or sides
        if size is None and sides != first:
            raise DataError(f"{file} has {sides} pixels, {files[0]} has {first} (width x height); give size")
        modes.add(found)
    return "L" if modes <= set(GREY) else "RGB"


def pixels(path: Path, mode: str, size: tuple[int, int] | None) -> np.ndarray:
    """One image: uint8 [1, H, W] in mode 'L', [3, H, W] in mode 'RGB'; resized if `size` (H, W) is given.
    raises: DataError if it cannot be read"""
    from PIL import Image

    with opened(path) as image:
        found = image.convert(mode)
        if size is not None:
            found = found.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.atleast_3d(np.asarray(found)).transpose(2, 0, 1)
