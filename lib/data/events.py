"""Event streams: simulated from still images, and recorded ones; both end as frames that count events.

A simulated stream is made the way CIFAR10-DVS was recorded: an image moves along a closed smooth path before
a sensor that reports each crossing of a contrast threshold of log intensity. It is always called *simulated*:
it stands in where no recording can be had. An event is (t, x, y, p): time, column, row, polarity (1:
brighter, 0: darker). Frames hold counts in whole numbers, never normalised, so that a network's first layer
costs one operation an event and synapse.
"""

import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.core.errors import DataError
from lib.data import download

DARK = 0.05  # light of a black pixel, as a share of white: so that the logarithm of black is finite
DARKER, BRIGHTER = 0, 1
SENSOR = 128  # pixels a side of the camera that recorded CIFAR10-DVS
BLUE, ORANGE = np.array([0.0, 0.45, 0.70]), np.array([0.90, 0.45, 0.0])


def closed_path(steps: int, amplitude: float) -> Tensor:
    """Displacement (x, y) in pixels before and after each of `steps` steps of a closed figure of eight:
    [steps + 1, 2]."""
    phase = torch.linspace(0, 2 * math.pi, steps + 1)
    phase[-1] = 0  # the same place as at the start, to the last bit
    return amplitude * torch.stack([phase.sin(), (2 * phase).sin() / 2], dim=1)


def shifted(images: Tensor, displacement: Tensor, size: int) -> Tensor:
    """Images [N, 1, H, W] drawn at size x size pixels and displaced by (x, y) of these pixels, bilinear,
    edges continued."""
    grid = torch.linspace(-1 + 1 / size, 1 - 1 / size, size)
    rows, columns = torch.meshgrid(
        grid - 2 * displacement[1] / size, grid - 2 * displacement[0] / size, indexing="ij"
    )
    where = torch.stack([columns, rows], dim=-1).expand(len(images), size, size, 2)
    return F.grid_sample(images, where, mode="bilinear", padding_mode="border", align_corners=False)


@torch.no_grad()
def simulate(
    images: Tensor, size: int, steps: int, generator: torch.Generator, amplitude: float = 3.0, **sensor
) -> Tensor:
    """Events a pixel, polarity and step: uint8 [N, steps, 2, size, size].

    images: [N, C, H, W] in [0, 1], colours are averaged; size: pixels a side of the sensor;
    steps: time steps of one loop
    amplitude: of the path, in sensor pixels; sensor: threshold, refractory and noise, as `sense` takes them
    """
    bright = images.mean(1, keepdim=True)
    light = (shifted(bright, place, size)[:, 0] for place in closed_path(steps, amplitude))
    return torch.stack(list(sense(light, generator, **sensor)), dim=1)


def sense(
    light: Iterable[Tensor],
    generator: torch.Generator,
    threshold: float = 0.15,
    refractory: int = 0,
    noise: float = 0.0,
) -> Iterable[Tensor]:
    """What the sensor reports at each moment after the first: uint8 [N, 2, H, W], at most 255 events each.

    light: intensities [N, H, W] in [0, 1], moment by moment; threshold: of one event, in log intensity, > 0
    refractory: steps for which a pixel is silent after an event, its level following the light meanwhile; a
    pixel then reports one event a step at most
    noise: probability of a spurious event a pixel, polarity and step, in [0, 1); a silent pixel has none
    raises: ValueError if threshold <= 0 or noise is not in [0, 1)
    """
    if threshold <= 0 or not 0 <= noise < 1:
        raise ValueError(f"threshold {threshold} must be > 0 and noise {noise} in [0, 1)")
    light = iter(light)
    level = (next(light) + DARK).log()
    resting = torch.zeros_like(level, dtype=torch.int16)  # steps for which a pixel stays silent
    for intensity in light:
        seen = (intensity + DARK).log()
        crossed = ((seen - level) / threshold).trunc()
        if refractory:
            crossed = crossed.clamp(-1, 1).masked_fill(resting > 0, 0)
            level = torch.where((resting > 0) | (crossed != 0), seen, level)
        else:
            level = level + crossed * threshold
        events = torch.stack([-crossed, crossed], dim=1).clamp(0, 255).to(torch.uint8)  # DARKER, BRIGHTER
        if noise:
            spurious = torch.rand(events.shape, generator=generator) < noise
            if refractory:  # at most one event a pixel, none while it rests
                spurious &= (events.sum(1, keepdim=True) == 0) & (resting == 0)[:, None]
                spurious[:, DARKER] &= ~spurious[:, BRIGHTER]
            events += spurious.to(torch.uint8)
        if refractory:
            resting = torch.where(events.sum(1) > 0, refractory, (resting - 1).clamp(min=0))
        yield events


