"""How often the neurons of a network fire."""

import torch
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor

from lib.measure.evaluate import predict
from lib.models import SpikingNet, known


def firing(net: SpikingNet, batch: Tensor) -> dict[str, Tensor]:
    """{site: [C]}: spikes a neuron and time step of each kept channel, in [0, 1]; of a network without sites,
    of each layer of neurons, named by its module."""
    nodes = {name: site.node for name, site in known(net).sites.items()} or {
        name.removesuffix(".node"): module
        for name, module in net.named_modules()
        if isinstance(module, BaseNode)
    }
    rates = {name: [] for name in nodes}
    hooks = []
    for name, node in nodes.items():
        mean = channel_mean if net.sites or name.startswith(("stem", "position")) else token_mean
        hooks.append(
            node.register_forward_hook(lambda _, __, out, name=name, mean=mean: rates[name].append(mean(out)))
        )
    predict(net, batch)
    for hook in hooks:
        hook.remove()
    found = {name: torch.stack(rate).mean(0) for name, rate in rates.items()}
    return {name: site.own(found[name])[site.mask] for name, site in net.sites.items()} or found


def channel_mean(x: Tensor) -> Tensor:
    """[..., C, H, W] -> [C]"""
    return x.mean([d for d in range(x.dim()) if d != x.dim() - 3])


def token_mean(x: Tensor) -> Tensor:
    """[..., L, D] -> [D]"""
    return x.flatten(0, -2).mean(0)
