"""Channel masks, {site: bool [C]} with True = kept: exact counts, floors,
and what they mean for each tensor."""

import logging

import torch
from torch import Tensor

from lib.models import SpikingNet, known

log = logging.getLogger(__name__)
Masks = dict[str, Tensor]


def prunable_channels(net: SpikingNet) -> dict[str, int]:
    """{site: number of channels}, in network order."""
    return {name: len(site.mask) for name, site in known(net).sites.items()}


def check(net: SpikingNet, masks: Masks) -> None:
    """Raises ValueError unless `masks` has one bool mask of the right length, with a channel left,
    for every site."""
    channels = prunable_channels(net)
    if set(masks) != set(channels):
        wrong = sorted(set(masks) ^ set(channels))
        raise ValueError(f"masks: {', '.join(wrong)} missing or unknown; the sites are {', '.join(channels)}")
    for name, mask in masks.items():
        if not isinstance(mask, Tensor):
            expected = f"a torch.bool tensor of shape [{channels[name]}]"
            raise ValueError(f"mask of {name}: {type(mask).__name__}; expected {expected}")
        if mask.dtype != torch.bool or mask.shape != (channels[name],):
            found = f"{mask.dtype} of shape {list(mask.shape)}"
            raise ValueError(f"mask of {name}: {found}; expected torch.bool of shape [{channels[name]}]")
        if not mask.any():
            advice = "keep at least one, a layer without channels passes nothing on"
            raise ValueError(f"mask of {name}: no channel is kept; {advice}")


def apply_channel_masks(net: SpikingNet, masks: Masks) -> None:
    """Masks the net in place: from now on a masked channel's spikes are multiplied by 0.
    Raises as `check`."""
    check(net, masks)
    for name, site in net.sites.items():
        site.mask.copy_(masks[name])
        site.state = "masked"


@torch.no_grad()
def zero_channels(net: SpikingNet, masks: Masks) -> None:
    """Soft mode: filter, BN scale and shift of masked channels become exactly 0 (A19, A20).
    Nothing keeps them there."""
    for site in net.sites.values():
        site.state = "open"
        site.bn.weight.mul_(masks[site.name])
        site.bn.bias.mul_(masks[site.name])
    for edge in net.edges():
        if edge.makes:
            net.get_submodule(edge.module).weight.mul_(masks[edge.makes][:, None, None, None])


def current_masks(net: SpikingNet) -> Masks:
    return {name: site.mask.clone() for name, site in net.sites.items()}


def kept_count(ratio: float, channels: int) -> int:
    """Channels kept when `ratio` in [0, 1) of them goes: floor((1 - ratio) * channels), at least 1."""
    return max(1, int((1 - ratio) * channels + 1e-9))


def some(sites: dict) -> None:
    """Raises ValueError where there is nothing to choose from."""
    if not sites:
        raise ValueError(
            "the network has no channels that can be removed; of one that was adopted, `left_whole` says why"
        )


def keep_top(scores: dict[str, Tensor], count: int, floor: int = 0) -> Masks:
    """The `count` best channels of one ranking over all sites, at least `floor` in each;
    ties go to the earlier channel.

    scores: {site: [C]}; the number kept is exactly max(count, what the floors ask)
    """
    some(scores)
    # differs from the paper: exactly `count` channels and a floor a layer;
    # published: all above the score of that rank
    flat = torch.cat(list(scores.values())).double()
    order = torch.argsort(flat, descending=True, stable=True)
    kept = torch.zeros(len(flat), dtype=torch.bool, device=flat.device)
    start = 0
    for score in scores.values():
        best = torch.argsort(score.double(), descending=True, stable=True)[:floor]
        kept[start + best] = True
        start += len(score)
    free = order[~kept[order]][: max(0, count - int(kept.sum()))]
    kept[free] = True
    masks = dict(zip(scores, kept.split([len(s) for s in scores.values()]), strict=True))
    unbound = torch.zeros_like(kept)
    unbound[order[: int(kept.sum())]] = True
    if not torch.equal(unbound, kept):
        free_choice = unbound.split([len(s) for s in scores.values()])
        lifted = [
            name
            for name, mask in zip(scores, free_choice, strict=True)
            if int(mask.sum()) < int(masks[name].sum())
        ]
        log.info("the floor of %d channels binds in %s", floor, ", ".join(lifted) or "no layer")
    return masks


def uniform_random(channels: dict[str, int], ratio: float, floor: int, generator: torch.Generator) -> Masks:
    """One random mask a layer, the same share of each (SCA's baseline), at least `floor` channels.

    The number kept is exactly max(`kept_count` of all channels, what the floors ask); fractions of a channel
    go to the layers with the largest remainders, and what the floors add is taken from the others.
    """
    some(channels)
    total = kept_count(ratio, sum(channels.values()))
    count = _spread(channels, total, floor)
    lifted = [name for name, without in _spread(channels, total, 0).items() if count[name] > without]
    if lifted:
        log.info("the floor of %d channels binds in %s", floor, ", ".join(lifted))
    return {name: torch.randperm(size, generator=generator) < count[name] for name, size in channels.items()}


def _spread(channels: dict[str, int], total: int, floor: int) -> dict[str, int]:
    """`total` over the layers in proportion to their sizes, one channel at a time to whoever lacks or exceeds
    most."""
    share = {name: total * size / sum(channels.values()) for name, size in channels.items()}
    count = {name: max(int(part), min(floor, channels[name])) for name, part in share.items()}
    while sum(count.values()) < total:
        count[max((n for n in count if count[n] < channels[n]), key=lambda n: share[n] - count[n])] += 1
    while sum(count.values()) > total and any(kept > floor for kept in count.values()):
        count[max((n for n in count if count[n] > floor), key=lambda n: count[n] - share[n])] -= 1
    return count


def kept_entries(tensor: Tensor, axes: tuple[str | None, ...], masks: Masks) -> Tensor:
    """Bool, broadcastable to `tensor`: True where every channel that the entry belongs to is kept."""
    kept = torch.ones((1,) * tensor.dim(), dtype=torch.bool, device=tensor.device)
    for dim, site in enumerate(axes):
        if site is not None:
            mask = masks[site].to(tensor.device)
            mask = mask.repeat_interleave(tensor.shape[dim] // len(mask))
            kept = kept & mask.view([-1 if d == dim else 1 for d in range(tensor.dim())])
    return kept
