"""Spikformer: a spiking transformer (Zhou et al., ICLR 2023; SparseSpikformer's backbone, methods C1-C5).

A stem of spiking convolutions makes tokens; blocks of spiking self-attention and a spiking MLP add spikes to
them, so that a token holds small whole numbers; the classifier reads the mean over tokens and steps. No
softmax: attention is a product of spikes.
"""

import torch
from spikingjelly.activation_based import layer, neuron, surrogate
from torch import Tensor, nn

from lib.models.convolution import Conv2d
from lib.models.dynamics import ALPHA, TAU, V_RESET
from lib.models.neurons import NEURONS
from lib.models.sites import Edge, SpikingNet, normalised, repeated

# width D, heads, blocks, which of the four stem stages halve the map, scale of the attention, bias in q, k, v
LAYOUTS = {
    "spikformer4-384": (384, 12, 4, (False, False, True, True), 0.125, True),
    "spikformer4-256-dvs": (256, 16, 4, (True, True, True, True), 0.25, False),
    "spikformer-digits": (48, 4, 4, (False, False, False, True), 0.25, True),
}
KINDS = {  # part of a layer's name -> kind of layer
    "stem": "stem",
    "position": "stem",
    "q": "q",
    "k": "k",
    "v": "v",
    "projection": "projection",
    "wide": "MLP",
    "narrow": "MLP",
    "predictors": "selector",
    "head": "head",
}
MLP_RATIO = 4
ATTENTION_THRESHOLD = 0.5


def attention_node() -> neuron.LIFNode:
    """A LIF neuron with half the threshold, behind the attention (C2). Always by SpikingJelly's operators."""
    slope = surrogate.Sigmoid(alpha=ALPHA)
    return neuron.LIFNode(TAU, True, ATTENTION_THRESHOLD, V_RESET, slope, detach_reset=True, step_mode="m")


class Dense(nn.Module):
    """Linear -> BN -> neuron, on each token: [T, N, L, in] -> [T, N, L, out] spikes;
    step by step without the T."""

    def __init__(self, reads: int, makes: int, node: nn.Module, bias: bool = True):
        super().__init__()
        self.linear = nn.Linear(reads, makes, bias)
        self.bn = nn.BatchNorm1d(makes)
        self.node = node

    def forward(self, x: Tensor) -> Tensor:
        z = self.linear(x)
        return self.node(self.bn(z.flatten(0, -2)).view_as(z))


