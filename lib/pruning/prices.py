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
    those of its filter and, in layers that read it, those of its inputs, at every position of their maps."""
    positions = {}

    def keep(name):
        def hook(module, _, out):
            map_ = out.shape[-2:] if isinstance(module, nn.Conv2d) else out.shape[2:-1]
            positions[name] = map_.numel()

        return hook

    edges = net.edges()
    hooks = [net.get_submodule(edge.module).register_forward_hook(keep(edge.module)) for edge in edges]
    training = net.training
    net.eval()(torch.zeros(1, *net.in_shape, dtype=next(net.parameters()).dtype))
    net.train(training)
    for hook in hooks:
        hook.remove()
    found = dict.fromkeys(net.sites, 0.0)
    for edge in edges:
        synapses = net.get_submodule(edge.module).weight.numel() * positions[edge.module]
        for site in filter(None, (edge.makes, edge.reads)):
            found[site] += synapses / len(net.sites[site].mask)
    return found
