"""What a network costs: parameters, connectivity, synaptic operations, energy, firing rates.

Counting rule: an input that counts events (spikes, sums of spikes, pooled or averaged spikes with the constant folded into
the weights) costs one AC per event and per surviving synapse it reaches; any other input costs MACs, one per surviving
synapse. A static first layer is counted once a sample, and also times T in a column of its own. Padding reaches no synapse.
"""

from contextlib import contextmanager
from itertools import islice
from operator import truediv

import torch
import torch.nn.functional as F
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lib import models
from lib.models import Edge, SpikingNet
from lib.models.spikformer import KINDS, Product
from lib.pruning import activity_scores, current_masks, kept_entries, prunable_weights

PJ_PER_MAC, PJ_PER_AC = 4.6, 0.9  # 45 nm, 32-bit floating point (Horowitz, ISSCC 2014); no memory access, no neuron updates


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


def synops(net: SpikingNet, batch: Tensor) -> dict:
    """Synaptic operations a sample, by the counting rule above; on a trained net and on fixed images only.

    batch: [N, C, H, W] static images or [T, N, C, H, W] frames
    returns: {'ac', 'mac', 'mac_x_T', 'layers': {layer: {'ac', 'mac', 'mac_x_T'}}}; masks are honoured
    raises: ValueError if an input that should count events holds anything but whole events
    """
    with inputs_of(net) as inputs, products_of(net) as products:
        run(net, batch)
    masks, layers, n = current_masks(net), {}, batch.shape[-4]
    for number, edge in enumerate(net.edges()):
        x = torch.cat(inputs[edge.module])  # a row for each image, and step, and token: [rows, ...]
        steps = x.unflatten(0, (-1, n))  # of the first layer [T, N, ...]; [1, N, ...] where all T are the same and ran once
        if edge.unit is None:
            every = reached(net, edge, torch.ones_like(x), masks) / n
            static = number == 0 and torch.equal(steps, steps[:1].expand_as(steps))
            once = every / len(steps) if static else every
            layers[edge.makes or edge.module] = {"ac": 0.0, "mac": once, "mac_x_T": once * (net.T if static else 1)}
        else:
            events, repeats = x.double().abs() / edge.unit, net.T // len(steps) if number == 0 else 1
            if (events - events.round()).abs().max() > 1e-4:
                raise ValueError(f"layer {edge.module}: its input is not made of whole events of {edge.unit}")
            ac = repeats * reached(net, edge, events.round(), masks) / n
            layers[edge.makes or edge.module] = {"ac": ac, "mac": 0.0, "mac_x_T": 0.0}
    for name, ac in products.items():
        layers[name] = {"ac": ac / n, "mac": 0.0, "mac_x_T": 0.0}
    return {**{key: sum(one[key] for one in layers.values()) for key in ("ac", "mac", "mac_x_T")}, "layers": layers}


def energy(net: SpikingNet, batch: Tensor) -> float:
    """Picojoules a sample: 0.9 an AC, 4.6 a MAC (45 nm). Leaves out memory access and neuron updates."""
    return picojoules(synops(net, batch))


def picojoules(ops: dict) -> float:
    """Energy of counted operations, as `synops` returns them."""
    return PJ_PER_AC * ops["ac"] + PJ_PER_MAC * ops["mac"]


def firing(net: SpikingNet, batch: Tensor) -> dict[str, Tensor]:
    """{site: [C]}: spikes a neuron and time step of each kept channel, in [0, 1]; of a network without sites, of each layer of
    neurons, named by its module."""
    nodes = {name: site.node for name, site in net.sites.items()} or {
        name.removesuffix(".node"): module for name, module in net.named_modules() if isinstance(module, BaseNode)
    }
    rates, hooks = {name: [] for name in nodes}, []
    for name, node in nodes.items():
        mean = channel_mean if net.sites or name.startswith(("stem", "position")) else token_mean
        hooks.append(node.register_forward_hook(lambda _, __, out, name=name, mean=mean: rates[name].append(mean(out))))
    run(net, batch)
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


def reached(net: SpikingNet, edge: Edge, events: Tensor, masks: dict[str, Tensor]) -> float:
    """Events times the surviving synapses that each reaches, summed. events: [N, ...] as the layer's input."""
    module = net.get_submodule(edge.module)
    kept = kept_entries(module.weight, (edge.makes, edge.reads) + (None,) * (module.weight.dim() - 2), masks)
    fan_out = (
        (kept & (module.weight != 0)).double().sum(0, keepdim=True)
    )  # one output stands for all; a weight of 0 is no synapse
    if isinstance(module, nn.Conv2d):
        return F.conv2d(events.double(), fan_out, None, module.stride, module.padding, module.dilation).sum().item()
    return F.linear(events.double(), fan_out).sum().item()


