"""Who has a layer's scores: tells which channels a score picks from how many it leaves each layer (Su et al.
2020; Frankle et al., Pruning Neural Networks at Initialization, ICLR 2021). One function, one rule:
(scores [C], generator) -> scores [C] with the same values."""

import torch
from torch import Tensor


def scored(scores: Tensor, generator: torch.Generator) -> Tensor:
    """Each channel its own."""
    return scores


def shuffled(scores: Tensor, generator: torch.Generator) -> Tensor:
    """Drawn at random, anew at each update."""
    return scores[torch.randperm(len(scores), generator=generator).to(scores.device)]


def inverted(scores: Tensor, generator: torch.Generator) -> Tensor:
    """The order reversed: the best of a layer goes first."""
    order = scores.argsort()
    return torch.empty_like(scores).index_copy(0, order, scores[order.flip(0)])


MEMBERS = {"scored": scored, "shuffled": shuffled, "inverted": inverted}
