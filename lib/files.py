"""Files that are whole or not there."""

import io
import os
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch

from lib.errors import WriteError


@contextmanager
def whole(path: Path):
    """Yields a path beside `path` to write to; moved into place if nothing failed, removed otherwise: no half file, ever.

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
        raise WriteError(f"{path} cannot be written: {reason}; what was there is left; mend that and run again") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def save_tensors(state: dict, path: Path) -> None:
    """Numbers, names and tensors; the same ones give the same bytes. raises: WriteError"""
    made = io.BytesIO()  # torch's own writer hides why a disk refuses, and writes the name of the file into it
    torch.save(state, made)
    with whole(path) as beside:
        beside.write_bytes(made.getbuffer())


def load_tensors(path: Path, device: torch.device | str = "cpu") -> dict:
    """What `save_tensors` wrote, on a device; nothing is executed.

    raises: FileNotFoundError; ValueError if the file is damaged or of another kind
    """
    try:
        with zipfile.ZipFile(path) as file:  # torch.load itself does not look at the checksums
            damaged = file.testzip()
        if damaged is None:
            return torch.load(path, map_location=device, weights_only=True)
        reason = f"{damaged} is not what was written"
    except FileNotFoundError:
        raise
    except Exception as error:  # damage can lead anywhere
        reason = " ".join(str(error).split())[:100]
    raise ValueError(f"{path} is damaged, or no file of ours: {reason}")
