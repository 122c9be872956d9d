"""Spiking residual networks: post-activation (ResNet18, ResNet19) and pre-activation (PreResNet18). The
residual stream keeps its full width; what is pruned is what a block writes into it and, in PreResNet, what it
reads from it (methods A8)."""

import torch
from spikingjelly.activation_based import layer
from torch import Tensor, nn

from lib.models.convolution import Conv2d
from lib.models.neurons import NEURONS
from lib.models.sites import Edge, Site, SpikingNet, normalised, repeated
from lib.models.vgg import initialise

# width of the stem | (width, blocks) of each stage, the later ones with stride 2 | hidden FC widths
LAYOUTS = {
    "resnet18": (64, ((64, 2), (128, 2), (256, 2), (512, 2)), ()),
    "resnet19": (128, ((128, 3), (256, 3), (512, 2)), (256,)),  # tdBN's and TET's, as PQ uses it (B15)
    "resnet-digits": (8, ((8, 1), (16, 1), (32, 1)), ()),
    "preresnet18": (64, ((64, 2), (128, 2), (256, 2), (512, 2)), ()),
    "preresnet-digits": (8, ((8, 1), (16, 1), (32, 1)), ()),
}


def conv(reads: int, makes: int, size: int = 3, stride: int = 1) -> Conv2d:
    return Conv2d(reads, makes, size, stride=stride, padding=size // 2, bias=False, step_mode="m")


class StreamSite(Site):
    """A site on the residual stream: `place` [C] says which channels of the stream are its own."""

    def __init__(self, name: str, channels: int, node: nn.Module):
        super().__init__(name, channels, node)
        self.register_buffer("place", torch.arange(channels))

    def pick(self, stream: Tensor) -> Tensor:
        return stream.index_select(-3, self.place)


class WritingSite(StreamSite):
    """Post-activation: BN -> gate -> addition to the stream -> neuron. The gate acts before the addition, so
    a masked channel may still spike through the identity; its score reads that neuron (A8)."""

    def forward(self, z: Tensor, stream: Tensor) -> Tensor:
        return self.node(stream.index_add(-3, self.place, self.gate(self.normalise(z))))

    def own(self, values: Tensor) -> Tensor:
        return values[self.place]


class ReadingSite(StreamSite):
    """Pre-activation: what a block reads from the stream, BN -> neuron -> gate,
    and what the block before it writes there.

    A masked channel is read by no one in this block, and the filter that would have written it is gone; the
    stream carries on what it held (A8, site b).
    """

    unheard = 0.0  # while probing: what the masked filters would have written

    def write(self, stream: Tensor, made: Tensor) -> Tensor:
        """The stream with the previous block's convolution added at this site's channels."""
        if self.state == "probing":
            self.unheard = (made * ~self.mask[:, None, None]).detach()
        made = made if self.state == "open" or self.whole() else made * self.mask[:, None, None]
        return stream.expand(*made.shape[:-3], *stream.shape[-3:]).index_add(-3, self.place, made)

    def forward(self, stream: Tensor) -> Tensor:
        z = self.pick(stream)
        return super().forward(z + self.unheard if self.state == "probing" else z)


class ResNet(SpikingNet):
    """Post-activation: conv-BN-neuron-conv-BN-add-neuron. The stem is not prunable:
    its channels are the stream of stage 1."""

    def __init__(self, spec: dict):
        super().__init__(spec)
        stem, stages, hidden = LAYOUTS[spec["name"]]
        neuron = spec["neuron"]
        stream = scaled(stem, spec)
        self.stem = nn.Sequential(
            conv(self.in_shape[0], stream), layer.BatchNorm2d(stream, step_mode="m"), NEURONS[neuron]()
        )
        self.blocks = nn.ModuleList()
        self._edges = [Edge("stem.0", None, None, 1.0 if spec["events"] else None)]
        for width, stride in strides(stages):
            width = scaled(width, spec)
            path = f"blocks.{len(self.blocks)}"
            inner = f"block{len(self.blocks) + 1}a"
            outer = f"block{len(self.blocks) + 1}b"
            first, second = (spec["widths"].get(name, width) for name in (inner, outer))
            block = nn.ModuleDict(
                {
                    "conv1": conv(stream, first, stride=stride),
                    "site1": Site(inner, first, NEURONS[neuron]()),
                    "conv2": conv(first, second),
                    "site2": WritingSite(outer, second, NEURONS[neuron]()),
                }
            )
            self._edges += [Edge(f"{path}.conv1", inner, None, 1.0), Edge(f"{path}.conv2", outer, inner, 1.0)]
            if stride > 1 or stream != width:
                block["shortcut"] = nn.Sequential(
                    conv(stream, width, 1, stride), layer.BatchNorm2d(width, step_mode="m")
                )
                self._edges.append(Edge(f"{path}.shortcut.0", None, None, 1.0))
            self.blocks.append(block)
            stream = width
        self.pool, unit = pooling(self.in_shape, stages)
        self._edges += classifier(self, stream, [scaled(size, spec) for size in hidden], None, unit)
        self.apply(initialise)

    def edges(self) -> list[Edge]:
        return self._edges

    def features(self, x: Tensor) -> Tensor:
        conv, bn, node = self.stem
        x = node(repeated(normalised(bn, conv(x), self.T), self.T))
        for block in self.blocks:
            stream = block["shortcut"](x) if "shortcut" in block else x
            x = block["site2"](block["conv2"](block["site1"](block["conv1"](x))), stream)
        return self.neck(self.pool(x))


class PreResNet(SpikingNet):
    """Pre-activation: BN-neuron-conv-BN-neuron-conv-add; two mask sites a block,
    and one before the classifier (A8)."""

    def __init__(self, spec: dict):
        super().__init__(spec)
        stem, stages, hidden = LAYOUTS[spec["name"]]
        neuron = spec["neuron"]
        plan = [(scaled(width, spec), stride) for width, stride in strides(stages)]
        names = [f"block{number + 1}a" for number in range(len(plan))] + ["last"]
        full = [scaled(stem, spec)] + [
            width for width, _ in plan
        ]  # width of the stream before each reading site
        read = [spec["widths"].get(name, size) for name, size in zip(names, full, strict=True)]
        self.stream = full[0]
        self.stem = conv(self.in_shape[0], read[0])
        self.blocks = nn.ModuleList()
        self._edges = [Edge("stem", names[0], None, 1.0 if spec["events"] else None)]
        for number, (width, stride) in enumerate(plan):
            path = f"blocks.{number}"
            outer = f"block{number + 1}b"
            inside = spec["widths"].get(outer, width)
            block = nn.ModuleDict(
                {
                    "site1": ReadingSite(names[number], read[number], NEURONS[neuron]()),
                    "conv1": conv(read[number], inside, stride=stride),
                    "site2": Site(outer, inside, NEURONS[neuron]()),
                    "conv2": conv(inside, read[number + 1]),
                }
            )
            self._edges += [
                Edge(f"{path}.conv1", outer, names[number], 1.0),
                Edge(f"{path}.conv2", names[number + 1], outer, 1.0),
            ]
            if stride > 1 or full[number] != width:
                block["shortcut"] = conv(read[number], width, 1, stride)
                self._edges.append(Edge(f"{path}.shortcut", None, names[number], 1.0))
            self.blocks.append(block)
        self.last = ReadingSite("last", read[-1], NEURONS[neuron]())
        self.pool, unit = pooling(self.in_shape, stages)
        self._edges += classifier(self, read[-1], [scaled(size, spec) for size in hidden], "last", unit)
        self.apply(initialise)

    def edges(self) -> list[Edge]:
        return self._edges

    def features(self, x: Tensor) -> Tensor:
        sites = [*(block["site1"] for block in self.blocks), self.last]
        made = self.stem(x)
        stream = sites[0].write(made.new_zeros(*made.shape[:-3], self.stream, *made.shape[-2:]), made)
        for block, after in zip(self.blocks, sites[1:], strict=True):
            read = block["site1"](stream)
            stream = block["shortcut"](read) if "shortcut" in block else stream
            stream = after.write(stream, block["conv2"](block["site2"](block["conv1"](read))))
        return self.neck(self.pool(self.last(stream)))


def scaled(size: int, spec: dict) -> int:
    """A layout's width, by the network's."""
    return max(1, round(size * spec["width"]))


def strides(stages) -> list[tuple[int, int]]:
    """(width, stride) of each block: the first block of the second and later stages halves the map."""
    return [
        (width, 2 if number == 0 and stage > 0 else 1)
        for stage, (width, blocks) in enumerate(stages)
        for number in range(blocks)
    ]


def pooling(in_shape, stages) -> tuple[nn.Module, float]:
    """Global average pooling, and what a spike is worth behind it."""
    shrink = 2 ** (len(stages) - 1)
    height = -(-in_shape[1] // shrink)
    width = -(-in_shape[2] // shrink)
    return layer.AdaptiveAvgPool2d(1, step_mode="m"), 1 / (height * width)


def classifier(
    net: SpikingNet, features: int, hidden: list[int], reads: str | None, unit: float
) -> list[Edge]:
    """Sets `neck` (flatten, then linear-BN-neuron for each hidden width) and `head`; returns their edges."""
    net.neck = nn.Sequential(layer.Flatten(step_mode="m"))
    edges = []
    for size in hidden:
        edges.append(Edge(f"neck.{len(net.neck)}", None, reads, unit))
        net.neck.extend(
            [
                layer.Linear(features, size, bias=False, step_mode="m"),
                layer.BatchNorm1d(size, step_mode="m"),
                NEURONS[net.spec["neuron"]](),
            ]
        )
        features = size
        reads = None
        unit = 1.0
    net.head = nn.Linear(features, net.spec["num_classes"])
    return [*edges, Edge("head", None, reads, unit / net.T)]
