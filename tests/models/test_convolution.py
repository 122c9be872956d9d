"""Other ways to compute a convolution give PyTorch's numbers in float64: outputs, gradients, trainings."""

import pytest
import torch
from helpers import batches, make_net, random_masks, snapshot

from lib import models, training
from lib.models.convolution import Conv2d
from lib.pruning import ScoreMeter, compact
from lib.settings import Fast

WAYS = {"products": {"products": True}, "zeros": {"multiple": 16}, "both": {"products": True, "multiple": 4}}


def made(reads: int, makes: int, **options) -> Conv2d:
    torch.manual_seed(0)
    conv = Conv2d(reads, makes, 3, padding=1, bias=False).double()
    for name, value in options.items():
        setattr(conv, name, value)
    return conv


def passed(conv: Conv2d, side: int) -> list:
    chance = torch.Generator().manual_seed(1)
    x = torch.randn(6, conv.in_channels, side, side, generator=chance, dtype=torch.float64).requires_grad_()
    out = conv(x)
    (out * torch.randn(out.shape, generator=chance, dtype=torch.float64)).sum().backward()
    return [out.detach(), x.grad, conv.weight.grad]


@pytest.mark.parametrize("side", [1, 2, 4])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("reads", "makes"), [(5, 7), (16, 3), (9, 16)])
def test_it_is_pytorchs_convolution_forward_and_backward(reads, makes, way, side):
    for ours, theirs in zip(
        passed(made(reads, makes, **WAYS[way]), side), passed(made(reads, makes), side), strict=True
    ):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_products_are_taken_on_maps_of_2x2_in_training_alone(monkeypatch):
    taken = []
    monkeypatch.setattr(models.convolution, "product", lambda x, weight: taken.append(x.shape) or x)
    conv = made(4, 4, products=True)
    for side in (1, 2, 3):
        conv(torch.rand(2, 4, side, side, dtype=torch.float64))
    conv.eval()(torch.rand(2, 4, 2, 2, dtype=torch.float64))
    assert taken == [(2, 4, 2, 2)]


def trained(net, **options) -> tuple[dict, dict]:
    """What three steps leave, and the scores that a meter read meanwhile."""
    net = models.clone(net, torch.float64).use(Fast(**options))
    meter = ScoreMeter(net, "spike_abs_v")
    training.train_epoch(net, batches(net, 3), torch.optim.SGD(net.parameters(), lr=0.01))
    return snapshot(net), meter.mean()


@pytest.mark.parametrize("way", WAYS)
def test_a_compact_network_trains_alike_and_nobody_sees_the_zeros(way):
    whole = make_net(name="vgg-digits", width=1.0)
    net = compact(whole, random_masks(whole, 0.4))
    expected, scores = trained(net)
    found, seen = trained(net, **WAYS[way])
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-10, msg=name)
    for name, score in scores.items():
        assert len(seen[name]) == len(score) == len(net.sites[name].mask)
        torch.testing.assert_close(seen[name], score, rtol=0, atol=1e-10)