class Product(nn.Module):
    """A matrix product of two activations: no weights, but operations, which `lib.measure` counts here."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


class Attention(nn.Module):
    """Spiking self-attention: y = LIF(scale (q k^T) v), then a projection (C2)."""

    def __init__(self, width: int, heads: int, scale: float, bias: bool, neuron: str):
        super().__init__()
        self.heads = heads
        self.scale = scale
        self.q, self.k, self.v = (Dense(width, width, NEURONS[neuron](), bias) for _ in range(3))
        self.projection = Dense(width, width, NEURONS[neuron]())
        self.node = attention_node()
        self.match = Product()
        self.gather = Product()
        # how much attention each token gets from those that are kept, [N, L]: sum over steps, heads, rows
        self.columns = None

    def split(self, x: Tensor) -> Tensor:
        """[T, N, L, D] -> [T, N, heads, L, D / heads]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """keep: [N, L], 1 for a token that the others see; a dropped one is seen by itself alone (C9)."""
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        seen = self.match(q, k.transpose(-1, -2))
        rows = seen.detach() if keep is None else seen.detach() * keep[:, None, :, None]
        self.columns = rows.sum((0, -3, -2)) if x.dim() == 4 else None
        if keep is not None:
            own = torch.eye(keep.shape[1], dtype=keep.dtype, device=keep.device)
            columns = keep[:, None, :] * (1 - own) + own  # [N, L, L]
            seen = seen * columns[:, None]
        y = self.gather(seen, v) * self.scale
        return self.projection(self.node(y.transpose(-2, -3).flatten(-2)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, scale: float, bias: bool, neuron: str):
        super().__init__()
        self.attention = Attention(width, heads, scale, bias, neuron)
        self.wide = Dense(width, MLP_RATIO * width, NEURONS[neuron]())
        self.narrow = Dense(MLP_RATIO * width, width, NEURONS[neuron]())

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        x = x + self.attention(x, keep)
        return x + self.narrow(self.wide(x))


class Spikformer(SpikingNet):
    """`selector`: None, or what decides which tokens each block works on (lib.models.tokens)."""

    def __init__(self, spec: dict):
        super().__init__(spec)
        width, heads, blocks, halved, scale, bias = LAYOUTS[spec["name"]]
        width = max(1, round(width * spec["width"]))
        if width % heads or width % 8:
            need = f"{heads} heads and the stem need a multiple of {heads} and 8"
            raise ValueError(f"width {width} of {spec['name']}: {need}; change `width`")
        self.stem = nn.ModuleList()
        channels = self.in_shape[0]
        unit = 1.0 if spec["events"] else None
        self._edges = []
        for part, half in zip((8, 4, 2, 1), halved, strict=True):
            self.stem.append(self._stage(channels, width // part, half, unit))
            channels = width // part
            unit = 1.0
        self.position = self._stage(width, width, False, 1.0, "position")
        self.blocks = nn.ModuleList(Block(width, heads, scale, bias, spec["neuron"]) for _ in range(blocks))
        for name, module in self.blocks.named_modules(prefix="blocks"):
            if isinstance(module, nn.Linear):
                self._edges.append(Edge(name, None, None, 1.0))
        self.side = tuple(-(-side // 2 ** sum(halved)) for side in self.in_shape[1:])  # each pool rounds up
        self.selector = None
        self.head = nn.Linear(width, spec["num_classes"])
        self.apply(initialise)

    def _stage(self, reads: int, makes: int, half: bool, unit: float | None, name: str = "") -> nn.ModuleDict:
        name = name or f"stem.{len(self.stem)}"
        self._edges.append(Edge(f"{name}.conv", None, None, unit))
        parts = {
            "conv": Conv2d(reads, makes, 3, padding=1, bias=False, step_mode="m"),
            "bn": layer.BatchNorm2d(makes, step_mode="m"),
            "node": NEURONS[self.spec["neuron"]](),
        }
        if half:
            parts["pool"] = layer.MaxPool2d(3, 2, 1, step_mode="m")
        return nn.ModuleDict(parts)

    @property
    def tokens(self) -> int:
        return self.side[0] * self.side[1]

    @property
    def works_on(self) -> list[int]:
        """Tokens that each block works on."""
        return [self.tokens] * len(self.blocks) if self.selector is None else self.selector.works_on

    @property
    def tokens_left(self) -> int:
        """Tokens that the classifier reads."""
        return self.tokens if self.selector is None else self.selector.tokens_left

    def edges(self) -> list[Edge]:
        """The head reads the mean over tokens and steps, and a selector's predictors the mean over steps, all
        of them sums of events; what a predictor computes of it is analog."""
        predictors = [
            Edge(name, None, None, 1 / self.T if name.endswith(".0") else None)
            for name, module in self.named_modules()
            if isinstance(module, nn.Linear) and name.startswith("selector.")
        ]
        return [*self._edges, Edge("head", None, None, 1 / (self.T * self.tokens_left)), *predictors]

    def embed(self, x: Tensor) -> Tensor:
        """Images or frames -> tokens [T, N, L, D], spikes and sums of two spikes."""
        for stage in self.stem:
            x = self._spikes(stage, x)
            x = stage["pool"](x) if "pool" in stage else x
        x = x + self._spikes(self.position, x)
        return x.flatten(-2).transpose(-1, -2)

    def _spikes(self, stage: nn.ModuleDict, x: Tensor) -> Tensor:
        return stage["node"](repeated(normalised(stage["bn"], stage["conv"](x), self.T), self.T))

    def features(self, x: Tensor) -> Tensor:
        if self.selector is not None and self.step_mode != "m":
            raise ValueError(
                "step mode 's': tokens are chosen by their rates over all T steps; "
                "call net.set_step_mode('m')"
            )
        x = self.embed(x)
        keep = None
        for number, block in enumerate(self.blocks):
            if self.selector is None:
                x = block(x)
            else:
                x, keep = self.selector(number, self.blocks, x, keep)
        # differs from the paper: the mean over kept tokens while training, too;
        # published: over all of them until inference
        if keep is None:
            return x.mean(-2)
        return (x * keep[..., None]).sum(2) / keep.sum(1)[:, None].clamp(min=1)


def initialise(module: nn.Module) -> None:
    """Linear layers truncated N(0, 0.02), biases 0; convolutions as PyTorch draws them (C3)."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
