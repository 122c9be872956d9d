"""The official files of the data sets: fetched, checked by their digests, unpacked whole or not at all, read one by one."""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from tqdm import tqdm

from lib.errors import DataError

HINT = "or set SNN_DATA or data.root in params.yaml to where it is"
TINY_URL, TINY_MD5 = "http://cs231n.stanford.edu/tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de"
SENSOR = 128  # pixels a side of the camera that recorded CIFAR10-DVS


def verify(name: str, path: Path, md5: str, remedy: str) -> None:
    """Raises DataError, with both digests, unless the file is there and has this md5."""
    from torchvision.datasets.utils import calculate_md5

    if not path.is_file():
        raise DataError(f"{name}: {path} is missing (expected md5 {md5}); {remedy}")
    if (found := calculate_md5(path)) != md5:
        raise DataError(f"{name}: {path} is corrupted or half-downloaded: md5 {found}, expected {md5}; {remedy}")


def fetch(url: str, path: Path, md5: str) -> None:
    """Downloads an official file to `path`, with a progress bar, unless it is there; goes on from what an earlier try has left.

    raises: OSError if the connection fails or breaks off (try again), RuntimeError if what is there is not the official file
    """
    from torchvision.datasets.utils import calculate_md5

    if path.exists():
        if calculate_md5(path) != md5:
            raise RuntimeError(f"{path} is not the official file")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.part")
    try:
        append(url, beside)
    except HTTPError as error:
        if error.code != 416:  # 416: all of it is there already
            raise
    if (found := calculate_md5(beside)) != md5:
        beside.unlink()
        raise RuntimeError(f"{url} is not the official file: md5 {found}, expected {md5}")
    beside.rename(path)


def append(url: str, beside: Path) -> None:
    """Adds to `beside` what it lacks of the file at `url`. raises: OSError"""
    have = beside.stat().st_size if beside.exists() else 0
    request = Request(url, headers={"User-Agent": "Mozilla/5.0"} | ({"Range": f"bytes={have}-"} if have else {}))
    with urlopen(request, timeout=60) as answer:
        have = have if answer.status == 206 else 0  # 206: the server sends the rest alone
        whole = have + (answer.length or 0)  # a server may not say how long it is
        bar = tqdm(desc=beside.stem, initial=have, total=whole, unit="B", unit_scale=True)
        with open(beside, "ab" if have else "wb") as file, bar:
            while block := answer.read(1 << 20):
                bar.update(file.write(block))
    if (size := beside.stat().st_size) < whole:
        raise OSError(f"{url} broke off after {size} of {whole} bytes; try again, it goes on from there")


def absent(name: str, folder: Path, error: Exception, archives: Iterable[tuple[Path, str]]) -> DataError:
    """What to say of data that were not found and not downloaded; archives: path and md5 of each; a broken one is named."""
    for archive, md5 in archives:
        if archive.exists():
            try:
                verify(name, archive, md5, "remove it and try again")
            except DataError as broken:
                return broken
    reason = " ".join(str(error).split())
    return DataError(
        f"{name}: not found under {folder.parent} and not downloaded ({reason}); "
        f"put the official folder {folder.name} there, {HINT}"
    )


@contextmanager
def whole_folder(folder: Path):
    """Yields a path beside `folder` to make it at; moved into place if nothing failed, removed otherwise."""
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        yield beside
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a .zip or .tar.gz that holds `folder`, whole or not at all; nothing lands outside it.

    raises: OSError, zipfile.BadZipFile, or tarfile.TarError for links and paths that lead out of it
    """
    with whole_folder(folder) as beside:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                file.extractall(beside / "all")  # leaves out every .. and leading /, and makes no links
        else:
            with tarfile.open(archive) as file:
                file.extractall(beside / "all", filter="data")
        for entry in (beside / "all" / folder.name).iterdir():
            entry.rename(beside / entry.name)
        shutil.rmtree(beside / "all")


def fetch_tiny(folder: Path) -> None:
    """Downloads Tiny-ImageNet's official archive, if it is not there whole, and unpacks it. raises: DataError"""
    archive = folder.with_name(f"{folder.name}.zip")
    try:
        fetch(TINY_URL, archive, TINY_MD5)
        unpack(archive, folder)
    except (OSError, RuntimeError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise absent("tiny-imagenet", folder, error, [(archive, TINY_MD5)]) from error


def jpeg(path: Path) -> np.ndarray:
    """One 64x64 image, grey ones as RGB: uint8 [3, 64, 64]. raises: DataError that names the file"""
    from PIL import Image

    try:
        pixels = np.asarray(Image.open(path).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        reason = str(error).replace(str(path), "it")
        raise DataError(f"tiny-imagenet: {path} cannot be read as a JPEG ({reason}); put the official file there") from error
    if pixels.shape != (64, 64, 3):
        raise DataError(f"tiny-imagenet: {path} has {pixels.shape[1]}x{pixels.shape[0]} pixels; official images have 64x64")
    return pixels.transpose(2, 0, 1)


def make_recordings(root: Path) -> None:
    """Makes root/events_np/<class>/*.npz of CIFAR10-DVS by SpikingJelly, from root/extract/<class>/*.aedat if it is there,
    else from root/download/*.zip, downloaded as far as they are not there (a later try goes on from there).

    SpikingJelly's own attempt leaves a marker behind when it fails, and refuses every later one; here each folder is
    moved into place when it is whole. raises: DataError
    """
    from spikingjelly.datasets.cifar10_dvs import CIFAR10DVS

    download, extract = root / "download", root / "extract"
    official = CIFAR10DVS.resource_url_md5()
    if not extract.is_dir():
        try:
            for file, url, md5 in official:
                fetch(url, download / file, md5)
        except (OSError, RuntimeError) as error:
            raise absent("cifar10-dvs", root / "events_np", error, ((download / f, md5) for f, _, md5 in official)) from error
        with whole_folder(extract) as beside:
            beside.mkdir()
            CIFAR10DVS.extract_downloaded_files(download, beside)
    with whole_folder(root / "events_np") as beside:
        beside.mkdir(parents=True)
        try:
            CIFAR10DVS.create_raw_from_extracted(extract, beside)
        except (OSError, ValueError) as error:
            raise broken_aedat(extract, error) from error


def broken_aedat(extract: Path, error: Exception) -> DataError:
    """Names the file that SpikingJelly could not convert: its own message does not."""
    from spikingjelly.datasets.cifar10_dvs import _load_origin_data

    for path in sorted(extract.glob("*/*")):
        try:
            _load_origin_data(path)
        except (OSError, ValueError):
            return DataError(f"cifar10-dvs: {path} is cut short or no AEDAT file ({error}); remove {extract} and try again")
    return DataError(f"cifar10-dvs: {extract} cannot be converted ({error}); remove it and try again")


def recording(path: Path, frames: int) -> dict[str, np.ndarray]:
    """t, x, y, p of one CIFAR10-DVS recording, as SpikingJelly keeps them. raises: DataError that names the file"""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in "txyp"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"cifar10-dvs: {path} is cut short or no event file ({error}); remove it and put it there whole"
        ) from error
    sizes = {len(values) for values in found.values()}
    if len(sizes) != 1 or min(sizes) < frames:
        raise DataError(
            f"cifar10-dvs: {path} holds {min(sizes)} whole events; {frames} frames need as many; put it there whole"
        )
    if any(found[axis].min() < 0 or found[axis].max() >= SENSOR for axis in "xy"):
        raise DataError(f"cifar10-dvs: {path} has events outside {SENSOR}x{SENSOR} pixels; put the official file there")
    return found
