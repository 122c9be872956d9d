"""A network on images in eval mode: its logits, accuracy, and how far two networks are apart."""

from itertools import islice

import torch
from torch import Tensor

from lib import models
from lib.models import SpikingNet


@torch.no_grad()
def accuracy(net: SpikingNet, x: Tensor, y: Tensor, batch: int = 500) -> float:
    """Share of images classified right, in [0, 1], in eval mode."""
    return count_correct(net, x, y, batch=batch) / len(y)


@torch.no_grad()
def count_correct(
    net: SpikingNet, x: Tensor, y: Tensor, first: int = 0, every: int = 1, batch: int = 500
) -> int:
    """Images classified right, in eval mode, of batch number `first` and each `every`-th after it."""
    taken = islice(zip(x.split(batch), y.split(batch), strict=True), first, None, every)
    return sum((predict(net, a).argmax(1).to(b.device) == b).sum().item() for a, b in taken)


@torch.no_grad()
def predict(net: SpikingNet, batch: Tensor) -> Tensor:
    """Logits in eval mode; the net's mode is put back."""
    training = net.training
    logits = net.eval()(batch)
    net.train(training)
    return logits


def max_logit_diff(net: SpikingNet, small: SpikingNet, batch: Tensor) -> float:
    """Largest difference between two networks' logits in float64, where rounding flips no spike."""
    logits = []
    for one in (net, small):
        torch.manual_seed(0)  # the same random tokens for both, if any are drawn
        logits.append(predict(models.clone(one, torch.float64), batch.double()))
    return (logits[0] - logits[1]).abs().max().item()
