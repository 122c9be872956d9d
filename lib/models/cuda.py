"""One layer on a GPU, as `lib.models.fused` computes it, in kernels written by hand (`lib.models.tiles`):
there the compiler takes a minute in each process, and these take seconds."""

import torch
import triton
from torch import Tensor

from lib.models.tiles import backward_kernel, forward_kernel, statistics_kernel, through_bn_kernel

ROWS = 32  # of a tile
CHANNELS = 32
UNITS = {"relu": 0, "rate": 1, "spiking": 2}


def statistics(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance [C] of rows [n, C], about the first row."""
    n, channels = z.shape
    sums = z.new_empty(2, triton.cdiv(n, ROWS), channels, dtype=torch.float32)
    statistics_kernel[tiles(n, channels)](z, sums[0], sums[1], n, channels, ROWS, CHANNELS)
    off, square = sums.sum(1) / n
    return z[0].float() + off, (square - off.square()).clamp(min=0)


def forward(z: Tensor, scale: Tensor, shift: Tensor, T: int, tau, units: str, pool: bool, watched: bool):
    """z: [T or 1, N, H, W, C] -> spikes [T, N, H, W, C] of z's type, halved in H and W by pooling, the place
    of each maximum in its window (None without pooling), and H of every step, if it is watched."""
    steps, n, height, width, channels = z.shape
    T = 1 if units == "relu" else T
    outside = (n, height // 2, width // 2, channels) if pool else (n, height, width, channels)
    out = z.new_empty(T if units == "spiking" else 1, *outside)
    place = torch.empty_like(out) if pool else None
    h = z.new_empty(T, *z.shape[1:], dtype=torch.float32) if watched else None
    rows = out[0, ..., 0].numel()
    forward_kernel[tiles(rows, channels)](
        *(z, scale, shift, out, place, h, rows, channels, width, z[0].numel(), out[0].numel()),
        *(T, steps > 1, UNITS[units], pool, watched, tau or 0.0, ROWS, CHANNELS),
    )
    return out, place, h


def backward(grad, place, z, mean: Tensor, scale: Tensor, shift: Tensor, T: int, tau, units: str):
    """dL/dX, summed over T where z is the same at each step, as z's shape and type; and its sums [C], alone
    and times z - mean."""
    steps, _, _, width, channels = z.shape
    T = 1 if units == "relu" else T
    found = torch.empty_like(z)
    rows = grad[0, ..., 0].numel()
    sums = z.new_empty(2, triton.cdiv(rows, ROWS), channels, dtype=torch.float32)
    backward_kernel[tiles(rows, channels)](
        *(grad, place, z, mean, scale, shift, found, sums[0], sums[1]),
        *(rows, channels, width, z[0].numel(), grad[0].numel()),
        *(T, steps > 1, UNITS[units], place is not None, tau or 0.0, ROWS, CHANNELS),
    )
    return found, *sums.sum(1)


def through_bn(grad: Tensor, z: Tensor, mean: Tensor, along: Tensor, off: Tensor, down: Tensor) -> Tensor:
    """dL/dz = dL/dX along + (z - mean) off + down, the four [C]."""
    out = torch.empty_like(z)
    channels = z.shape[-1]
    rows = z.numel() // channels
    through_bn_kernel[tiles(rows, channels)](
        grad, z, mean, along, off, down, out, rows, channels, ROWS, CHANNELS
    )
    return out


def neurons(x: Tensor, tau: float | None, watched: bool) -> tuple[Tensor, Tensor | None]:
    """Spikes of inputs [T, ...] in any order of memory, and H if it is watched."""
    whole = x.new_ones(x.shape[-1], dtype=torch.float32), x.new_zeros(x.shape[-1], dtype=torch.float32)
    spikes, _, h = forward(as_map(x), *whole, len(x), tau, "spiking", False, watched)
    return spikes.view_as(x), None if h is None else h.view_as(x)


def neurons_backward(grad: Tensor, x: Tensor, tau: float | None) -> Tensor:
    ones = x.new_ones(x.shape[-1], dtype=torch.float32)
    zeros = torch.zeros_like(ones)
    found, *_ = backward(as_map(grad), None, as_map(x), zeros, ones, zeros, len(x), tau, "spiking")
    return found.view_as(x)


def as_map(x: Tensor) -> Tensor:
    """[T, ..., C] -> [T, 1, 1, rows, C]"""
    return x.view(len(x), 1, 1, -1, x.shape[-1])


def tiles(rows: int, channels: int) -> tuple[int, int]:
    return triton.cdiv(rows, ROWS), triton.cdiv(channels, CHANNELS)
