"""ER and ERK densities are solved exactly, layers capped at 1;
masks hold exactly as many weights as asked."""

import math

import pytest
import torch

from lib.pruning.sparse_init import DENSITY, layer_counts, layer_densities, sparse_masks, total_count

SHAPES = {
    "first": (16, 3, 3, 3),
    "middle": (64, 16, 3, 3),
    "wide": (256, 64, 3, 3),
    "hidden": (128, 1024),
    "head": (10, 128),
}
DENSITIES = [1e-5, 0.001, 0.05, 0.1, 0.31640625, 0.5, 0.9, 1.0]


def weights(shapes):
    return {name: math.prod(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("rule", DENSITY)
def test_the_mean_density_is_the_one_asked_for_and_no_layer_exceeds_1(rule, density):
    found, size = layer_densities(SHAPES, density, rule), weights(SHAPES)
    assert sum(found[name] * size[name] for name in SHAPES) == pytest.approx(
        density * sum(size.values()), rel=1e-12
    )
    assert all(0 < part <= 1 for part in found.values())
    free = [name for name in SHAPES if found[name] < 1]
    scales = [found[name] / DENSITY[rule](SHAPES[name]) for name in free]
    assert scales == pytest.approx(scales[:1] * len(free), rel=1e-12)  # one factor for all that are not dense
    assert all(
        scales[0] * DENSITY[rule](SHAPES[name]) >= 1 - 1e-12 for name in SHAPES if free and found[name] == 1
    )


def test_erk_and_er_by_hand():
    shapes = {"conv": (8, 4, 3, 3), "linear": (10, 20)}
    erk = layer_densities(shapes, 0.2, "erk")
    assert erk["conv"] / erk["linear"] == pytest.approx((18 / 288) / (30 / 200))
    er = layer_densities(shapes, 0.2, "er")
    assert er["conv"] / er["linear"] == pytest.approx((12 / 32) / (30 / 200))


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("rule", DENSITY)
def test_masks_hold_exactly_as_many_weights_as_asked(rule, density):
    masks = sparse_masks(SHAPES, density, rule, torch.Generator().manual_seed(0))
    counts = layer_counts(SHAPES, density, rule)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == counts
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == SHAPES
    every = sum(weights(SHAPES).values())
    assert sum(counts.values()) == max(total_count(density, every), len(SHAPES))
    exact = layer_densities(SHAPES, density, rule)
    assert density < 0.001 or all(
        abs(counts[name] - exact[name] * size) <= 1 for name, size in weights(SHAPES).items()
    )


def test_the_positions_follow_the_generator():
    first, again, other = (
        sparse_masks(SHAPES, 0.5, "erk", torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in SHAPES)
    assert not torch.equal(first["wide"], other["wide"])


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1])
def test_a_density_out_of_range_is_refused(density):
    with pytest.raises(ValueError, match=f"density {density}: allowed is more than 0 and at most 1"):
        layer_densities(SHAPES, density, "erk")
