"""How many synapses a channel has: what its removal saves."""

import torch
from torch import nn

from lib.models import SpikingNet


def prices(net: SpikingNet, power: float) -> dict[str, float]:
    """{site: what scores of its channels are divided by}: their synapses to this power, 1 at power 0."""
    if power == 0:
        return dict.fromkeys(net.sites, 1.0)
    return {name: synapses**power for name, synapses in synapses_a_channel(net).items()}


@torch.no_grad()
def synapses_a_channel(net: SpikingNet) -> dict[str, float]:
    """{site: multiply-accumulates a time step that go when one of its channels, and no other, is removed}:
    those of its filter and, in layers that read it, those of its inputs, at every position of their maps,
    padding included."""
    found = dict.fromkeys(net.sites, 0.0)
    positions = positions_of(net)
    for edge in net.edges():
        synapses = net.get_submodule(edge.module).weight.numel() * positions[edge.module]
        for site in filter(None, (edge.makes, edge.reads)):
            found[site] += synapses / len(net.sites[site].mask)
    return found


def positions_of(net: SpikingNet) -> dict[str, int]:
    """{module of each edge: places at which it is computed in an image}"""
    found = {}

    def keep(name):
        def hook(module, _, out):
            map_ = out.shape[-2:] if isinstance(module, nn.Conv2d) else out.shape[2:-1]
            found[name] = map_.numel()

        return hook

    modules = [edge.module for edge in net.edges()]
    hooks = [net.get_submodule(name).register_forward_hook(keep(name)) for name in modules]
    training = net.training
    try:
        net.eval()(torch.zeros(1, *net.in_shape, dtype=next(net.parameters()).dtype))
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return found
