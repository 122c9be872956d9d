"""A network given as a list of layers, each with what it reads: what `lib.models.adopt` makes of a user's.

From the list alone follow the sites, who reads whose channels, and what one event is worth at each layer.
"""

from functools import partial

import torch
from spikingjelly.activation_based import layer
from torch import Tensor, nn

from lib.models import kept_neurons
from lib.models.chains import INPUT, SITES, Flow, Layer, coupled, flows, with_sites
from lib.models.convolution import Conv2d
from lib.models.resnet import StreamSite, WritingSite
from lib.models.sites import Edge, Site, SpikingNet, normalised, repeated


class SpreadSite(StreamSite):
    """A site whose spikes go where all its channels are asked for, to a sum or a concatenation: those that
    are no longer there are zeros."""

    def __init__(self, name: str, channels: int, node: nn.Module, full: int):
        super().__init__(name, channels, node)
        self.full = full

    def forward(self, z: Tensor) -> Tensor:
        spikes = super().forward(z)
        if spikes.shape[-3] == self.full:
            return spikes
        everywhere = spikes.new_zeros(*spikes.shape[:-3], self.full, *spikes.shape[-2:])
        return everywhere.index_copy(-3, self.place, spikes)

    def like(self, out: Tensor) -> Tensor:
        return super().like(out)[: len(self.mask)]


class GraphWritingSite(WritingSite):
    """Post-activation, with a stream of as many steps as the site makes."""

    def forward(self, z: Tensor, stream: Tensor) -> Tensor:
        return super().forward(*same_steps(repeated(z, self.T), stream))


class GraphNet(SpikingNet):
    """spec["graph"]: the layers as `lib.models.tracing` lists them, in the order of their computation.

    left_whole: {convolution: why its channels cannot be removed}
    coupled: groups of sites whose channels meet in sums and products; each is pruned by itself, and who reads
    the sum keeps all of its inputs
    as_numbers: {layer: why its input is counted in MACs though spikes go into it}
    """

    def __init__(self, spec: dict):
        super().__init__(spec)
        layers, self.left_whole = with_sites([Layer(*each) for each in spec["graph"]])
        self.coupled = coupled(layers)
        found = flows(layers, spec["events"])
        read = {each.name: found[each.reads[0]] for each in layers if each.kind in ("conv", "linear")}
        self.as_numbers = {name: flow.remark for name, flow in read.items() if flow.remark}
        self._edges = [
            Edge(f"layers.{key(name)}", found[name].made, flow.site, flow.unit) for name, flow in read.items()
        ]
        self._before = {f"layers.{key(name)}" for name, flow in read.items() if flow.still}
        self.head = nn.Identity()
        self.out = layers[-1].name
        if layers[-1].kind == "linear":  # which reads the mean over T: the mean of what it would make
            *layers, last = layers
            flow = read[last.name]
            self.head = nn.Linear(self._left(last, flow), last.options["makes"], last.options["bias"])
            self.out = last.reads[0]
            unit = flow.unit
            unit = None if unit is None else unit / self.T
            self._edges[-1] = self._edges[-1]._replace(module="head", unit=unit)
        self.plan = layers
        self.layers = nn.ModuleDict({key(each.name): self._made(each, found) for each in layers})
        last_reader = {name: each.name for each in layers for name in each.reads}
        self.over = {each.name: [] for each in layers}  # what nobody reads after a layer
        for name, reader in last_reader.items():
            if name != self.out:
                self.over[reader].append(name)

    def edges(self) -> list[Edge]:
        return self._edges

    def before_neurons(self) -> set[str]:
        return self._before

    def run_for(self, T: int, units: str = "spiking") -> "GraphNet":
        super().run_for(T, units)
        for module in self.layers.values():
            if isinstance(module, Norm | Neurons):
                module.T = self.T
        return self

    def features(self, x: Tensor) -> Tensor:
        there = {INPUT: x}
        for each in self.plan:
            there[each.name] = self.layers[key(each.name)](*[there[name] for name in each.reads])
            for name in self.over[each.name]:
                del there[name]
        return there[self.out]

    def _left(self, each: Layer, flow: Flow) -> int:
        """Inputs of a layer's weights that are left."""
        full = each.options["reads"]
        if flow.site is None:
            return full
        return full // flow.channels * self.spec["widths"].get(flow.site, flow.channels)

    def _made(self, each: Layer, found: dict[str, Flow]) -> nn.Module:
        options = each.options
        if each.kind in SITES:
            return self._site(each, found[each.name])
        if each.kind == "conv":
            makes = self.spec["widths"].get(found[each.name].made, options["makes"])
            size = [tupled(options[name]) for name in ("kernel_size", "stride", "padding", "dilation")]
            reads = self._left(each, found[each.reads[0]])
            return Conv2d(reads, makes, *size, options["groups"], options["bias"], step_mode="m")
        if each.kind == "linear":
            reads = self._left(each, found[each.reads[0]])
            return layer.Linear(reads, options["makes"], options["bias"], step_mode="m")
        return MADE[each.kind](**{name: tupled(value) for name, value in options.items() if name != "worth"})

    def _site(self, each: Layer, flow: Flow) -> Site:
        name = each.options["site"]
        full = each.options["channels"]
        kept = self.spec["widths"].get(name, full)
        node = kept_neurons.make(each.options["node"])
        if each.kind == "writing":
            site = GraphWritingSite(name, kept, node)
        elif flow.site is None:
            site = SpreadSite(name, kept, node, full)
        else:
            site = Site(name, kept, node)
        site.bn = layer.BatchNorm2d(kept, **each.options["bn"], step_mode="m")
        return site


