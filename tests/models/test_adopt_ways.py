"""Networks as they are written elsewhere: names, sums, stems and first layers of every kind."""

import pytest
import torch
from helpers import images, random_masks, settle
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from lib import measure, models, pruning
from lib.settings import Fast

SHAPE = (3, 8, 8)


def spiking(reads, makes, size=3, **options):
    conv = layer.Conv2d(reads, makes, size, padding=size // 2, **options)
    return nn.Sequential(conv, layer.BatchNorm2d(makes), neuron.IFNode())


def head(reads):
    return nn.Sequential(layer.AdaptiveAvgPool2d(2), layer.Flatten(), layer.Linear(4 * reads, 10))


class Net(nn.Module):
    """parts: modules by name; function: (net, x) -> what the classifier reads"""

    def __init__(self, function, reads, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.function = function
        self.last = head(reads)

    def forward(self, x):
        return self.last(self.function(self, x))


def named(first, second):
    """Two layers of these names, and a classifier."""
    model = nn.Sequential()
    model.add_module(first, layer.Conv2d(3, 6, 3, padding=1))
    model.extend([layer.BatchNorm2d(6), neuron.IFNode()])
    model.add_module(second, layer.Conv2d(6, 6, 3, padding=1))
    return model.extend([layer.BatchNorm2d(6), neuron.IFNode(), *head(6)])


class Slash(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Module()
        self.a.b = spiking(3, 3)
        self.add_module("a/b", spiking(3, 3))
        self.last = head(3)

    def forward(self, x):
        return self.last(self.get_submodule("a/b")(self.a.b(x)))


class Optional(Net):
    def forward(self, x, mask=None):
        return super().forward(x if mask is None else x * mask)


WAYS = {
    "a convolution called head": lambda: named("first", "head"),
    "one called as our modules": lambda: named("layers", "values"),
    "one called input": lambda: named("input", "the"),
    "names with a slash": Slash,
    "a sum with itself": lambda: Net(lambda net, x: twice(net.a(x)), 4, a=spiking(3, 4)),
    "beside itself": lambda: Net(lambda net, x: beside(net.a(x)), 8, a=spiking(3, 4)),
    "two stems": lambda: Net(
        lambda net, x: torch.cat([net.a(x), net.b(x)], -3), 10, a=spiking(3, 4), b=spiking(3, 6, 5)
    ),
    "the image once more": lambda: Net(
        lambda net, x: net.b(torch.cat([net.a(x), x], -3)), 6, a=spiking(3, 4), b=spiking(7, 6)
    ),
    "a sum of images": lambda: Net(
        lambda net, x: net.node(net.a(x) + net.b(x)),
        4,
        a=spiking(3, 4)[:2],
        b=spiking(3, 4, 1)[:2],
        node=neuron.IFNode(),
    ),
    "an argument that is not given": lambda: Optional(lambda net, x: net.a(x), 4, a=spiking(3, 4)),
    "spikes read by a norm": lambda: Net(
        lambda net, x: net.b(net.norm(net.a(x))),
        6,
        a=spiking(3, 4),
        norm=layer.BatchNorm2d(4),
        b=spiking(4, 6),
    ),
    "linear layers first": lambda: nn.Sequential(
        layer.Flatten(), layer.Linear(192, 20), layer.BatchNorm1d(20), neuron.LIFNode(), layer.Linear(20, 10)
    ),
}


def twice(x):
    return x + x


def beside(x):
    return torch.cat([x, x], -3)


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("name", WAYS)
def test_it_is_taken_over_pruned_exactly_and_counted_however_it_is_computed(name, events):
    torch.manual_seed(0)
    net = settle(models.adopt(WAYS[name](), SHAPE, 3, events=events).double(), 8)
    masks = random_masks(net, 0.5, 1)
    if masks:
        pruning.apply_channel_masks(net, masks)
    settle(net, 8)
    x = images(net, 4)
    small = pruning.compact(net, masks)
    assert (measure.predict(net, x) - measure.predict(small, x)).abs().max() <= 1e-12
    assert len(net.weights()) == len(net.edges()) == len(measure.synops(net, x)["layers"])
    for one in (x, x[0]) if events else (x,):
        once = measure.synops(net, one)
        again = measure.synops(net.use(Fast(static_once=False)), one)
        assert close(once, again)
        net.use(Fast())


def close(one: dict, other: dict) -> bool:
    return all(one[key] == pytest.approx(other[key]) for key in ("ac", "mac", "mac_x_T"))


@pytest.mark.parametrize("options", [{"groups": 2, "bias": False}, {"bias": True}, {"bias": False}])
def test_fast_ways_give_the_numbers_of_plain_ones(options):
    """On maps of 4x4 and, behind a pooling, of 2x2."""
    torch.manual_seed(0)
    parts = [spiking(3, 8), layer.AvgPool2d(2, 2), spiking(8, 6, **options), layer.AvgPool2d(2, 2)]
    model = nn.Sequential(*parts, spiking(6, 6, **options), layer.Flatten(), layer.Linear(24, 10))
    net = models.adopt(model, SHAPE, 2).double().train()
    x = images(net, 6)
    plain = net(x)
    for fast in (Fast(products=True), Fast(multiple=4), Fast(multiple=16)):
        assert torch.allclose(net.use(fast)(x), plain, atol=1e-12)


def test_it_is_a_copy_in_the_models_own_precision_and_keeps_what_is_not_trained():
    torch.manual_seed(0)
    model = nn.Sequential(*spiking(3, 4), *head(4)).double()
    model[0].weight.requires_grad_(False)
    net = models.adopt(model, SHAPE, 2)
    [conv] = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert torch.equal(conv.weight, model[0].weight) and not conv.weight.requires_grad
    assert net.head.weight.requires_grad
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    functional.reset_net(model)
    functional.set_step_mode(model.eval(), "m")
    assert (measure.predict(net, x) - model(x.expand(2, *x.shape)).mean(0)).abs().max() < 1e-12
