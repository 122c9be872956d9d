"""Data sets -> splits that are fixed once, kept as bytes; batches and augmentation."""

from lib.data.augmentation import AUGMENT
from lib.data.splits import (
    Images,
    Splits,
    batches,
    load,
    open_or_prepare,
    prepare,
    prepare_for,
    root_folder,
    save,
)
from lib.data.yours import yours

__all__ = [
    "AUGMENT", "Images", "Splits", "batches", "load", "open_or_prepare", "prepare", "prepare_for",
    "root_folder", "save", "yours",
]  # fmt: skip
