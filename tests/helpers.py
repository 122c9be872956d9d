"""Networks that spike, for tests in float64: where rounding flips no spike."""

from itertools import pairwise

import torch
from torch import nn

from lib import models, pruning
from lib.config import Cell, Method, Point, Prune, Train
from lib.measure import firing, run

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
CONVS = [f"conv{i}" for i in range(1, 8)]


def images(net, n, seed=1):
    return torch.randn(n, *net.in_shape, generator=torch.Generator().manual_seed(seed), dtype=next(net.parameters()).dtype)


def labels(net, n, seed=2):
    return torch.randint(0, net.head.out_features, (n,), generator=torch.Generator().manual_seed(seed))


def batches(net, count, n=16, seed=3):
    return [(images(net, n, seed + 2 * i), labels(net, n, seed + 2 * i + 1)) for i in range(count)]


def make_net(neuron="if", name="vgg-digits", in_shape=(1, 8, 8), width=0.5, T=4, seed=0, dtype=torch.float64):
    """A network with random BN, the running statistics of random images, and weights large enough that every layer fires."""
    torch.manual_seed(seed)
    net = models.build(name, 10, in_shape, T, neuron, width).to(dtype)
    gain = 2.0 if neuron == "lif" else 1.0
    for module in net.modules():
        if isinstance(module, BATCH_NORMS):
            nn.init.uniform_(module.weight, 0.5 * gain, 1.5 * gain)
            nn.init.uniform_(module.bias, 0.1 * gain, 0.6 * gain)
        elif isinstance(module, nn.Conv2d | nn.Linear):  # or sums of float32 weights over spikes would be exact in float64
            module.weight.data *= 1 + 0.1 * torch.rand_like(module.weight)
    nn.init.normal_(net.head.weight)
    return settle(net)


@torch.no_grad()
def settle(net):
    """Sets the BN running statistics to those of random images, under the masks that the net has."""
    norms = [m for m in net.modules() if isinstance(m, BATCH_NORMS)]
    for norm in norms:
        norm.momentum = 1.0
    net.train()(images(net, 32, seed=9))
    for norm in norms:
        norm.momentum = 0.1
    return net.eval()


def random_masks(net, kept, seed=0):
    """{site: bool [C]}; kept: fraction of each layer, or a number of channels, the same in each layer or one a site."""
    generator, masks = torch.Generator().manual_seed(seed), {}
    for name, size in pruning.prunable_channels(net).items():
        count = kept[name] if isinstance(kept, dict) else kept if isinstance(kept, int) else max(1, round(kept * size))
        masks[name] = torch.randperm(size, generator=generator) < count
    return masks


def masked_net(masks_of, **settings):
    """(net, masks): masked, settled under its masks, and checked to spike and to feel every mask."""
    net = make_net(**settings)
    masks = masks_of(net)
    pruning.apply_channel_masks(net, masks)
    settle(net)
    assert_alive(net, masks)
    return net, masks


def assert_alive(net, masks):
    """Every layer fires, not always, and in every layer there is a mask bit whose flip changes the logits."""
    x = images(net, 16, seed=5)
    for name, rate in firing(net, x).items():
        assert 0 < rate.mean() < 1, f"{name} fires at {rate.mean()}"
    logits = run(net, x)
    assert logits.std(0).max() > 1e-3, "the logits do not depend on the image"
    for name, site in net.sites.items():
        assert any(flip_matters(net, site, bit, x, logits) for bit in range(len(masks[name]))), f"no bit of {name} matters"
    assert torch.equal(run(net, x), logits)


def flip_matters(net, site, bit, x, logits):
    site.mask[bit] = ~site.mask[bit]
    changed = (run(net, x) - logits).abs().max() > 1e-6
    site.mask[bit] = ~site.mask[bit]
    return changed


def method(**settings):
    return Method(label="test", **{"l1": 0.0, "interval": 1, **settings})


def cell_of(epochs=2, **recipe):
    """A half-width network on digits: batches of 25, an update after each epoch."""
    settings = {"batch": 25, "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0, "l1": 3e-5, "lr_schedule": "cosine", **recipe}
    return Cell(
        data="digits",
        augment="none",
        net="vgg-digits",
        neuron="if",
        T=4,
        width=0.5,
        ratios=(0.5,),
        train=Train(epochs=epochs, **settings),
        prune=Prune(warmup=1, interval=1, floor=2, probes=4, compact=False),
    )


def point_of(ratio, **settings):
    return Point(ratio=ratio, method=method(**{"l1": 3e-5, **settings}))


def make_pruner(net, ratio=0.5, epochs=4, warmup=1, floor=2, seed=0, probes=2, kind=pruning.ChannelPruner, **settings):
    return kind(
        net,
        method(**settings),
        ratio,
        epochs,
        warmup,
        floor,
        torch.Generator().manual_seed(seed),
        lambda: batches(net, probes, seed=77),
    )


def snapshot(net):
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def frozen_entries(net, masks):
    """{tensor of the state dict: bool, True where its output or input channel is masked}, written out for a plain VGG."""
    frozen = {name: torch.zeros_like(tensor, dtype=torch.bool) for name, tensor in net.state_dict().items()}
    names = dict((module, name) for name, module in net.named_modules())
    convs = [names[m] for m in net.modules() if isinstance(m, nn.Conv2d)]
    for conv, (site, mask) in zip(convs, masks.items(), strict=True):
        frozen[f"{conv}.weight"][~mask] = True
        for part in ("weight", "bias", "running_mean", "running_var"):
            frozen[f"{names[net.sites[site]]}.bn.{part}"][~mask] = True
    for (_, conv), mask in zip(pairwise(convs), masks.values(), strict=False):
        frozen[f"{conv}.weight"][:, ~mask] = True
    last = list(masks.values())[-1]
    first_linear = next(names[m] for m in net.modules() if isinstance(m, nn.Linear))
    per_channel = frozen[f"{first_linear}.weight"].shape[1] // len(last)
    frozen[f"{first_linear}.weight"].unflatten(1, (len(last), per_channel))[:, ~last] = True
    return frozen
