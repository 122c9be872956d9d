"""Files that are whole or not there."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from lib.core.errors import WriteError

ROOT = Path(__file__).resolve().parent.parent.parent  # of the repository


@contextmanager
def atomic_write(path: Path):
    """Yields a path beside `path` to write to; moved into place if nothing failed, removed otherwise:
    no half file, ever.

    raises: WriteError, in a line, if the disk is full or the folder is not to be written to
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*.part"):
            if not psutil.pid_exists(int(left.suffixes[-2][1:])):  # its process was killed
                left.unlink(missing_ok=True)
        yield beside
        os.replace(beside, path)
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(
            f"{path} cannot be written: {reason}; what was there is left; mend that and run again"
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Written beside and moved into place: a stopped run leaves the old file whole. raises: WriteError"""
    with atomic_write(path) as beside:
        beside.write_text(text)
