"""The networks that are timed: VGG16 for 32x32 images, in the study's fast options; whole, or with channels
really removed."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from lib import models, pruning
from lib.models import SpikingNet
from lib.pruning.masks import Masks
from lib.settings import Fast, Prune, Task, Train
from lib.training.fastest import fastest

T = 4
BATCH = 16
LARGE = 64  # the papers' batch
SHAPE = (3, 32, 32)
CLASSES = 10


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


def vgg16(width: float = 1.0, steps: int = T, fast: Fast | None = None) -> SpikingNet:
    """fast: what this processor computes fastest, unless given"""
    return models.build("vgg16", CLASSES, SHAPE, steps, width=width).use(fast or fastest())


def odd_masks(net: SpikingNet, ratio: float) -> Masks:
    """The same share of each layer's channels removed, at random; an odd number left."""
    chance = torch.Generator().manual_seed(0)
    masks = {}
    for name, site in net.sites.items():
        count = len(site.mask)
        left = round((1 - ratio) * count)
        left += 1 - left % 2
        masks[name] = torch.zeros(count, dtype=torch.bool)
        masks[name][torch.randperm(count, generator=chance)[:left]] = True
    return masks


def small(net: SpikingNet, ratio: float) -> SpikingNet:
    return pruning.compact(net, odd_masks(net, ratio))


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
        fast=Fast(measured=True),
        ratios=(0.7,),
    )
