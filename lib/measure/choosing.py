"""What it costs to choose which tokens go on, beside the layers of a selector,
which are counted like all others.

A choice reads the stream, which holds whole numbers of events. In a sum of them, or a sum with constant
weights, an event costs an AC for each result that it reaches; the square of such a sum costs a MAC. What
there is one of for each token (a root, a maximum, a rank, a random number) is counted nowhere, and neither
are a predictor's GELU and softmax.
"""

from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.models import SpikingNet


def by_attention(net: SpikingNet, number: int, x: Tensor) -> tuple[float, float]:
    """Sums over columns of the attention in the block before, of pairs of events that met; and a token's
    rate, which decides between equal sums."""
    return net.blocks[number - 1].attention.columns.double().sum().item() + x.sum().item(), 0.0


def by_information(net: SpikingNet, number: int, x: Tensor) -> tuple[float, float]:
    """Of `lib.models.tokens.information`: an event reaches the deviation of each token of its 3x3
    neighbourhood, and the change from the step before and that to the step after. Each of them is squared."""
    around = torch.ones(1, 1, 3, 3, dtype=x.dtype, device=x.device)
    deviations = F.conv2d(x.sum((0, 1, 3)).view(1, 1, *net.side), around, padding=1).sum()
    changes = x[1:].sum() + x[:-1].sum()
    return (deviations + changes).item(), float(x.numel() + x[1:].numel())


# rule -> what it costs, the first block it chooses for
COUNTS = {"attention": (by_attention, 1), "skip": (by_information, 0)}


@contextmanager
def choices_of(net: SpikingNet):
    """{choice, named by its block: [AC, MAC] of all images} while the net runs, where a rule reads the
    stream."""
    made = {}
    selector = getattr(net, "selector", None)
    count, first = COUNTS.get(getattr(selector, "rule", None), (None, 0))

    def hook(_, args):
        number, _, x, _ = args
        if number >= first:
            before = made.get(f"selector.choice.{number}", [0.0, 0.0])
            cost = count(net, number, x.detach().double())
            made[f"selector.choice.{number}"] = [old + new for old, new in zip(before, cost, strict=True)]

    handles = [] if count is None else [selector.register_forward_pre_hook(hook)]
    try:
        yield made
    finally:
        for handle in handles:
            handle.remove()