class Norm(nn.Module):
    """A batch normalisation that no site has, of maps or of features."""

    def __init__(self, channels: int, maps: bool, **options):
        super().__init__()
        made = layer.BatchNorm2d if maps else layer.BatchNorm1d
        self.bn = made(channels, **options, step_mode="m")
        self.T = 1

    def forward(self, x: Tensor) -> Tensor:
        features = x.dim() == 3 and self.bn.step_mode == "m"
        return normalised(self.bn, x.expand(self.T, *x.shape[1:]) if features else x, self.T)


class Neurons(nn.Module):
    """A layer of neurons that no site has."""

    def __init__(self, **about):
        super().__init__()
        self.node = kept_neurons.make(about)
        self.T = 1

    def forward(self, x: Tensor) -> Tensor:
        return self.node(x.expand(self.T, *x.shape[1:]) if self.node.step_mode == "m" else x)


def same_steps(*tensors: Tensor) -> list[Tensor]:
    """Those that are the same at each step are repeated, if another one is not."""
    steps = max(len(each) for each in tensors)
    return [each.expand(steps, *each.shape[1:]) for each in tensors]


class Join(nn.Module):
    """A function of several tensors, position by position or along the channels."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.function(*same_steps(*tensors))


def concatenated(*tensors: Tensor, dim: int) -> Tensor:
    return torch.cat(tensors, dim)


class Voting(nn.Module):
    """Mean of each `size` features in a row (SpikingJelly's VotingLayer)."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.size)).mean(-1)


class Complement(nn.Module):
    """1 - x"""

    def forward(self, x: Tensor) -> Tensor:
        return 1 - x


MADE = {
    "bn": Norm,
    "neuron": Neurons,
    "max_pool": partial(layer.MaxPool2d, step_mode="m"),
    "avg_pool": partial(layer.AvgPool2d, step_mode="m"),
    "adaptive_pool": partial(layer.AdaptiveAvgPool2d, step_mode="m"),
    "dropout": partial(layer.Dropout, step_mode="m"),
    "dropout_a_step": nn.Dropout,
    "dropout2d": partial(layer.Dropout2d, step_mode="m"),
    "flatten": partial(layer.Flatten, step_mode="m"),
    "voting": Voting,
    "add": lambda: Join(torch.add),
    "multiply": lambda: Join(torch.mul),
    "concatenate": lambda dim: Join(partial(concatenated, dim=dim)),
    "complement": Complement,
}


def key(name: str) -> str:
    """Of a layer among the modules, which takes no dot, and no name that a ModuleDict has itself; no two
    layers have the same."""
    found = name.replace("/", "//").replace(".", "/")
    return f"{found}/" if hasattr(nn.ModuleDict, found) else found


def tupled(value):
    """JSON's list as the tuple that it was."""
    return tuple(value) if isinstance(value, list) else value
