"""What is left of a network: parameters, connectivity by both definitions, single weights."""

from operator import truediv

import torch

from lib.measure.evaluate import predict
from lib.measure.synapses import inputs_of, one_step, reached, synapses_left
from lib.models import SpikingNet, known
from lib.models.spikformer import KINDS
from lib.pruning import current_masks, kept_entries


def parameters(net: SpikingNet, dense: SpikingNet, removes: str | None = None) -> dict[str, float | None]:
    """Parameters left in `net` (masked or compact) and what share of `dense` that is, by both definitions.

    removes: what the method may remove (`lib.pruning.Pruner.removes`)
    total: all parameters left; prunable: those that the method may remove; kept: how many of these are left
    connectivity_*: parameters (weights counted once); synapses_*: weights counted once per output position
    where they are used; *_prunable over the prunable ones, None if there are none; *_all over all
    """
    left = count_parameters(net)
    full = count_parameters(dense, whole=True)
    wired = count_synapses(net)
    fully = count_synapses(dense, whole=True)
    found = dict.fromkeys(("prunable", "kept", "connectivity_prunable", "synapses_prunable"))
    if removes is not None:
        # whose weights of its token selector may go, too (C14)
        origin = dense if removes == "channels" else net
        before = count_parameters(origin, whole=True)[removes]
        wires = count_synapses(origin, whole=True)[removes]
        found = {
            "prunable": before,
            "kept": left[removes],
            "connectivity_prunable": left[removes] / before if before else None,
            "synapses_prunable": wired[removes] / wires if wires else None,
        }
    return {
        "total": left["all"],
        "connectivity_all": left["all"] / full["all"],
        "synapses_all": wired["all"] / fully["all"],
        **found,
    }


def count_parameters(net: SpikingNet, whole: bool = False) -> dict[str, int]:
    """{'all', 'channels', 'weights'}: parameters whose channels are all kept, where a convolution's or linear
    layer's weight of 0 is none; those of them that belong to a prunable channel; those that are such weights.

    whole: as if nothing were removed; a weight that was drawn as 0 is one
    """
    axes = known(net).channel_dims()
    masks = current_masks(net)
    weights = {id(weight) for weight in net.weights().values()}
    left = {}
    for name, p in net.named_parameters():
        there = kept_entries(p, axes[name], masks) & (p != 0 if id(p) in weights else True)
        left[name] = p.numel() if whole else int(there.expand_as(p).sum())
    return {
        "all": sum(left.values()),
        "channels": sum(n for name, n in left.items() if any(axes[name])),
        "weights": sum(left[name] for name, p in net.named_parameters() if id(p) in weights),
    }


def count_synapses(net: SpikingNet, whole: bool = False) -> dict[str, int]:
    """{'all', 'channels', 'weights'}: weights of convolutions and linear layers that are left, once per
    output position (token) of theirs; those of them that belong to a prunable channel; those that
    single-weight methods may remove, which is all.

    whole: as in `count_parameters`
    """
    with one_step(net), inputs_of(net) as inputs:
        predict(net, torch.zeros(1, *net.in_shape).to(next(net.parameters())))
    masks = current_masks(net)
    count = {}
    for edge in net.edges():
        weight = net.get_submodule(edge.module).weight
        there = torch.ones_like(weight, dtype=torch.bool) if whole else synapses_left(net, edge, masks)
        count[edge] = round(reached(net, edge, torch.ones_like(torch.cat(inputs[edge.module])), there))
    every = sum(count.values())
    return {
        "all": every,
        "channels": sum(n for edge, n in count.items() if edge.makes or edge.reads),
        "weights": every,
    }


def weights_left(net: SpikingNet) -> dict:
    """density: share of the weights of all convolutions and linear layers that are not 0; density_inner:
    without the first and the last layer, which some studies leave dense (B7); layers: {layer: [left, all]}"""
    layers = {name: [int(weight.count_nonzero()), weight.numel()] for name, weight in net.weights().items()}
    ends = {next(iter(layers)), "head" if "head" in layers else next(reversed(layers))}
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
