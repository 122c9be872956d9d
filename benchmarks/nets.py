"""The networks that are timed: VGG16 for 32x32 images, in the study's fast options; whole, or with channels
really removed."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from lib import models, pruning
from lib.models import SpikingNet
from lib.pruning.masks import Masks, uniform_random
from lib.settings import Fast, Prune, Task, Train

T = 4
BATCH = 16
SHAPE = (3, 32, 32)
CLASSES = 10
FAST = Fast(neurons="compiled", static_once=True, channels_last=True, bf16=True)


def images(count: int) -> tuple[Tensor, Tensor]:
    """scikit-learn's digits at CIFAR's size, repeated: uint8 [count, 3, 32, 32] and labels. What a step costs
    does not depend on what the images show; which channels go, and so what a pruned epoch costs, does a
    little."""
    digits = load_digits()
    small = torch.from_numpy(digits.images * 255 / 16).to(torch.uint8)[:, None].expand(-1, 3, -1, -1)
    index = torch.arange(count) % len(small)
    return small[index].repeat_interleave(4, 2).repeat_interleave(4, 3), torch.from_numpy(
        digits.target
    ).long()[index]


def batch(size: int = BATCH) -> tuple[Tensor, Tensor]:
    x, y = images(size)
    return x.float() / 255, y


def vgg16(width: float = 1.0, steps: int = T, fast: Fast = FAST) -> SpikingNet:
    return models.build("vgg16", CLASSES, SHAPE, steps, width=width).use(fast)


def uniform_masks(net: SpikingNet, ratio: float) -> Masks:
    return uniform_random(pruning.prunable_channels(net), ratio, 2, torch.Generator().manual_seed(0))


def small(net: SpikingNet, ratio: float) -> SpikingNet:
    """The same share of channels of each layer removed."""
    return pruning.compact(net, uniform_masks(net, ratio))


def neurons(net: SpikingNet) -> int:
    """Spiking neurons of the network's prunable layers."""
    count = []
    hooks = []
    for site in net.sites.values():
        hooks.append(site.node.register_forward_hook(lambda _, __, out: count.append(out[0, 0].numel())))
    with torch.no_grad():
        net.eval()(torch.zeros(1, *SHAPE))
    for hook in hooks:
        hook.remove()
    net.train()
    return sum(count)


def task(size: int, epochs: int) -> Task:
    """SCA as the study runs it: an update after each epoch from the first on."""
    recipe = Train(
        epochs=epochs, batch=size, lr=0.05, momentum=0.9, weight_decay=0.0, l1=3e-5, lr_schedule="cosine"
    )
    prune = Prune(warmup=1, interval=1, floor=2, probes=4, compact=True)
    return Task(
        data="digits",
        augment="none",
        net="vgg16",
        neuron="if",
        T=T,
        width=1.0,
        train=recipe,
        prune=prune,
        fast=FAST,
        ratios=(0.7,),
    )
