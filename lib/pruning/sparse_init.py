"""Sparse from scratch: how many weights each layer starts with, and which (methods B6)."""

import math

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]

DENSITY = {  # a layer's density is proportional to this; a convolution's shape is (out, in, k_h, k_w)
    "uniform": lambda shape: 1.0,
    "er": lambda shape: (shape[0] + shape[1]) / (shape[0] * shape[1]),  # Erdos-Renyi (SET, 2018)
    # with the kernel's sides, for convolutions (RigL, 2020)
    "erk": lambda shape: sum(shape) / math.prod(shape),
}


def layer_densities(shapes: Shapes, density: float, rule: str) -> dict[str, float]:
    """{layer: density in (0, 1]} whose mean over all weights is `density`.

    A layer that the rule would give more than all its weights is dense, and the others share what is left.
    raises: ValueError if density lies outside (0, 1]
    """
    if not 0 < density <= 1:
        raise ValueError(f"density {density}: allowed is more than 0 and at most 1")
    size = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: DENSITY[rule](shape) for name, shape in shapes.items()}
    full: set[str] = set()
    while True:
        free = [name for name in shapes if name not in full]
        if not free:
            return dict.fromkeys(shapes, 1.0)
        left = density * sum(size.values()) - sum(size[name] for name in full)
        scale = left / sum(raw[name] * size[name] for name in free)
        over = {name for name in free if scale * raw[name] > 1}
        if not over:
            return {name: 1.0 if name in full else scale * raw[name] for name in shapes}
        full |= over


def layer_counts(shapes: Shapes, density: float, rule: str) -> dict[str, int]:
    """Whole weights of each layer, at least 1, `total_count` in all (or as many as there are layers); the
    largest fractions are rounded up, and what the least of 1 takes is taken from the largest layers."""
    share = {
        name: part * math.prod(shapes[name]) for name, part in layer_densities(shapes, density, rule).items()
    }
    count = {name: max(1, int(part)) for name, part in share.items()}
    missing = total_count(density, sum(map(math.prod, shapes.values()))) - sum(count.values())
    not_full = [name for name in count if count[name] < math.prod(shapes[name])]
    for name in sorted(not_full, key=lambda n: count[n] - share[n])[: max(0, missing)]:
        count[name] += 1
    for _ in range(-missing):
        largest = max(count, key=count.get)
        count[largest] = max(1, count[largest] - 1)
    return count


def total_count(density: float, weights: int) -> int:
    """Weights that `density` of them are: the nearest whole number, at least 1."""
    return max(1, round(density * weights))


def sparse_masks(shapes: Shapes, density: float, rule: str, generator: torch.Generator) -> dict[str, Tensor]:
    """{layer: bool [*shape]}, the positions drawn evenly within each layer."""
    masks = {}
    for name, count in layer_counts(shapes, density, rule).items():
        order = torch.randperm(math.prod(shapes[name]), generator=generator)
        masks[name] = (order < count).view(shapes[name])
    return masks
