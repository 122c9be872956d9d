"""The official files of the data sets: fetched, checked by their digests, unpacked whole or not at all,
read one by one."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from lib.core.errors import DataError

HINT = "or set SNN_DATA or data.root in params.yaml to where it is"


def seen(folder: Path, most: int = 6) -> str:
    """What a folder holds, for a message: the names of its first entries."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"


def placed(root: Path, name: str, archive: str, holds: Callable[[Path], bool]) -> Path:
    """The official folder `name` in `root`, one level further down, as some tools unpack it,
    or `root` itself.

    archive: how the archive is named without its ending; holds: whether a folder looks like the official one
    """
    root = root.resolve()
    usual = root / name
    return next(filter(holds, (usual, usual / name, root / archive / name, root)), usual)


def verify(name: str, path: Path, md5: str, remedy: str) -> None:
    """Raises DataError, with both digests, unless the file is there and has this md5."""
    from torchvision.datasets.utils import calculate_md5

    if not path.is_file():
        raise DataError(f"{name}: {path} is missing (expected md5 {md5}); {remedy}")
    if (found := calculate_md5(path)) != md5:
        raise DataError(
            f"{name}: {path} is corrupted or half-downloaded: md5 {found}, expected {md5}; {remedy}"
        )


def fetch(url: str, path: Path, md5: str) -> None:
    """Downloads an official file to `path`, with a progress bar, unless it is there;
    goes on from what an earlier try has left.

    raises: OSError if the connection fails or breaks off (try again),
    RuntimeError if what is there is not the official file
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
    request = Request(
        url, headers={"User-Agent": "Mozilla/5.0"} | ({"Range": f"bytes={have}-"} if have else {})
    )
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
    """What to say of data that were not found and not downloaded; archives: path and md5 of each;
    a broken one is named."""
    for archive, md5 in archives:
        if archive.exists():
            try:
                verify(name, archive, md5, "remove it and try again")
            except DataError as broken:
                return broken
    reason = " ".join(str(error).split())
    return DataError(
        f"{name}: not found under {folder.parent} (it holds {seen(folder.parent)}) "
        f"and not downloaded ({reason}); "
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


def in_order(path: Path) -> tuple[int, str]:
    """File 2 before file 10."""
    return len(path.name), path.name


def some(folder: Path, pattern: str, name: str) -> list[Path]:
    """The files of one class, file 2 before file 10. raises: DataError if there are none"""
    found = sorted(folder.glob(pattern), key=in_order)
    if not found:
        raise DataError(
            f"{name}: a class has no images: there is no {folder}/{pattern}; put the official folder there"
        )
    return found
