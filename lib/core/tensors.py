"""Tensors in files: the same ones give the same bytes, and reading executes nothing."""

import io
import sys
import zipfile
from pathlib import Path

import torch

from lib.core.files import atomic_write


def save_tensors(state: dict, path: Path) -> None:
    """Numbers, names and tensors; the same ones give the same bytes. raises: WriteError"""
    # torch's own writer hides why a disk refuses, and writes the name of the file into it
    made = io.BytesIO()
    torch.save(interned(state), made)
    with atomic_write(path) as beside:
        beside.write_bytes(made.getbuffer())


def interned(value):
    """The same, each string once: pickle writes a string anew for each object that equals it, and what a
    resumed run has read is another object than what it adds."""
    if isinstance(value, str):
        return sys.intern(value)
    if type(value) is dict:
        return {interned(key): interned(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(interned, value))
    return value


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
