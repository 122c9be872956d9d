"""Which removed channels come back: one function, one criterion. Larger = regrow first.
`none` regrows nothing."""

import torch
from torch import Tensor

from lib.models import Site


def bn_grad(site: Site, generator: torch.Generator) -> Tensor:
    """|dL / dgamma| of the batch normalisation: how much the loss would move if the channel spoke (SCA,
    A18)."""
    return site.bn.weight.grad.abs()


def random(site: Site, generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1)."""
    return torch.rand(len(site.mask), generator=generator).to(site.bn.weight)


GROWTH = {"bn_grad": bn_grad, "random": random, "none": None}