def frames(events: Tensor, T: int) -> Tensor:
    """Counts over T equal spans of time, at most 255: [N, steps, 2, H, W] -> uint8 [N, T, 2, H, W].

    raises: ValueError unless steps is a multiple of T
    """
    n, steps, *rest = events.shape
    if steps % T:
        raise ValueError(f"{steps} steps do not divide into T = {T} frames; take a multiple")
    return events.view(n, T, steps // T, *rest).sum(2, dtype=torch.int32).clamp(max=255).to(torch.uint8)


def stream(events: Tensor) -> dict[str, np.ndarray]:
    """The events of one recording, [steps, 2, H, W], as t, x, y, p in order of time,
    as event files hold them."""
    counts = events.numpy()
    t, p, y, x = np.nonzero(counts)
    times = counts[t, p, y, x]
    return {name: np.repeat(values, times) for name, values in (("t", t), ("x", x), ("y", y), ("p", p))}


def make_recordings(root: Path) -> None:
    """Makes root/events_np/<class>/*.npz of CIFAR10-DVS by SpikingJelly, from root/extract/<class>/*.aedat if
    it is there, else from root/download/*.zip, downloaded as far as they are not there (a later try goes on
    from there).

    SpikingJelly's own attempt leaves a marker behind when it fails, and refuses every later one; here each
    folder is moved into place when it is whole. raises: DataError
    """
    from spikingjelly.datasets.cifar10_dvs import CIFAR10DVS

    archives = root / "download"
    extract = root / "extract"
    official = CIFAR10DVS.resource_url_md5()
    if not extract.is_dir():
        try:
            for file, url, md5 in official:
                download.fetch(url, archives / file, md5)
        except (OSError, RuntimeError) as error:
            raise download.absent(
                "cifar10-dvs", root / "events_np", error, ((archives / f, md5) for f, _, md5 in official)
            ) from error
        with download.whole_folder(extract) as beside:
            beside.mkdir()
            CIFAR10DVS.extract_downloaded_files(archives, beside)
    with download.whole_folder(root / "events_np") as beside:
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
            return DataError(
                f"cifar10-dvs: {path} is cut short or no AEDAT file ({error}); remove {extract} and try again"
            )
    return DataError(f"cifar10-dvs: {extract} cannot be converted ({error}); remove it and try again")


def recording(path: Path, frames: int) -> dict[str, np.ndarray]:
    """t, x, y, p of one CIFAR10-DVS recording, as SpikingJelly keeps them.
    raises: DataError that names the file"""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in "txyp"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"cifar10-dvs: {path} is cut short or no event file ({error}); remove it and put it there whole"
        ) from error
    sizes = {values.shape for values in found.values()}
    if len(sizes) != 1 or len(found["t"].shape) != 1 or len(found["t"]) < frames:
        least = min(values.size for values in found.values())
        need = f"{frames} frames need as many"
        raise DataError(f"cifar10-dvs: {path} holds {least} whole events; {need}; put it there whole")
    # written so that what is no number is outside, too
    if not all(found[axis].min() >= 0 and found[axis].max() < SENSOR for axis in "xy"):
        raise DataError(
            f"cifar10-dvs: {path} has events outside {SENSOR}x{SENSOR} pixels; put the official file there"
        )
    if not np.isin(found["p"], (0, 1)).all() or np.isnan(found["t"]).any():
        raise DataError(
            f"cifar10-dvs: {path}: every p must be 0 or 1, every t a number; put the official file there"
        )
    return found


def by_number(recording: dict[str, np.ndarray], T: int, size: int, sensor: int) -> np.ndarray:
    """Counts over T spans of equally many events (the last takes the rest), as SpikingJelly's reader makes
    them, but of events sorted by time, and on a size x size grid of equal squares of sensor pixels.

    Returns uint8 [T, 2, size, size], at most 255.

    recording: t, x, y, p of one recording; sensor: its pixels a side
    raises: ValueError unless `size` divides `sensor`: some cells would count the events of more pixels than
    others
    """
    from spikingjelly.datasets.utils import integrate_events_by_fixed_frames_number

    if sensor % size:
        raise ValueError(f"size: {size}: {sensor} sensor pixels do not divide evenly; take a divisor")
    in_time = np.argsort(recording["t"], kind="stable")
    smaller = {name: values[in_time] for name, values in recording.items()}
    smaller |= {axis: smaller[axis].astype(np.int64) // (sensor // size) for axis in "xy"}
    counts = integrate_events_by_fixed_frames_number(smaller, "number", T, size, size)
    return counts.clip(max=255).astype(np.uint8)


def picture(counts: np.ndarray) -> np.ndarray:
    """Counts [..., 2, H, W] as colours [..., H, W, 3] in [0, 1] on white:
    orange brighter, blue darker, deeper the more."""
    darker, brighter = (1 - np.exp(counts[..., p, :, :, None] / -3) for p in (DARKER, BRIGHTER))
    return np.clip(1 - darker * (1 - BLUE) - brighter * (1 - ORANGE), 0, 1)
