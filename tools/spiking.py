"""Networks that spike, and feel every mask: what a proof of equivalence needs. For equivalence.py and the
tests."""

import sys
from pathlib import Path

import torch
from torch import nn

# the tree of this file, whichever one the environment knows
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import models, pruning
from lib.measure import firing, predict
from lib.models.start import norms

EVENTS = ("dvs5conv", "vggsnn", "dvs-digits")  # networks that their papers give event frames


def in_shape(name):
    """Of the data set that a network is for."""
    small = name.endswith("digits")
    return (2, *(2 * [16 if small else 48])) if name in EVENTS else (1, 8, 8) if small else (3, 32, 32)


def images(net, n, seed=1):
    """Random images [n, C, H, W]; for an event network random event counts [T, n, 2, H, W]. In the net's
    precision."""
    generator = torch.Generator().manual_seed(seed)
    dtype = next(net.parameters()).dtype
    if net.spec.get("events"):
        return torch.poisson(torch.full((net.T, n, *net.in_shape), 0.5), generator).to(dtype)
    return torch.randn(n, *net.in_shape, generator=generator, dtype=dtype)


def spiking_net(name, shape, neuron="if", width=1.0, T=4, seed=0, dtype=torch.float64):
    """A network with random BN, the running statistics of random images, and weights large enough that every
    layer fires."""
    torch.manual_seed(seed)
    net = models.build(name, 10, shape, T, neuron, width, events=name in EVENTS).to(dtype)
    normed = set(norms(net))
    gain = 2.0 if neuron == "lif" else 1.0
    for module in net.modules():
        if module in normed:
            nn.init.uniform_(module.weight, 0.5 * gain, 1.5 * gain)
            nn.init.uniform_(module.bias, 0.1 * gain, 0.6 * gain)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            # or sums of float32 weights over spikes would be exact in float64
            module.weight.data *= 1 + 0.1 * torch.rand_like(module.weight)
    nn.init.normal_(net.head.weight)
    return settle(net)


@torch.no_grad()
def settle(net, n=32):
    """Sets the BN running statistics to those of n random images, under the masks that the net has."""
    for norm in norms(net):
        norm.momentum = 1.0
    net.train()(images(net, n, seed=9))
    for norm in norms(net):
        norm.momentum = 0.1
    return net.eval()


def random_masks(net, kept, seed=0):
    """{site: bool [C]}; kept: fraction of each layer, or a number of channels, the same in each layer or one
    a site."""
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for name, size in pruning.prunable_channels(net).items():
        count = (
            kept[name]
            if isinstance(kept, dict)
            else kept
            if isinstance(kept, int)
            else max(1, round(kept * size))
        )
        masks[name] = torch.randperm(size, generator=generator) < count
    return masks


def assert_alive(net, masks, n=16):
    """Every layer fires, not always, and in every layer there is a mask bit whose flip changes the logits."""
    x = images(net, n, seed=5)
    for name, rate in firing(net, x).items():
        assert 0 < rate.mean() < 1, f"{name} fires at {rate.mean()}"
    logits = predict(net, x)
    assert logits.std(0).max() > 1e-3, "the logits do not depend on the image"
    for name, site in net.sites.items():
        assert any(flip_matters(net, site, bit, x, logits) for bit in range(len(masks[name]))), (
            f"no bit of {name} matters"
        )
    assert torch.equal(predict(net, x), logits)


def flip_matters(net, site, bit, x, logits):
    site.mask[bit] = ~site.mask[bit]
    changed = (predict(net, x) - logits).abs().max() > 1e-6
    site.mask[bit] = ~site.mask[bit]
    return changed


def mask_alive(net, masks, n=16):
    """The masks, after the net was masked by them, settled under them, and checked to spike and to feel every
    one of them."""
    pruning.apply_channel_masks(net, masks)
    settle(net, 2 * n)
    assert_alive(net, masks, n)
    return masks


def living(name, shape, kept, tries=20, n=8, **settings):
    """(net, masks): random ones; the first that are alive, for single channels in a row often say the same to
    every image."""
    for seed in range(tries):
        net = spiking_net(name, shape, seed=seed, **settings)
        try:
            return net, mask_alive(net, random_masks(net, kept, seed), n)
        except AssertionError as error:
            last = error
    raise last
