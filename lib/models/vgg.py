"""Spiking VGGs: 3x3 convolutions, each followed by BN and a neuron, max pooling, fully connected layers (SCA, A6-A7)."""

import math

from spikingjelly.activation_based import layer
from torch import nn

from lib.models.base import Edge, Site, SpikingNet
from lib.models.neurons import NEURONS

M = "M"
LAYOUTS = {  # convolution widths, M = 2x2 max pooling | widths of the hidden fully connected layers
    "vgg16": ((64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M), (512, 512)),
    "vgg-digits": ((8, 8, M, 16, 16, M, 64, 64, 64), (48,)),
}


class VGG(SpikingNet):
    def __init__(self, spec: dict):
        super().__init__(spec)
        layout, hidden = LAYOUTS[spec["name"]]
        channels, height, width = self.in_shape
        self.stack = nn.ModuleList()
        self._edges, reads, unit = [], None, None
        for size in layout:
            if size == M:
                self.stack.append(layer.MaxPool2d(2, 2, step_mode="m"))
                height, width = height // 2, width // 2
                continue
            name = f"conv{len(self._edges) + 1}"
            size = spec["widths"].get(name, max(1, round(size * spec["width"])))
            self._edges.append(Edge(f"stack.{len(self.stack)}", name, reads, unit))
            self.stack.append(layer.Conv2d(channels, size, 3, padding=1, bias=False, step_mode="m"))
            self.stack.append(Site(name, size, spec["neuron"]))
            channels, reads, unit = size, name, 1.0
        unknown = sorted(set(spec["widths"]) - {edge.makes for edge in self._edges})
        if unknown:
            raise ValueError(f"widths of {', '.join(unknown)}: the sites are {', '.join(edge.makes for edge in self._edges)}")
        if height * width == 0:
            raise ValueError(f"in_shape {self.in_shape}: too small for the poolings of {spec['name']}")
        self.stack.append(layer.Flatten(step_mode="m"))
        features = channels * height * width
        for size in hidden:
            size = max(1, round(size * spec["width"]))
            self._edges.append(Edge(f"stack.{len(self.stack)}", None, reads, 1.0))
            self.stack.append(layer.Linear(features, size, bias=False, step_mode="m"))
            self.stack.append(layer.BatchNorm1d(size, step_mode="m"))
            self.stack.append(NEURONS[spec["neuron"]]())
            features, reads = size, None
        self.head = nn.Linear(features, spec["num_classes"])
        self._edges.append(Edge("head", None, reads, 1 / self.T))
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
        nn.init.normal_(module.weight, 0.0, math.sqrt(2 / (math.prod(module.kernel_size) * module.out_channels)))
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
