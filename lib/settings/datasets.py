"""One record a data set: what every part of the study must know of it. `lib.data.datasets` has its reader."""

from typing import NamedTuple


class DataSet(NamedTuple):
    """shape: (C, H, W) of an image, or of one frame of a recording

    reader: the function of `lib.data.datasets` that makes arrays of its raw files
    published: what the papers call it; "" if none uses it
    training: (images of the smallest class, all images), validation images included;
    None: they differ from copy to copy
    frames: of a recording, unless data.frames says otherwise; None: still images
    simulated: its events are simulated from images
    """

    shape: tuple[int, int, int]
    classes: int
    reader: str
    published: str = ""
    training: tuple[int, int] | None = None
    frames: int | None = None
    simulated: bool = False

    @property
    def events(self) -> bool:
        return self.frames is not None


DATASETS = {
    "digits": DataSet((1, 8, 8), 10, "digits", training=(127, 1438)),
    "cifar10": DataSet((3, 32, 32), 10, "cifar10", "CIFAR-10", (5000, 50000)),
    "cifar100": DataSet((3, 32, 32), 100, "cifar100", "CIFAR-100", (500, 50000)),
    "tiny-imagenet": DataSet((3, 64, 64), 200, "tiny_imagenet", "Tiny-ImageNet"),
    "cifar10-dvs": DataSet((2, 64, 64), 10, "cifar10_dvs", "DVS-CIFAR10", frames=20),
    "cifar10-dvs-t10": DataSet((2, 64, 64), 10, "cifar10_dvs", "DVS-CIFAR10", frames=10),
    "cifar10-dvs-sim": DataSet((2, 48, 48), 10, "cifar10_dvs_sim", "", (5000, 50000), 20, True),
    "digits-dvs-sim": DataSet((2, 16, 16), 10, "digits_dvs_sim", "", (127, 1438), 4, True),
}


def shown(name: str) -> str:
    """A data set as a reader is told of it: simulated events are said to be simulated."""
    record = DATASETS[name]
    return record.published or name + (" (simulated events)" if record.simulated else "")
