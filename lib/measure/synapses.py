"""The synapses of each layer: which of its weights are left, and what reaches them while the network runs."""

from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn

from lib.models import Edge, SpikingNet
from lib.models.spikformer import Product
from lib.pruning import kept_entries


def synapses_left(net: SpikingNet, edge: Edge, masks: dict[str, Tensor]) -> Tensor:
    """Bool, of the shape of the layer's weight: True where both channels are kept and the weight is not 0."""
    weight = net.get_submodule(edge.module).weight
    kept = kept_entries(weight, (edge.makes, edge.reads) + (None,) * (weight.dim() - 2), masks)
    return kept & (weight != 0)


def reached(net: SpikingNet, edge: Edge, events: Tensor, there: Tensor) -> float:
    """Events times the synapses that each reaches, summed. events: [N, ...] as the layer's input;
    there: bool, the synapses"""
    module = net.get_submodule(edge.module)
    if not isinstance(module, nn.Conv2d):
        return F.linear(events.double(), there.double().sum(0, keepdim=True)).sum().item()
    # one output stands for all of its group
    of_group = there.double().unflatten(0, (module.groups, -1)).sum(1)
    geometry = (module.stride, module.padding, module.dilation, module.groups)
    return F.conv2d(events.double(), of_group, None, *geometry).sum().item()


@contextmanager
def one_step(net: SpikingNet):
    """The network with T = 1: then a layer meets each of its positions once an image."""
    T = net.T
    net.run_for(1)
    try:
        yield
    finally:
        net.run_for(T)


@contextmanager
def inputs_of(net: SpikingNet):
    """{module of each edge: its inputs, one a call, time and batch merged [T*N, ...]} while the net runs."""
    seen = {edge.module: [] for edge in net.edges()}

    def keep(name, dims):
        def hook(module, args):
            x = args[0].detach()
            seen[name].append(x.flatten(0, x.dim() - dims - 1))

        return hook

    hooks = []
    for name in seen:
        module = net.get_submodule(name)
        hooks.append(module.register_forward_pre_hook(keep(name, 3 if isinstance(module, nn.Conv2d) else 1)))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def products_of(net: SpikingNet):
    """{each product of two activations: pairs of events that meet in it} while the net runs. Both sides count
    events, so each pair is one AC, as many times as there are events in it."""
    met = {name: 0.0 for name, module in net.named_modules() if isinstance(module, Product)}

    def keep(name):
        def hook(module, args, out):
            met[name] += out.detach().double().sum().item()

        return hook

    hooks = [net.get_submodule(name).register_forward_hook(keep(name)) for name in met]
    try:
        yield met
    finally:
        for hook in hooks:
            hook.remove()