@contextmanager
def one_step(net: SpikingNet):
    """The network with T = 1: then a layer meets each of its positions once an image."""
    net.T, T = 1, net.T
    net.use(net.fast)
    try:
        yield
    finally:
        net.T = T
        net.use(net.fast)


@contextmanager
def inputs_of(net: SpikingNet):
    """{module of each edge: [its inputs, time and batch merged to [T*N, ...], call by call]} while the net runs."""
    seen = {edge.module: [] for edge in net.edges()}

    def keep(name, dims):
        def hook(module, args):
            x = args[0].detach()
            seen[name].append(x.flatten(0, x.dim() - dims - 1))

        return hook

    hooks = [
        net.get_submodule(name).register_forward_pre_hook(
            keep(name, 3 if isinstance(net.get_submodule(name), nn.Conv2d) else 1)
        )
        for name in seen
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def products_of(net: SpikingNet):
    """{each product of two activations: pairs of events that meet in it} while the net runs. Both sides count events, so each
    pair is one AC, as many times as there are events in it."""
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


@torch.no_grad()
def flops(net: SpikingNet, batch: Tensor) -> float:
    """Multiply-accumulates a sample of all layers and products as if every input were a number, at each of T steps: what papers
    on spiking transformers print as FLOPs. It knows no sparsity, of spikes or of weights."""
    fast = net.fast
    net.use(fast.model_copy(update={"static_once": False}))
    try:
        with FlopCounterMode(display=False) as counter:
            run(net, batch)
    finally:
        net.use(fast)
    return counter.get_total_flops() / 2 / batch.shape[-4]


@torch.no_grad()
def accuracy(net: SpikingNet, x: Tensor, y: Tensor, batch: int = 500) -> float:
    """Share of images classified right, in [0, 1], in eval mode."""
    return hits(net, x, y, batch=batch) / len(y)


@torch.no_grad()
def hits(net: SpikingNet, x: Tensor, y: Tensor, first: int = 0, every: int = 1, batch: int = 500) -> int:
    """Images classified right, in eval mode, of batch number `first` and each `every`-th after it."""
    taken = islice(zip(x.split(batch), y.split(batch), strict=True), first, None, every)
    return sum((run(net, a).argmax(1).to(b.device) == b).sum().item() for a, b in taken)


@torch.no_grad()
def run(net: SpikingNet, batch: Tensor) -> Tensor:
    """Logits in eval mode; the net's mode is put back."""
    training = net.training
    logits = net.eval()(batch)
    net.train(training)
    return logits


COST_IMAGES, PROOF_IMAGES, SCORE_IMAGES = 200, 50, 500  # always the first ones of their split: the same for every run


def report(trained) -> dict:
    """Everything that is reported of a `lib.train.Run` after its last epoch, read off the compact network.

    The test set is read here and nowhere else. Costs are those of its first COST_IMAGES images.
    """
    # differs from the paper: the last epoch's network under its last mask; published: the best epoch on the test images
    splits, small = trained.splits, trained.finish()
    images = splits.test[0][:COST_IMAGES]
    ops, rates = synops(small, images), {name: rate.cpu() for name, rate in firing(small, images).items()}  # drawn, too
    dense = models.build(**{**small.spec, "widths": {}, "selector": None})
    return {
        "accuracy": accuracy(small, *splits.test),
        "validation": accuracy(small, *splits.validation),
        "loss": trained.log[-1]["loss"] if trained.log else None,
        "parameters": parameters(small, dense),
        "synops": ops,
        "flops": flops(small, images[..., :1, :, :, :]),
        "energy_pj": picojoules(ops),
        "widths": {name: len(site.mask) for name, site in small.sites.items()},
        "channels": {name: len(site.mask) for name, site in dense.sites.items()},
        "firing": rates,
        "silent": torch.cat([rate == 0 for rate in rates.values()]).float().mean().item(),
        "scores": activity_scores(small, "spike_abs_v", [(splits.train[0][:SCORE_IMAGES], None)]),
        "numerics": numerics(small),
        "compact_difference": difference(trained.masked(), small, splits.test[0][:PROOF_IMAGES]),
        "updates": trained.pruner.history,
        "log": trained.log,
    }


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


def numerics(net: SpikingNet) -> dict:
    """Where and in what precision the network computes; the recipe holds its fast options, `lib.results` adds the versions."""
    weight = next(net.parameters())
    return {"device": weight.device.type, "dtype": str(weight.dtype).removeprefix("torch.")}


def difference(net: SpikingNet, small: SpikingNet, batch: Tensor) -> float:
    """Largest difference between two networks' logits in float64, where rounding flips no spike."""
    logits = []
    for one in (net, small):
        torch.manual_seed(0)  # the same random tokens for both, if any are drawn
        logits.append(run(models.clone(one, torch.float64), batch.double()))
    return (logits[0] - logits[1]).abs().max().item()
