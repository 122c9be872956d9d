"""What cannot be taken over is refused by name; what cannot be pruned is left whole, and it is said why."""

import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn
from torch.nn.utils import prune

from lib import measure, models, pruning
from lib.core.errors import AdoptError

SHAPE = (3, 16, 16)


class Between(nn.Module):
    """Does something between its layers."""

    def __init__(self, function):
        super().__init__()
        self.layers = nn.Sequential(layer.Conv2d(3, 4, 3), layer.BatchNorm2d(4), neuron.IFNode())
        self.last = nn.Sequential(layer.Flatten(), layer.Linear(4 * 196, 10))
        self.function = function

    def forward(self, x):
        return self.last(self.function(self, self.layers(x)))


def a_conv(*after, **options):
    """A first convolution of six channels, and what comes after it."""
    return nn.Sequential(layer.Conv2d(3, 6, 3, **options), *after)


def whole(*after):
    return a_conv(layer.BatchNorm2d(6), *after, layer.Flatten(), layer.Linear(6 * 196, 10))


class Hidden(nn.Module):
    """A hook changes what a layer gives."""

    def __init__(self):
        super().__init__()
        self.layers = whole(neuron.IFNode())
        self.layers[0].register_forward_hook(lambda module, args, out: 2 * out + 1)

    def forward(self, x):
        return self.layers(x)


class Mine(neuron.LIFNode):
    """A neuron of a user's own."""


class Averages(nn.Module):
    """Its neurons see the mean of all frames."""

    def __init__(self):
        super().__init__()
        self.layers = whole(neuron.IFNode())
        functional.set_step_mode(self, "m")

    def forward(self, x):
        return self.layers(x.mean(0, keepdim=True).repeat(2, 1, 1, 1, 1))


def tied():
    model = a_conv(layer.BatchNorm2d(6), NODE(), layer.Conv2d(6, 6, 3), layer.Conv2d(6, 6, 3))
    model[4].weight = model[3].weight
    return model


def hooked():
    model = whole(NODE())
    prune.random_unstructured(model[0], "weight", 0.5)
    model(torch.zeros(1, *SHAPE))
    return model


NODE = neuron.IFNode
REFUSED = {
    "a part of a tensor": lambda: Between(lambda net, x: x[:, :4]),
    "alpha = 3": lambda: Between(lambda net, x: torch.add(x, x, alpha=3)),
    "share a weight": lambda: tied(),
    "type Mine": lambda: whole(Mine()),
    "model.module": lambda: nn.DataParallel(whole(NODE())),
    "cannot be copied": lambda: hooked(),
    "Averages: what was read off it": lambda: Averages(),
    "fire always or never": lambda: whole(NODE(v_threshold=1e9)),
    "has no weights": lambda: nn.Sequential(NODE()),
    "of type IzhikevichNode": lambda: whole(neuron.IzhikevichNode()),
    "layers that can are .*Conv2d": lambda: whole(NODE(), nn.GELU()),
    "no layer of spiking neurons": lambda: whole(),
    "sigmoid of 1 tensors cannot be taken over": lambda: Between(lambda net, x: torch.sigmoid(x)),
    "mul of 1 tensors": lambda: Between(lambda net, x: x * 2),
    "layers.2 .IFNode. is called more than once": lambda: Between(lambda net, x: net.layers[2](x)),
    "cannot be traced": lambda: Between(lambda net, x: x if x.sum() > 0 else -x),
    "a tensor of the network's own": lambda: Between(lambda net, x: x + net.layers[1].bias[:, None, None]),
    "padding of mode 'circular'": lambda: a_conv(NODE(), layer.Flatten(), padding=1, padding_mode="circular"),
    "forward returns .N, 6, 14, 14.": lambda: a_conv(layer.BatchNorm2d(6), NODE()),
    "does not run on images": lambda: nn.Sequential(layer.Conv2d(5, 4, 3), NODE(), layer.Flatten()),
    "gives other logits": Hidden,
    "a network of this study already": lambda: models.build("vgg9", 10, SHAPE, 2, width=0.1),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_taken_over_is_refused_in_one_line(said):
    with pytest.raises(AdoptError, match=said) as caught:
        models.adopt(REFUSED[said](), SHAPE, 2)
    assert "\n" not in str(caught.value)


LEFT = {
    "in 3 groups": lambda: a_conv(layer.BatchNorm2d(6), NODE(), groups=3),
    "no batch normalisation": lambda: a_conv(NODE()),
    "no scale": lambda: a_conv(layer.BatchNorm2d(6, affine=False), NODE()),
    "no neuron and no sum": lambda: a_conv(layer.BatchNorm2d(6), layer.AvgPool2d(3, 1, 1), NODE()),
}


@pytest.mark.parametrize("said", LEFT)
def test_what_cannot_be_pruned_is_left_whole_and_said(said):
    model = LEFT[said]().append(layer.Conv2d(6, 5, 3)).append(layer.BatchNorm2d(5)).append(neuron.IFNode())
    model.append(layer.AdaptiveAvgPool2d(1)).append(layer.Flatten()).append(layer.Linear(5, 10))
    net = models.adopt(model, SHAPE, 2)
    assert len(net.sites) == 1 and list(net.left_whole) == ["0"] and said in net.left_whole["0"]


@pytest.mark.parametrize(
    ("in_shape", "T"),
    [((3, 16), 2), ((3, 0, 16), 2), (16, 4), ("3, 16, 16", 4), ((3, 16, 7.5), 4), (SHAPE, 0), (SHAPE, 2.5)],
)
def test_shapes_that_cannot_be_are_refused(in_shape, T):
    with pytest.raises(AdoptError, match=f"T = {T}" if in_shape == SHAPE else r"in_shape .*\(C, H, W\)"):
        models.adopt(whole(NODE()), in_shape, T)


def test_of_a_network_without_sites_no_channels_are_asked():
    model = nn.Sequential(layer.Flatten(), layer.Linear(768, 20), NODE(), layer.Linear(20, 10))
    net = models.adopt(model, SHAPE, 2)
    assert net.sites == {} and len(net.weights()) == 2
    for choose in (
        lambda: pruning.keep_top({}, 1),
        lambda: pruning.uniform_random({}, 0.5, 1, torch.Generator()),
    ):
        with pytest.raises(ValueError, match="no channels that can be removed"):
            choose()
    assert measure.parameters(net, dense=net, removes="channels")["connectivity_prunable"] is None


def test_channels_that_are_the_outputs_stay():
    model = a_conv(layer.BatchNorm2d(6), NODE(), layer.AdaptiveAvgPool2d(1), layer.Flatten())
    net = models.adopt(model, SHAPE, 2)
    assert not net.sites and net.left_whole == {"0": "its channels are the network's outputs"}


def test_means_over_windows_of_several_sizes_are_counted_as_numbers():
    model = a_conv(layer.BatchNorm2d(6), NODE(), layer.AdaptiveAvgPool2d(4), layer.Flatten())
    model.append(layer.Linear(96, 10))
    net = models.adopt(model, SHAPE, 2)
    assert "windows of several sizes" in net.as_numbers["5"] and net.edges()[-1].unit is None
