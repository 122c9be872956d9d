"""Random networks as a user may write them: of SpikingJelly's layers, in either step mode, with branches."""

import random

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn

SLOPES = (surrogate.Sigmoid, surrogate.ATan, surrogate.SoftSign)


def any_node(chance: random.Random) -> neuron.BaseNode:
    shared = {
        "v_threshold": chance.choice([1.0, 0.7]),
        "v_reset": chance.choice([0.0, None, -0.1]),
        "surrogate_function": chance.choice(SLOPES)(),
        "detach_reset": chance.random() < 0.5,
    }
    leaky = {"decay_input": chance.random() < 0.5, **shared}
    kind = chance.choice(["if", "lif", "plif", "study"])
    if kind == "if":
        return neuron.IFNode(**shared)
    if kind == "lif":
        return neuron.LIFNode(tau=chance.choice([1.5, 2.0, 3.0]), **leaky)
    if kind == "plif":
        return neuron.ParametricLIFNode(init_tau=chance.choice([1.5, 2.0]), **leaky)
    return neuron.IFNode(surrogate_function=surrogate.Sigmoid(alpha=4.0), detach_reset=True)


def conv(chance: random.Random, reads: int, makes: int, stride: int = 1, groups: int = 1) -> layer.Conv2d:
    size = chance.choice([1, 3, 3, 5])
    return layer.Conv2d(reads, makes, size, stride, size // 2, groups=groups, bias=chance.random() < 0.3)


class Chain(nn.Module):
    """conv -> BN -> neuron, now and then in another order or without BN; padding, dropout, pooling"""

    def __init__(self, chance: random.Random, reads: int, makes: int, pools: bool = False):
        super().__init__()
        parts = [conv(chance, reads, makes)]
        if chance.random() < 0.85:
            parts.append(layer.BatchNorm2d(makes))
        parts.append(any_node(chance))
        smaller = [pool(*how) for pool in (layer.MaxPool2d, layer.AvgPool2d) for how in ((2, 2), (3, 2, 1))]
        parts.append(chance.choice([layer.Dropout(0.2), nn.Identity(), *smaller * pools]))
        self.parts = nn.Sequential(*parts)
        self.makes = makes

    def forward(self, x):
        return self.parts(x)


class Sew(nn.Module):
    """Spikes and spikes: a sum, a product or one and not the other"""

    def __init__(self, chance: random.Random, reads: int, makes: int):
        super().__init__()
        self.path = Chain2(chance, reads, makes)
        self.short = nn.Sequential(conv(chance, reads, makes), layer.BatchNorm2d(makes), any_node(chance))
        self.rule = chance.choice(["add", "add", "and", "iand"])
        self.makes = makes

    def forward(self, x):
        y = self.path(x)
        x = self.short(x)
        if self.rule == "add":
            return x + y
        return x * y if self.rule == "and" else x * (1.0 - y)


class Chain2(nn.Sequential):
    def __init__(self, chance: random.Random, reads: int, makes: int):
        inner = chance.randint(2, 7)
        super().__init__(
            conv(chance, reads, inner),
            layer.BatchNorm2d(inner),
            any_node(chance),
            conv(chance, inner, makes),
            layer.BatchNorm2d(makes),
            any_node(chance),
        )


class Residual(nn.Module):
    """conv -> BN -> sum -> neuron"""

    def __init__(self, chance: random.Random, reads: int, makes: int):
        super().__init__()
        self.first = nn.Sequential(conv(chance, reads, makes), layer.BatchNorm2d(makes), any_node(chance))
        self.second = nn.Sequential(conv(chance, makes, makes), layer.BatchNorm2d(makes))
        own = reads != makes or chance.random() < 0.3
        short = [conv(chance, reads, makes), layer.BatchNorm2d(makes)] if own else [nn.Identity()]
        self.short = nn.Sequential(*short)
        self.node = any_node(chance)
        self.makes = makes

    def forward(self, x):
        out = self.second(self.first(x))
        out += self.short(x)
        return self.node(out)


class Dense(nn.Module):
    """What comes in beside what is made of it"""

    def __init__(self, chance: random.Random, reads: int, makes: int):
        super().__init__()
        self.made = nn.Sequential(conv(chance, reads, makes), layer.BatchNorm2d(makes), any_node(chance))
        self.makes = reads + makes

    def forward(self, x):
        return torch.cat([x, self.made(x)], dim=-3)


class Grouped(nn.Module):
    """A convolution of each channel by itself, then one of all"""

    def __init__(self, chance: random.Random, reads: int, makes: int):
        super().__init__()
        self.depth = nn.Sequential(
            conv(chance, reads, reads, groups=reads), layer.BatchNorm2d(reads), any_node(chance)
        )
        self.point = nn.Sequential(layer.Conv2d(reads, makes, 1), layer.BatchNorm2d(makes), any_node(chance))
        self.makes = makes

    def forward(self, x):
        return self.point(self.depth(x))


class AnyNetwork(nn.Module):
    """Two layers, up to three blocks, a pooling, and a classifier of one or two layers."""

    def __init__(self, seed: int):
        super().__init__()
        chance = random.Random(seed)
        torch.manual_seed(seed)
        self.T = chance.choice([1, 2, 3, 5])
        side = chance.choice([8, 12])
        self.in_shape = (chance.choice([1, 2, 3]), side, side)
        self.events = chance.random() < 0.3
        stem = chance.choice([Chain, Chain, Dense, Residual, Sew])
        self.blocks = nn.Sequential(stem(chance, self.in_shape[0], chance.randint(3, 8)))
        self.blocks.append(Chain(chance, self.blocks[0].makes, chance.randint(3, 8), pools=True))
        kinds = (Chain, Sew, Residual, Dense, Grouped)
        for _ in range(chance.randint(0, 3)):
            self.blocks.append(chance.choice(kinds)(chance, self.blocks[-1].makes, chance.randint(3, 8)))
        self.pool = layer.AdaptiveAvgPool2d(chance.choice([1, 2]))
        features = self.blocks[-1].makes * self.pool.output_size**2
        self.step_mode = chance.choice("sm")
        if chance.random() < 0.5:
            hidden = chance.randint(5, 20)
            self.classifier = nn.Sequential(
                layer.Linear(features, hidden), any_node(chance), layer.Dropout(0.5), layer.Linear(hidden, 10)
            )
        elif chance.random() < 0.3:
            voters = layer.Linear(features, 20)
            self.classifier = nn.Sequential(voters, any_node(chance), layer.VotingLayer(2))
        else:
            self.classifier = layer.Linear(features, 10)
        functional.set_step_mode(self, self.step_mode)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.data *= 4  # or what no BN follows would never fire

    def forward(self, x):
        x = self.pool(self.blocks(x))
        return self.classifier(torch.flatten(x, 1 if self.step_mode == "s" else 2))
