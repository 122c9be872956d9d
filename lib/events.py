"""Event streams from still images, the way CIFAR10-DVS was recorded: an image moves along a closed smooth path before a sensor
that reports each crossing of a contrast threshold. Always called *simulated*: it stands in where no recording can be had.

An event is (t, x, y, p): time step, column, row, polarity (1: brighter, 0: darker). Frames count events over equal spans.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def closed_path(steps: int, amplitude: float) -> Tensor:
    """Displacement (x, y) in pixels before and after each of `steps` steps of a closed figure of eight: [steps + 1, 2]."""
    phase = torch.linspace(0, 2 * math.pi, steps + 1)
    return amplitude * torch.stack([phase.sin(), (2 * phase).sin() / 2], dim=1)


def shifted(images: Tensor, displacement: Tensor, size: int) -> Tensor:
    """Images [N, 1, H, W] drawn at size x size pixels and displaced by (x, y) of these pixels, bilinear, edges continued."""
    grid = torch.linspace(-1 + 1 / size, 1 - 1 / size, size)
    rows, columns = torch.meshgrid(grid - 2 * displacement[1] / size, grid - 2 * displacement[0] / size, indexing="ij")
    where = torch.stack([columns, rows], dim=-1).expand(len(images), size, size, 2)
    return F.grid_sample(images, where, mode="bilinear", padding_mode="border", align_corners=False)


@torch.no_grad()
def simulate(
    images: Tensor,
    size: int,
    steps: int,
    generator: torch.Generator,
    amplitude: float = 3.0,
    threshold: float = 0.15,
    refractory: int = 0,
    noise: float = 0.0,
) -> Tensor:
    """Events a pixel, polarity and step: uint8 [N, steps, 2, size, size]; polarity 0: darker, 1: brighter.

    images: [N, C, H, W] in [0, 1], colours are averaged; size: pixels a side of the sensor; steps: time steps of one loop
    amplitude: of the path, in sensor pixels; threshold: in log intensity, > 0
    refractory: steps for which a pixel is silent after an event, its level following the light meanwhile
    noise: probability of a spurious event a pixel, polarity and step, in [0, 1)
    raises: ValueError if threshold <= 0 or noise is not in [0, 1)
    """
    if threshold <= 0 or not 0 <= noise < 1:
        raise ValueError(f"threshold {threshold} must be > 0 and noise {noise} in [0, 1)")
    bright = images.mean(1, keepdim=True)
    path = closed_path(steps, amplitude)
    level = (shifted(bright, path[0], size) + 0.05).log()[:, 0]  # 0.05: the sensor's dark level, so that black is no infinity
    events = torch.zeros(len(images), steps, 2, size, size, dtype=torch.uint8)
    resting = torch.zeros_like(level, dtype=torch.int16) if refractory else None
    for step in range(steps):
        seen = (shifted(bright, path[step + 1], size) + 0.05).log()[:, 0]
        crossed = ((seen - level) / threshold).trunc()
        if refractory:
            silent = resting > 0
            fired = torch.where(silent, 0, crossed.clamp(-1, 1))
            level = torch.where(silent | (fired != 0), seen, level)
            resting = torch.where(fired != 0, refractory, (resting - 1).clamp(min=0))
        else:
            fired = crossed
            level += crossed * threshold
        events[:, step, 1], events[:, step, 0] = fired.clamp(min=0).to(torch.uint8), (-fired).clamp(min=0).to(torch.uint8)
    if noise:
        events += (torch.rand(events.shape, generator=generator) < noise).to(torch.uint8)
    return events


def frames(events: Tensor, T: int) -> Tensor:
    """Counts over T equal spans: [N, steps, 2, H, W] -> [N, T, 2, H, W]; steps must be a multiple of T."""
    n, steps, *rest = events.shape
    if steps % T:
        raise ValueError(f"{steps} steps do not divide into T = {T} frames; take a multiple")
    return events.view(n, T, steps // T, *rest).sum(2, dtype=torch.int32).clamp(max=255).to(torch.uint8)


def stream(events: Tensor) -> dict[str, np.ndarray]:
    """The events of one recording, [steps, 2, H, W], as t, x, y, p in order of time, as event files hold them."""
    t, p, y, x = np.nonzero(events.numpy())
    counts = events.numpy()[t, p, y, x]
    return {name: np.repeat(values, counts) for name, values in (("t", t), ("x", x), ("y", y), ("p", p))}


def roll_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Augmentation of event frames, drawn for each recording: a roll by up to 5 pixels either way and a horizontal flip, the
    same for all its frames. x: [N, T, 2, H, W]"""
    n, _, _, height, width = x.shape
    down, right = torch.randint(-5, 6, (2, n), generator=generator)
    rows = (torch.arange(height) - down[:, None]) % height
    columns = (torch.arange(width) - right[:, None]) % width
    columns = torch.where(torch.rand(n, 1, generator=generator) < 0.5, columns, columns.flip(1))
    return x[torch.arange(n)[:, None, None], :, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 4, 1, 2)
