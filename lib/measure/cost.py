"""What a network costs: synaptic operations, energy, FLOPs.

Counting rule: an input that counts events (spikes, sums of spikes, pooled or averaged spikes with the
constant folded into the weights) costs one AC per event and per surviving synapse it reaches; any other input
costs MACs, one per surviving synapse. A static first layer is counted once a sample, and also times T in a
column of its own. Padding reaches no synapse.
"""

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lib import models
from lib.measure.choosing import choices_of
from lib.measure.evaluate import predict
from lib.measure.synapses import inputs_of, products_of, reached, synapses_left
from lib.models import SpikingNet, known
from lib.pruning import current_masks

# 45 nm, 32-bit floating point (Horowitz, ISSCC 2014); no memory access, no neuron updates
PJ_PER_MAC = 4.6
PJ_PER_AC = 0.9


def synops(net: SpikingNet, batch: Tensor) -> dict:
    """Synaptic operations a sample, by the counting rule above; on a trained net and on fixed images only.

    batch: [N, C, H, W] static images or [T, N, C, H, W] frames
    returns: {'ac', 'mac', 'mac_x_T', 'layers': {layer: {'ac', 'mac', 'mac_x_T'}}}; masks are honoured
    layers: with the products of attention, and `selector.choice.N` where tokens are chosen by the stream
    raises: ConfigError for a network that is none of this study's;
    ValueError if an input that should count events holds anything but whole events
    """
    known(net)
    with inputs_of(net) as inputs, products_of(net) as products, choices_of(net) as choices:
        predict(net, batch)
    masks = current_masks(net)
    layers = {}
    n = batch.shape[-4]
    still = net.before_neurons()
    for edge in net.edges():
        x = torch.cat(inputs[edge.module])  # a row for each image, and step, and token: [rows, ...]
        there = synapses_left(net, edge, masks)
        # before the neurons [T, N, ...]; [1, N, ...] where all T are the same and ran once
        steps = x.unflatten(0, (-1, n))
        if edge.unit is None:
            every = reached(net, edge, torch.ones_like(x), there) / n
            static = edge.module in still and torch.equal(steps, steps[:1].expand_as(steps))
            once = every / len(steps) if static else every
            times = net.T if static else 1
            layers[edge.makes or edge.module] = {"ac": 0.0, "mac": once, "mac_x_T": once * times}
        else:
            events = x.double().abs() / edge.unit
            repeats = net.T // len(steps) if edge.module in still else 1
            # relative, too: a sum in float32 may be large
            if not torch.allclose(events, events.round(), rtol=1e-6, atol=1e-4):
                raise ValueError(f"layer {edge.module}: its input is not made of whole events of {edge.unit}")
            ac = repeats * reached(net, edge, events.round(), there) / n
            layers[edge.makes or edge.module] = {"ac": ac, "mac": 0.0, "mac_x_T": 0.0}
    for name, ac in products.items():
        layers[name] = {"ac": ac / n, "mac": 0.0, "mac_x_T": 0.0}
    for name, (ac, mac) in choices.items():
        layers[name] = {"ac": ac / n, "mac": mac / n, "mac_x_T": mac / n}
    return {
        **{key: sum(one[key] for one in layers.values()) for key in ("ac", "mac", "mac_x_T")},
        "layers": layers,
    }


def energy(net: SpikingNet, batch: Tensor) -> float:
    """Picojoules a sample: 0.9 an AC, 4.6 a MAC (45 nm). Leaves out memory access and neuron updates."""
    return picojoules(synops(net, batch))


def picojoules(ops: dict) -> float:
    """Energy of counted operations, as `synops` returns them."""
    return PJ_PER_AC * ops["ac"] + PJ_PER_MAC * ops["mac"]


@torch.no_grad()
def flops(net: SpikingNet, batch: Tensor) -> float:
    """Multiply-accumulates a sample of all layers and products as if every input were a number, at each of T
    steps: what papers on spiking transformers print as FLOPs.
    It knows no sparsity, of spikes or of weights."""
    fast = known(net).fast
    net.use(fast.model_copy(update={"static_once": False}))
    try:
        with FlopCounterMode(display=False) as counter:
            predict(net, batch)
    finally:
        net.use(fast)
    return counter.get_total_flops() / 2 / batch.shape[-4]


def training_flops(trained) -> float:
    """Floating-point operations of all epochs of a dense `lib.training.Run` at their time steps: two a
    multiply-accumulate, three passes an image (one forward, two backward), the first layer once an image."""
    net = models.build(**{**trained.net.spec, "T": 1})
    macs = flops(net, torch.zeros(1, *net.in_shape))
    first = net.get_submodule(net.edges()[0].module).weight.numel() * net.in_shape[1] * net.in_shape[2]
    images = len(trained.splits.train[0])
    computed = [trained.task.units_at(epoch + 1) for epoch in trained.recipe_epochs]
    steps = [T if units == "spiking" else 1 for units, T in computed]  # of a convolution's input
    return sum(6 * images * (first + T * (macs - first)) for T in steps)
