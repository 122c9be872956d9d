"""Spiking VGGs: 3x3 convolutions, each followed by BN and a neuron, max pooling,
fully connected layers (SCA, A6-A7)."""

import math

from spikingjelly.activation_based import layer
from torch import nn

from lib.models.convolution import Conv2d
from lib.models.neurons import NEURONS
from lib.models.sites import Edge, Site, SpikingNet

M, A, LAST, MEAN = "M", "A", "LAST", "MEAN"
# convolution widths, M / A = 2x2 max / average pooling, LAST / MEAN = max / average pooling of all that is
# left of the map | widths of the hidden fully connected layers
LAYOUTS = {
    # airbench's widths (Jordan 2024), its whitening and first convolution in one layer, one less at the end
    "vgg7": ((64, M, 64, 256, M, 256, 256, M, 256, MEAN), ()),
    "vgg9": ((64, 64, M, 128, 128, M, 256, 256, M), (512, 512)),
    "vgg11": ((64, M, 128, M, 256, 256, M, 512, 512, M, 512, 512, M), (512, 512)),
    # LAST: one position of 32x32 images and four of 64x64; the published count for Tiny-ImageNet has 512
    # inputs of the first fully connected layer, too (A6)
    "vgg16": (
        (64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M, LAST),
        (512, 512),
    ),
    "conv6fc2": ((256, 256, 256, M, 256, 256, 256, M), (2048,)),  # "6Conv2FC" of Grad R, STDS and UPR
    "dvs5conv": ((64, A, 128, A, 128, A, 256, A, 256, A), ()),  # SCA's event network (A9)
    "vggsnn": ((64, 128, A, 256, 256, A, 512, 512, A, 512, 512, A), ()),  # TET's event network (B15)
    "dvs-digits": ((8, A, 16, A, 32, 32), ()),
    "vgg-digits": ((8, 8, M, 16, 16, M, 64, 64, 64), (48,)),
    "vgg6-digits": ((8, M, 16, 16, M, 64, 64, 64), ()),
}


class VGG(SpikingNet):
    def __init__(self, spec: dict):
        super().__init__(spec)
        layout, hidden = LAYOUTS[spec["name"]]
        widths = [size for size in (*layout, *hidden) if size not in (M, A, LAST, MEAN)]
        if wrong := [size for size in widths if not isinstance(size, int) or size < 1]:
            raise ValueError(f"network {spec['name']}: width {wrong[0]!r}: give a whole number of 1 or more")
        channels, height, width = self.in_shape
        self.stack = nn.ModuleList()
        self._edges = []
        reads = None
        unit = 1.0 if spec["events"] else None
        for size, after in zip(layout, (*layout[1:], None), strict=True):
            if size in (LAST, MEAN):
                pool = layer.MaxPool2d if size == LAST else layer.AvgPool2d
                if height * width > 1:
                    self.stack.append(pool((height, width), step_mode="m"))
                    unit = unit if size == LAST else unit / (height * width)
                    height = width = 1
                continue
            if size in (M, A):
                if size == A:
                    self.stack.append(layer.AvgPool2d(2, 2, step_mode="m"))
                height = height // 2
                width = width // 2
                unit = unit if size == M else unit / 4
                continue
            name = f"conv{len(self._edges) + 1}"
            size = spec["widths"].get(name, max(1, round(size * spec["width"])))
            self._edges.append(Edge(f"stack.{len(self.stack)}", name, reads, unit))
            self.stack.append(Conv2d(channels, size, 3, padding=1, bias=False, step_mode="m"))
            self.stack.append(Site(name, size, NEURONS[spec["neuron"]](), pools=after == M))
            channels = size
            reads = name
            unit = 1.0
        if height * width == 0:
            raise ValueError(f"in_shape {self.in_shape}: too small for the poolings of {spec['name']}")
        self.stack.append(layer.Flatten(step_mode="m"))
        features = channels * height * width
        for size in hidden:
            size = max(1, round(size * spec["width"]))
            self._edges.append(Edge(f"stack.{len(self.stack)}", None, reads, unit))
            self.stack.append(layer.Linear(features, size, bias=False, step_mode="m"))
            self.stack.append(layer.BatchNorm1d(size, step_mode="m"))
            self.stack.append(NEURONS[spec["neuron"]]())
            features = size
            reads = None
            unit = 1.0
        self.head = nn.Linear(features, spec["num_classes"])
        self._edges.append(Edge("head", None, reads, unit / self.T))
        if spec["neuron"] == "relu":  # its values are no events
            self._edges = [edge._replace(unit=None) for edge in self._edges]
        self.apply(initialise)

    def edges(self) -> list[Edge]:
        return self._edges

    def features(self, x):
        for module in self.stack:
            x = module(x)
        return x


def initialise(module: nn.Module) -> None:
    """Convolutions N(0, sqrt(2 / (k k C_out))), linear layers N(0, 0.02), biases 0 (A7)."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(
            module.weight, 0.0, math.sqrt(2 / (math.prod(module.kernel_size) * module.out_channels))
        )
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
