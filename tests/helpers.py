"""Networks that spike, for tests in float64: where rounding flips no spike."""

from itertools import pairwise

import spiking
import torch
from spiking import assert_alive, images, random_masks, settle
from torch import nn

from lib import models, pruning
from lib.models.start import recalibrate
from lib.settings import Method, Prune, Task, Train, Trial

__all__ = ["assert_alive", "images", "random_masks", "settle"]  # of tools/spiking.py
CONVS = [f"conv{i}" for i in range(1, 8)]


def labels(net, n, seed=2):
    return torch.randint(0, net.head.out_features, (n,), generator=torch.Generator().manual_seed(seed))


def batches(net, count, n=16, seed=3):
    return [(images(net, n, seed + 2 * i), labels(net, n, seed + 2 * i + 1)) for i in range(count)]


def make_net(neuron="if", name="vgg-digits", in_shape=(1, 8, 8), width=0.5, T=4, **settings):
    return spiking.spiking_net(name, in_shape, neuron, width, T, **settings)


def digits_net(seed=0, width=1.0):
    """A transformer in float64, with batch norm randomised and settled, so that every layer fires."""
    torch.manual_seed(seed)
    net = models.build("spikformer-digits", 10, (1, 8, 8), 4, neuron="lif", width=width).double()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 1.0, 2.5)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    nn.init.normal_(net.head.weight, std=0.5)
    recalibrate(net, [(images(net, 64, seed=seed), None)])
    return net


def masked_net(masks_of, n=16, **settings):
    """(net, masks): masked, settled under its masks, and checked on n images to spike and to feel every
    mask."""
    net = make_net(**settings)
    return net, spiking.mask_alive(net, masks_of(net), n)


def method(**settings):
    """Whatever a setting names, be it a criterion that a test has registered itself."""
    return Method(label="test", l1=0.0, interval=1, regrow=0.1).model_copy(update=settings)


def task_of(epochs=2, **recipe):
    """A half-width network on digits: batches of 25, an update after each epoch."""
    settings = {
        "batch": 25,
        "lr": 0.05,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "l1": 3e-5,
        "lr_schedule": "cosine",
        **recipe,
    }
    return Task(
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


def trial_of(ratio, **settings):
    return Trial(ratio=ratio, method=method(**{"l1": 3e-5, **settings}))


def make_pruner(
    net, ratio=0.5, epochs=4, warmup=1, floor=2, seed=0, probes=2, kind=pruning.ChannelPruner, **settings
):
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
    """{tensor of the state dict: bool, True where its output or input channel is masked},
    written out for a plain VGG."""
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
