"""Removal made real: a physically smaller network with the same outputs, and its optimiser's state."""

from copy import deepcopy

import torch
from torch import Tensor
from torch.optim import Optimizer

from lib import models
from lib.models import SpikingNet
from lib.pruning.masks import Masks, check, kept_entries


def take(tensor: Tensor, axes: tuple[str | None, ...], masks: Masks) -> Tensor:
    """The entries of `tensor` whose channels are kept; axes as in `SpikingNet.channel_dims`."""
    for dim, site in enumerate(axes):
        if site is not None:
            kept = masks[site].repeat_interleave(tensor.shape[dim] // len(masks[site]))
            tensor = tensor.index_select(dim, kept.nonzero().flatten().to(tensor.device))
    return tensor.clone()


@torch.no_grad()
def compact(net: SpikingNet, masks: Masks) -> SpikingNet:
    """A new network that holds only the kept channels; logits equal those of the masked `net` to rounding.

    Exact because a masked channel sends no spike, so the weights that read it never count (SCA, A28).
    masks: {site: bool [C]}; raises ValueError as `masks.check`.
    Precision, device, step mode and train/eval mode are kept.
    """
    check(net, masks)
    reference = next(net.parameters())
    widths = {name: int(mask.sum()) for name, mask in masks.items()}
    small = models.build(**{**net.spec, "widths": widths}).to(reference.device, reference.dtype)
    axes = net.channel_dims()
    small.load_state_dict(
        {name: take(tensor, axes[name], masks) for name, tensor in net.state_dict().items()}
    )
    for site in small.sites.values():
        site.mask.fill_(True)
    return small.train(net.training).set_step_mode(net.step_mode).use(net.fast)


@torch.no_grad()
def expand(small: SpikingNet, net: SpikingNet, masks: Masks) -> None:
    """Writes every tensor of `small` back to where `compact` took it from;
    what was masked keeps its values."""
    axes = net.channel_dims()
    targets = net.state_dict()  # it shares its memory with the net
    for name, tensor in small.state_dict().items():
        if not name.endswith(".mask"):
            put(tensor, axes[name], masks, targets[name])


def put(tensor: Tensor, axes: tuple[str | None, ...], masks: Masks, target: Tensor) -> Tensor:
    """The inverse of `take`: sets the kept entries of `target` in place, and returns it."""
    target[kept_entries(target, axes, masks).expand_as(target)] = tensor.flatten()
    return target


def compact_optimizer(optimizer: Optimizer, net: SpikingNet, small: SpikingNet, masks: Masks) -> Optimizer:
    """An optimiser of the same kind for `small`, with the kept entries of each state tensor (momentum,
    moments).

    optimizer: made over `net.parameters()`, in any groups
    """
    return _moved(
        optimizer, net, small, lambda key, value, axes, like: take(value, axes, masks), net.channel_dims()
    )


def expand_optimizer(optimizer: Optimizer, small: SpikingNet, net: SpikingNet, masks: Masks) -> Optimizer:
    """The inverse: an optimiser for `net`, whose state is `at_rest` where `small` has no entry."""

    def back(key, value, axes, like):
        return at_rest(key, put(value, axes, masks, torch.zeros_like(like)), kept_entries(like, axes, masks))

    return _moved(optimizer, small, net, back, net.channel_dims())


def at_rest(key: str, value: Tensor, kept: Tensor) -> Tensor:
    """The state `key` of an optimiser where what is not kept stands still:
    no momentum, the others' mean second moment.

    Adam's entries share one step count. It would take a second moment of 0 for the mean of all those steps,
    and late in training the first steps of what is regrown would be 3 to 6 times as long.
    kept: bool, broadcastable to `value`
    """
    if not key.endswith("exp_avg_sq"):
        return value * kept
    kept = kept.expand_as(value)
    return torch.where(kept, value, value[kept].mean())


def _moved(optimizer: Optimizer, old: SpikingNet, new: SpikingNet, move, axes) -> Optimizer:
    twins = dict(zip(old.parameters(), new.parameters(), strict=True))
    groups = [{**group, "params": [twins[p] for p in group["params"]]} for group in optimizer.param_groups]
    moved = type(optimizer)(groups, lr=groups[0]["lr"])
    for (name, before), after in zip(old.named_parameters(), new.parameters(), strict=True):
        for key, value in optimizer.state.get(before, {}).items():
            shaped = isinstance(value, Tensor) and value.shape == before.shape
            moved.state[after][key] = (
                move(key, value, axes[name], after.detach()) if shaped else deepcopy(value)
            )
    return moved
