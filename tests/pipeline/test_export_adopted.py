"""Networks that were taken over, in the formats of others: the same logits, or a line that says why not."""

import pytest
import torch
from helpers import images, random_masks, settle
from spikingjelly.activation_based import layer, neuron
from spikingjelly.activation_based.model import sew_resnet
from torch import nn

from lib import measure, models, pruning
from tools.export import formats

SHAPE = (3, 8, 8)


def chain(node, pool=None):
    """Two convolutions and a hidden layer with dropout, no max pooling: NIR has a node for each."""
    parts = [layer.Conv2d(3, 8, 3, padding=1), layer.BatchNorm2d(8), node(), pool or layer.AvgPool2d(2, 2)]
    parts += [layer.Conv2d(8, 6, 3, padding=1, bias=False), layer.BatchNorm2d(6), node(), layer.Flatten()]
    return nn.Sequential(*parts, layer.Linear(96, 20), node(), layer.Dropout(0.5), layer.Linear(20, 10))


def pruned(model):
    """Adopted, half of its channels masked, its layers awake; and images."""
    torch.manual_seed(0)
    net = models.adopt(model, SHAPE, 3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.uniform_(module.bias, 0.2, 0.8)
        elif isinstance(module, nn.Linear):
            module.weight.data *= 12
    pruning.apply_channel_masks(net, random_masks(net, 0.5, 1))
    settle(net, 16)
    x = images(net, 6)
    logits = measure.predict(models.clone(net, torch.float64), x.double())
    assert logits.std(0).max() > 1e-3
    return net, x, logits


def sew():
    block = sew_resnet.BasicBlock(4, 4, cnf="ADD", spiking_neuron=neuron.IFNode)
    stem = [layer.Conv2d(3, 4, 3, padding=1), layer.BatchNorm2d(4), neuron.IFNode()]
    return nn.Sequential(*stem, block, layer.MaxPool2d(2, 2), layer.Flatten(), layer.Linear(64, 10))


@pytest.mark.parametrize("make", [sew, lambda: chain(lambda: neuron.IFNode(v_reset=None))])
def test_onnx_gives_its_logits(make):
    net, x, logits = pruned(make())
    _, exact, found = formats.with_onnx(net, x, x[:2].double())
    assert (exact - logits[:2]).abs().max() <= 1e-9
    assert (found - logits).abs().max() < 1e-4


LEAKY = {"tau": 1.7, "decay_input": False, "v_threshold": 0.8, "v_reset": -0.1}


@pytest.mark.parametrize(
    "node", [neuron.IFNode, lambda: neuron.LIFNode(**LEAKY), lambda: neuron.ParametricLIFNode(3.0)]
)
def test_nir_gives_its_logits(node):
    net, x, logits = pruned(chain(node))
    frames = x.expand(3, *x.shape)
    _, exact, found = formats.with_nir(net, frames, frames[:, :2].double())
    assert (exact - logits[:2]).abs().max() <= 1e-9
    assert (found - logits).abs().max() < 1e-4


REFUSED = {
    "no residual stream": sew,
    "subtracts its threshold": lambda: chain(lambda: neuron.IFNode(v_reset=None)),
    "windows off at the border": lambda: chain(
        neuron.IFNode, layer.AvgPool2d(3, 2, 1, count_include_pad=False)
    ),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_nir_has_no_form_for_is_told(said):
    with pytest.raises(formats.NoForm, match=said):
        formats.to_nir(pruned(REFUSED[said]())[0])
