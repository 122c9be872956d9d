"""Compact training: training the kept channels alone is the same algorithm as training the masked network."""

import copy

import numpy as np
import pytest
import torch
from helpers import batches, make_net, make_pruner, task_of

from lib import pruning, training


def run_through(pruner, net, optimizer_of, epochs, steps=3):
    """Trains through every update on the same batches; returns the network with all its channels,
    and the losses."""
    optimizer, losses = optimizer_of(net), []
    for epoch in range(1, epochs + 1):
        trained, optimizer = pruner.trained, pruner.carry(optimizer)
        losses.append(
            training.train_epoch(trained, batches(net, steps, seed=100 * epoch), optimizer, 1e-3, pruner)
        )
        pruner.after_epoch(epoch)
    small = pruner.finish()
    return pruner.net, small, losses


RECIPE = task_of(5, optimizer="adamw", lr=1e-3, weight_decay=0.5).train
OPTIMIZERS = {
    "sgd": lambda net: torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2),
    "adam": lambda net: torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2),
    "adamw": lambda net: training.make_optimizer(net, RECIPE),  # two groups, and only one of them decays
}


def both_ways(optimizer, method, **settings):
    """Largest difference between the same training with all channels and with the kept ones alone."""
    runs = []
    for kind in (pruning.ChannelPruner, pruning.ShrinkingPruner):
        net = make_net(**settings)
        pruner = make_pruner(net, ratio=0.6, epochs=5, kind=kind, **method)
        runs.append((pruner, *run_through(pruner, net, OPTIMIZERS[optimizer], epochs=5)))
    (masked, full, small, losses), (shrunk, other, cut, again) = runs
    apart = [abs(a - b) for a, b in zip(losses, again, strict=True)]
    for one, two in ((full, other), (small, cut)):
        theirs = two.state_dict()
        apart += [
            (tensor.double() - theirs[name].double()).abs().max().item()
            for name, tensor in one.state_dict().items()
        ]
    assert len(masked.history) == 4 and masked.history == shrunk.history
    assert any(update["changed"] > 0 for update in masked.history[1:]) or method.get("growth") == "none"
    assert sum(len(site.mask) for site in shrunk.trained.sites.values()) < sum(
        len(site.mask) for site in net.sites.values()
    )
    return max(apart)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("neuron", ["if", "lif"])
@pytest.mark.parametrize(
    "method",
    [
        {},
        {"growth": "none", "regrow": 0.0},
        {"ratio_schedule": "gradual", "regrow_schedule": "decay"},
        {"score": "bn_gamma"},
    ],
    ids=["sca", "only-prune", "sca-plus", "bn-gamma"],
)
def test_small_and_masked_training_agree_in_every_tensor(method, neuron, optimizer, record_property):
    apart = both_ways(optimizer, method, neuron=neuron)
    record_property("largest_difference", apart)
    assert apart < 1e-9


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("neuron", ["if", "lif"])
@pytest.mark.parametrize(
    "name, in_shape",
    [("resnet-digits", (1, 8, 8)), ("preresnet-digits", (1, 8, 8)), ("dvs-digits", (2, 16, 16))],
)
def test_they_agree_on_every_kind_of_network(name, in_shape, neuron, optimizer, record_property):
    apart = both_ways(optimizer, {}, name=name, in_shape=in_shape, width=1.0, neuron=neuron)
    record_property("largest_difference", apart)
    assert apart < 1e-9


def test_a_fixed_mask_is_trained_small_from_the_first_step():
    net = make_net()
    pruner = make_pruner(
        net, ratio=0.7, kind=pruning.ShrinkingPruner, mode="fixed", score="random", growth="none", regrow=0.0
    )
    assert {name: len(site.mask) for name, site in pruner.trained.sites.items()} == {
        n: int(m.sum()) for n, m in pruner.masks.items()
    }


def test_the_optimiser_is_carried_over_once_an_update_and_keeps_its_settings():
    net = make_net()
    pruner, optimizer = make_pruner(net, kind=pruning.ShrinkingPruner), OPTIMIZERS["sgd"](net)
    training.train_epoch(net, batches(net, 2), optimizer, 0.0, pruner)
    pruner.after_epoch(1)
    moved = pruner.carry(optimizer)
    assert moved is not optimizer and pruner.carry(moved) is moved
    assert moved.param_groups[0]["weight_decay"] == 1e-2 and moved.param_groups[0]["params"][0] is next(
        pruner.trained.parameters()
    )


@pytest.mark.parametrize("kind", [pruning.ChannelPruner, pruning.ShrinkingPruner])
def test_the_first_adam_step_of_a_regrown_channel_is_that_of_its_equations(kind):
    """No first moment; for a second one the mean of the channels that trained, at the step count of all:
    computed in NumPy."""
    net = make_net()
    pruner, optimizer = make_pruner(net, ratio=0.6, epochs=5, kind=kind), OPTIMIZERS["adam"](net)
    for epoch in (1, 2):
        optimizer = pruner.carry(optimizer)
        training.train_epoch(pruner.trained, batches(net, 10, seed=epoch), optimizer, 0.0, pruner)
        old, seen = copy.deepcopy(pruner.masks), squares(pruner.trained, optimizer)
        pruner.after_epoch(epoch)
    optimizer = pruner.carry(optimizer)
    before = {site: scale(pruner, site).detach().clone() for site in old}
    training.train_epoch(pruner.trained, batches(net, 1, seed=9), optimizer, 0.0, pruner)
    regrown = 0
    for site, mask in old.items():
        now = pruner.masks[site] if kind is pruning.ShrinkingPruner else torch.ones_like(mask)
        came = (pruner.masks[site] & ~mask)[now].numpy()
        trained = seen[site] if len(seen[site]) == int(mask.sum()) else seen[site][mask.numpy()]
        gradient = scale(pruner, site).grad.numpy()
        mean = 0.1 * gradient / (1 - 0.9**21)
        square = (0.999 * trained.mean() + 0.001 * gradient**2) / (1 - 0.999**21)
        moved = 1e-3 * (1e-2 * before[site].numpy() + mean / (np.sqrt(square) + 1e-8))
        found = (before[site] - scale(pruner, site).detach()).numpy()
        assert np.allclose(found[came], moved[came], rtol=1e-7, atol=1e-13)
        regrown += came.sum()
    assert regrown >= 3


def scale(pruner, site):
    return pruner.trained.sites[site].bn.weight


def squares(net, optimizer):
    """{site: Adam's second moments of its scale}."""
    return {
        name: optimizer.state[site.bn.weight]["exp_avg_sq"].numpy().copy() for name, site in net.sites.items()
    }
