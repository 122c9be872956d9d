"""What a network takes from data before or beside its training: filters to start from, statistics of BN."""

import torch
from torch import Tensor, nn

from lib.models.sites import SpikingNet


@torch.no_grad()
def whiten(net: SpikingNet, images: Tensor) -> None:
    """Starts the first convolution from the principal components of the images' patches, each once as it is
    and once negated, the strongest first, scaled to unit variance at its output; filters beyond them stay as
    they were drawn (patch whitening: Page 2018; airbench, Jordan 2024).

    images: [N, C, H, W], normalised as in training
    """
    # airbench whitens patches of 2x2 and lets a 3x3 convolution follow; BN, which follows here at once, takes
    # the scale away again, so that whitening the convolution's own patches leaves nothing for another layer
    weight = net.get_submodule(net.edges()[0].module).weight
    _, channels, height, width = weight.shape
    windows = images.double().unfold(2, height, 1).unfold(3, width, 1)
    patches = windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)
    patches -= patches.mean(0)
    variance, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))  # ascending
    filters = (vectors / (variance + 5e-4).sqrt()).T.flip(0).view(-1, channels, height, width)
    both = torch.stack([filters, -filters], dim=1).flatten(0, 1)[: len(weight)]
    weight[: len(both)] = both.to(weight)


def norms(net: nn.Module) -> list[nn.Module]:
    """Its batch normalisations, of any number of dimensions."""
    return [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


SCALES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2)


@torch.no_grad()
def rescale(net: SpikingNet, batches: list, loss) -> float:
    """Multiplies scale and shift of every batch normalisation by that factor of SCALES with which the loss,
    statistics measured anew, is lowest; returns it. For rectified units the factor is free, because the next
    BN divides by it; for neurons it says how many reach their threshold.

    batches: of (x, y); loss: batches -> a number, in eval mode. Statistics are left to be measured anew.
    """
    learned = [parameter for norm in norms(net) for parameter in (norm.weight, norm.bias)]
    before = [parameter.clone() for parameter in learned]

    def multiply(factor: float) -> None:
        for parameter, old in zip(learned, before, strict=True):
            parameter.copy_(factor * old)

    found = {}
    for factor in SCALES:
        multiply(factor)
        recalibrate(net, batches)
        found[factor] = loss(batches)
    best = min(found, key=found.get)
    multiply(best)
    return best


@torch.no_grad()
def recalibrate(net: nn.Module, batches) -> None:
    """Statistics of batch normalisation, measured anew: a plain mean over `batches` of (x, y), the network
    otherwise in eval mode. It stays there."""
    kept = [(norm, norm.momentum) for norm in norms(net)]
    net.eval()
    for norm, _ in kept:
        norm.train()
    for number, (x, _) in enumerate(batches):
        for norm, _ in kept:
            norm.momentum = 1 / (number + 1)
        net(x)
    for norm, momentum in kept:
        norm.momentum = momentum
    net.eval()
