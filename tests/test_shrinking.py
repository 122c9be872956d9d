"""Compact training: training the kept channels alone is the same algorithm as training the masked network."""

import pytest
import torch
from helpers import batches, cell_of, make_net, make_pruner

from lib import pruning, train


def run_through(pruner, net, optimizer_of, epochs, steps=3):
    """Trains through every update on the same batches; returns the network with all its channels, and the losses."""
    optimizer, losses = optimizer_of(net), []
    for epoch in range(1, epochs + 1):
        trained, optimizer = pruner.trained, pruner.carry(optimizer)
        losses.append(train.train_epoch(trained, batches(net, steps, seed=100 * epoch), optimizer, 1e-3, pruner))
        pruner.after_epoch(epoch)
    small = pruner.finish()
    return pruner.net, small, losses


RECIPE = cell_of(5, optimizer="adamw", lr=1e-3, weight_decay=0.5).train
OPTIMIZERS = {
    "sgd": lambda net: torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2),
    "adam": lambda net: torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2),
    "adamw": lambda net: train.make_optimizer(net, RECIPE),  # two groups, and only one of them decays
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
        apart += [(tensor.double() - theirs[name].double()).abs().max().item() for name, tensor in one.state_dict().items()]
    assert len(masked.history) == 4 and masked.history == shrunk.history
    assert any(update["changed"] > 0 for update in masked.history[1:]) or method.get("growth") == "none"
    assert sum(len(site.mask) for site in shrunk.trained.sites.values()) < sum(len(site.mask) for site in net.sites.values())
    return max(apart)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("neuron", ["if", "lif"])
@pytest.mark.parametrize(
    "method",
    [{}, {"growth": "none", "regrow": 0.0}, {"ratio_schedule": "gradual", "regrow_schedule": "decay"}, {"score": "bn_gamma"}],
    ids=["sca", "only-prune", "sca-plus", "bn-gamma"],
)
def test_small_and_masked_training_agree_in_every_tensor(method, neuron, optimizer, record_property):
    apart = both_ways(optimizer, method, neuron=neuron)
    record_property("largest_difference", apart)
    assert apart < 1e-9


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("neuron", ["if", "lif"])
@pytest.mark.parametrize(
    "name, in_shape", [("resnet-digits", (1, 8, 8)), ("preresnet-digits", (1, 8, 8)), ("dvs-digits", (2, 16, 16))]
)
def test_they_agree_on_every_kind_of_network(name, in_shape, neuron, optimizer, record_property):
    apart = both_ways(optimizer, {}, name=name, in_shape=in_shape, width=1.0, neuron=neuron)
    record_property("largest_difference", apart)
    assert apart < 1e-9


def test_a_fixed_mask_is_trained_small_from_the_first_step():
    net = make_net()
    pruner = make_pruner(net, ratio=0.7, kind=pruning.ShrinkingPruner, mode="fixed", score="random", growth="none", regrow=0.0)
    assert {name: len(site.mask) for name, site in pruner.trained.sites.items()} == {
        n: int(m.sum()) for n, m in pruner.masks.items()
    }


def test_the_optimiser_is_carried_over_once_an_update_and_keeps_its_settings():
    net = make_net()
    pruner, optimizer = make_pruner(net, kind=pruning.ShrinkingPruner), OPTIMIZERS["sgd"](net)
    train.train_epoch(net, batches(net, 2), optimizer, 0.0, pruner)
    pruner.after_epoch(1)
    moved = pruner.carry(optimizer)
    assert moved is not optimizer and pruner.carry(moved) is moved
    assert moved.param_groups[0]["weight_decay"] == 1e-2 and moved.param_groups[0]["params"][0] is next(
        pruner.trained.parameters()
    )
