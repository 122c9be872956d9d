"""Removal made real: a physically smaller network with the same outputs, and its optimiser's state."""

from copy import deepcopy

import torch
from torch import Tensor

from lib import models
from lib.models import SpikingNet
from lib.pruning.masks import Masks, check


def take(tensor: Tensor, axes: tuple[str | None, ...], masks: Masks) -> Tensor:
    """The entries of `tensor` whose channels are kept; axes as in `SpikingNet.axes`."""
    for dim, site in enumerate(axes):
        if site is not None:
            kept = masks[site].repeat_interleave(tensor.shape[dim] // len(masks[site]))
            tensor = tensor.index_select(dim, kept.nonzero().flatten().to(tensor.device))
    return tensor.clone()


@torch.no_grad()
def compact(net: SpikingNet, masks: Masks) -> SpikingNet:
    """A new network that holds only the kept channels; logits equal those of the masked `net` to rounding.

    Exact because a masked channel sends no spike, so the weights that read it never count (SCA, A28).
    masks: {site: bool [C]}; raises ValueError as `masks.check`. Precision, device, step mode and train/eval mode are kept.
    """
    check(net, masks)
    reference = next(net.parameters())
    widths = {name: int(mask.sum()) for name, mask in masks.items()}
    small = models.build(**{**net.spec, "widths": widths}).to(reference.device, reference.dtype)
    axes = net.axes()
    small.load_state_dict({name: take(tensor, axes[name], masks) for name, tensor in net.state_dict().items()})
    for site in small.sites.values():
        site.mask.fill_(True)
    return small.train(net.training).set_step_mode(net.step_mode)


def compact_optimizer(
    optimizer: torch.optim.Optimizer, net: SpikingNet, small: SpikingNet, masks: Masks
) -> torch.optim.Optimizer:
    """An optimiser of the same kind for `small`, with the kept entries of each state tensor (momentum, moments).

    optimizer: made over `net.parameters()`, one parameter group
    """
    [group] = optimizer.param_groups
    moved = type(optimizer)(small.parameters(), lr=group["lr"])
    moved.param_groups[0].update({key: value for key, value in group.items() if key != "params"})
    axes = net.axes()
    for (name, old), new in zip(net.named_parameters(), small.parameters(), strict=True):
        for key, value in optimizer.state.get(old, {}).items():
            sliced = isinstance(value, Tensor) and value.shape == old.shape
            moved.state[new][key] = take(value, axes[name], masks) if sliced else deepcopy(value)
    return moved
