"""Every criterion, a new one as well, gives masked and small network the same scores."""

import numpy as np
import pytest
import torch
from helpers import batches, images, labels, make_net, make_pruner, random_masks, settle
from hypothesis import HealthCheck, assume, given, settings, strategies
from torch import nn

from lib import pruning, training
from lib.measure import firing
from lib.pruning import SCORES, ChannelPruner, ScoreMeter, ShrinkingPruner, compact
from lib.pruning.scores import ACTIVITY_SCORES, WEIGHT_SCORES

SHAPES = {
    "vgg-digits": (1, 8, 8),
    "preresnet-digits": (1, 8, 8),
    "resnet-digits": (1, 8, 8),
    "dvs-digits": (2, 16, 16),
}
TOMORROW = {  # each sees the inputs of a filter in its own way, or the gradient that the last batch left
    "filter_mean": lambda site, conv, generator: conv.weight.abs().mean((1, 2, 3)),
    "filter_max": lambda site, conv, generator: conv.weight.abs().amax((1, 2, 3)),
    "inputs": lambda site, conv, generator: conv.weight.new_full((len(site.mask),), conv.weight.shape[1]),
    "filter_taylor": lambda site, conv, generator: (conv.weight * conv.weight.grad).sum((1, 2, 3)).abs(),
    "bn_taylor": lambda site, conv, generator: (site.bn.weight * site.bn.weight.grad).abs(),
}


def masked(name, neuron, kept, seed):
    """(net, masks): a network that was masked at random, in eval mode."""
    net = make_net(neuron, name, SHAPES[name], width=1.0, seed=seed)
    masks = random_masks(net, kept, seed)
    pruning.apply_channel_masks(net, masks)
    return settle(net), masks


def spikes(net):
    """Whether every layer does, but not always."""
    return all(0 < rate.mean() < 1 for rate in firing(net, images(net, 8, seed=5)).values())


def one_batch(net):
    """Forward and backward in training mode: what criteria read."""
    nn.functional.cross_entropy(net.train()(images(net, 8, seed=21)), labels(net, 8)).backward()


def by_a_pruner(kind, score, *place):
    """{site: scores of the kept channels}, of a network that was masked before its pruner was made."""
    net, masks = masked(*place)
    pruner = make_pruner(net, score=score, kind=kind, seed=place[-1])
    one_batch(pruner.trained)
    found = pruner.scores()
    assert all((found[site][~mask] == -torch.inf).all() for site, mask in masks.items())
    return {site: found[site][mask] for site, mask in masks.items()}


def by_hand(score, *place):
    """The same, by the criterion itself on a network that has no other channels, and no pruner."""
    small = compact(*masked(*place))
    meter = ScoreMeter(small, score) if score in ACTIVITY_SCORES else None
    one_batch(small)
    if meter is not None:
        return meter.mean()
    chance, criterion = torch.Generator().manual_seed(place[-1]), WEIGHT_SCORES[score]
    convs = {edge.makes: small.get_submodule(edge.module) for edge in small.edges()}
    return {name: criterion(site, convs[name], chance).detach() for name, site in small.sites.items()}


def assert_alike(score, *place):
    expected = by_hand(score, *place)
    for kind in (ChannelPruner, ShrinkingPruner):
        torch.testing.assert_close(by_a_pruner(kind, score, *place), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=strategies.sampled_from(sorted(SHAPES)),
    neuron=strategies.sampled_from(["if", "lif"]),
    kept=strategies.sampled_from([0.3, 0.5, 0.8, 1.0]),
    seed=strategies.integers(0, 10_000),
)
def test_masked_and_small_network_score_alike(score, name, neuron, kept, seed):
    assume(spikes(masked(name, neuron, kept, seed)[0]))
    assert_alike(score, name, neuron, kept, seed)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("score", TOMORROW)
def test_a_criterion_of_tomorrow_scores_alike_without_knowing_of_masks(monkeypatch, score, name):
    for registry in (WEIGHT_SCORES, SCORES):
        monkeypatch.setitem(registry, score, TOMORROW[score])
    assert spikes(masked(name, "if", 0.5, 3)[0])
    assert_alike(score, name, "if", 0.5, 3)


def convolutions(net):
    return [module.weight.detach().numpy() for module in net.modules() if isinstance(module, nn.Conv2d)]


def test_filter_l1_sums_no_weight_that_reads_a_removed_channel():
    """In NumPy, for a plain VGG: each convolution reads the channels of the one before."""
    net, masks = masked("vgg-digits", "if", 0.5, 1)
    found = make_pruner(net, score="filter_l1").scores()
    read, larger = np.ones(1, dtype=bool), 0
    for weight, (site, mask) in zip(convolutions(net), masks.items(), strict=True):
        summed = np.abs(weight[mask.numpy()][:, read]).sum((1, 2, 3))
        np.testing.assert_allclose(found[site][mask].numpy(), summed, rtol=1e-13)
        larger += int((np.abs(weight[mask.numpy()]).sum((1, 2, 3)) > 1.2 * summed).sum())
        read = mask.numpy()
    assert larger > 0.8 * sum(int(mask.sum()) for mask in list(masks.values())[1:])


@pytest.mark.parametrize("score", ["filter_l1", "random"])
def test_masked_and_small_training_choose_the_same_channels_by_weights(score):
    runs = []
    for kind in (ChannelPruner, ShrinkingPruner):
        net = make_net()
        pruner = make_pruner(net, ratio=0.6, epochs=5, kind=kind, score=score)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        for epoch in range(1, 6):
            optimizer = pruner.carry(optimizer)
            training.train_epoch(pruner.trained, batches(net, 2, seed=100 * epoch), optimizer, 1e-3, pruner)
            pruner.after_epoch(epoch)
        runs.append((pruner.history, {site: mask.tolist() for site, mask in pruner.masks.items()}))
    assert runs[0] == runs[1] and len(runs[0][0]) == 4


def test_soft_mode_scores_every_weight_for_every_weight_trains():
    net = make_net()
    pruner = make_pruner(net, mode="soft", score="filter_l1")
    one_batch(net)
    pruner.after_epoch(1)
    assert sum(int(mask.sum()) for mask in pruner.masks.values()) == 60
    for weight, score in zip(convolutions(net), pruner.scores().values(), strict=True):
        np.testing.assert_allclose(score.numpy(), np.abs(weight).sum((1, 2, 3)), rtol=1e-13)
