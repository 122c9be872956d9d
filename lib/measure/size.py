"""What is left of a network: parameters, connectivity by both definitions, single weights."""

from operator import truediv

import torch

from lib.measure.evaluate import run
from lib.measure.synapses import inputs_of, one_step, reached
from lib.models import SpikingNet
from lib.models.spikformer import KINDS
from lib.pruning import current_masks, kept_entries, prunable_weights


def parameters(net: SpikingNet, dense: SpikingNet) -> dict[str, float]:
    """Parameters left in `net` (masked or compact) and what share of `dense` that is, by both definitions.

    total: all parameters left; prunable: those of `dense` that belong to a prunable channel; kept: how many of these are left
    connectivity_*: parameters (weights counted once); synapses_*: weights counted once per output position where they are
    used; *_prunable over the prunable ones, *_all over all
    """
    left, full = count_parameters(net), count_parameters(dense)
    wired, fully = count_synapses(net), count_synapses(dense)
    return {
        "total": left["all"],
        "prunable": full["prunable"],
        "kept": left["prunable"],
        "connectivity_prunable": share(left["prunable"], full["prunable"]),
        "connectivity_all": left["all"] / full["all"],
        "synapses_prunable": share(wired["prunable"], fully["prunable"]),
        "synapses_all": wired["all"] / fully["all"],
    }


def share(left: int, every: int) -> float:
    """What is left of nothing (a network without prunable channels) is all of it."""
    return left / every if every else 1.0


def count_parameters(net: SpikingNet) -> dict[str, int]:
    """{'all', 'prunable'}: parameters whose channels are all kept; a convolution's or linear layer's weight of 0 is none."""
    axes, masks, wired = net.axes(), current_masks(net), {id(weight) for weight in prunable_weights(net).values()}
    left = {
        name: int((kept_entries(p, axes[name], masks) & (p != 0 if id(p) in wired else True)).expand_as(p).sum())
        for name, p in net.named_parameters()
    }
    return {"all": sum(left.values()), "prunable": sum(n for name, n in left.items() if any(axes[name]))}


def count_synapses(net: SpikingNet) -> dict[str, int]:
    """{'all', 'prunable'}: surviving weights of convolutions and linear layers, once per output position (token) of theirs."""
    with one_step(net), inputs_of(net) as inputs:
        run(net, torch.zeros(1, *net.in_shape).to(next(net.parameters())))
    masks = current_masks(net)
    count = {edge: round(reached(net, edge, torch.ones_like(torch.cat(inputs[edge.module])), masks)) for edge in net.edges()}
    return {"all": sum(count.values()), "prunable": sum(n for edge, n in count.items() if edge.makes or edge.reads)}


def weights_left(net: SpikingNet) -> dict:
    """density: share of the weights of all convolutions and linear layers that are not 0; density_inner: without the first and
    the last layer, which some studies leave dense (B7); layers: {layer: [left, all]}"""
    layers = {name: [int(weight.count_nonzero()), weight.numel()] for name, weight in prunable_weights(net).items()}
    ends = {next(iter(layers)), "head"}
    inside = [counts for name, counts in layers.items() if name not in ends]
    whole, inner = (map(sum, zip(*part, strict=True)) for part in (layers.values(), inside))
    return {"density": truediv(*whole), "density_inner": truediv(*inner), "layers": layers}


def by_kind(layers: dict[str, list[int]]) -> dict[str, list[int]]:
    """{kind of layer of a transformer: [weights left, all]} from those of each layer."""
    kinds = {}
    for name, counts in layers.items():
        kind = next(KINDS[part] for part in name.split(".") if part in KINDS)
        kinds[kind] = [sum(pair) for pair in zip(kinds.get(kind, [0, 0]), counts, strict=True)]
    return kinds
