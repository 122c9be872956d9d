"""Lottery tickets: exact shares, late rewinding of weights, buffers and momentum,
and snapshots that share nothing."""

import pytest
import torch
from helpers import task_of

from lib import training
from lib.pruning.tickets import kept_shares
from lib.pruning.weights import density
from lib.settings import Tickets, Trial


def run_of(splits, final, epochs=3, **settings):
    method = Tickets(kind="tickets", label="test", **settings)
    return training.Run(splits, task_of(epochs), Trial(density=final, method=method), 0)


def trained(run, epochs=None):
    for _ in range(len(run.recipe_epochs) if epochs is None else epochs):
        run.epoch()
    return run


def test_rounds_leave_exact_powers():
    assert kept_shares(0.75**4, 0.25) == [0.75, 0.5625, 0.421875, 0.31640625]
    assert kept_shares(0.3, 0.25) == [0.75, 0.5625, 0.421875, 0.31640625, 0.3]
    assert kept_shares(1.0, 0.25) == []


def test_each_round_leaves_exactly_its_share_and_masks_only_shrink(few_digits):
    run = run_of(few_digits, 0.75**3)
    assert run.recipe_epochs == [0, 1, 2, 1, 2, 1, 2, 1, 2] and run.pruner.updates == [3, 5, 7]
    seen = []
    for _ in run.recipe_epochs:
        run.epoch()
        seen.append({name: mask.clone() for name, mask in run.pruner.masks.items()})
    every = sum(mask.numel() for mask in run.pruner.masks.values())
    left = [sum(int(m.sum()) for m in masks.values()) for masks in seen]
    assert (
        left
        == [every, every]
        + [round(0.75 * every)] * 2
        + [round(0.5625 * every)] * 2
        + [round(0.421875 * every)] * 3
    )
    for before, after in zip(seen, seen[1:], strict=False):
        assert not any((after[name] & ~before[name]).any() for name in after)
    assert density(run.pruner.masks) == run.pruner.history[-1]["density"]


def test_the_smallest_weights_of_all_layers_go(few_digits):
    run = trained(run_of(few_digits, 0.75), 2)
    training.train_epoch(run.net, run.batches(run.order), run.optimizer, run.l1, run.pruner)
    weights = {name: w.detach().clone() for name, w in run.net.weights().items()}
    run.pruner.after_epoch(3)
    gone = torch.cat([weights[name][~mask].abs() for name, mask in run.pruner.masks.items()])
    kept = torch.cat([weights[name][mask].abs() for name, mask in run.pruner.masks.items()])
    assert gone.max() <= kept.min() and len(gone) == round(0.25 * (len(gone) + len(kept)))


def test_a_rewound_network_is_that_of_the_early_epoch_under_the_new_mask(few_digits):
    run = run_of(few_digits, 0.75, rewind=1)
    run.epoch()
    early = {name: tensor.clone() for name, tensor in run.net.state_dict().items()}
    momenta = [run.optimizer.state[p]["momentum_buffer"].clone() for p in run.net.parameters()]
    run.epoch()
    shared = {tensor.data_ptr() for tensor in run.net.state_dict().values()}
    assert not shared & {tensor.data_ptr() for tensor in run.pruner.early["net"].values()}
    training.train_epoch(run.net, run.batches(run.order), run.optimizer, run.l1, run.pruner)
    run.pruner.after_epoch(3)
    masks = {id(w): run.pruner.masks[name] for name, w in run.net.weights().items()}
    for name, tensor in {**dict(run.net.named_parameters()), **dict(run.net.named_buffers())}.items():
        expected = early[name] * masks[id(tensor)] if id(tensor) in masks else early[name]
        assert torch.equal(tensor.detach(), expected), name
    for parameter, momentum in zip(run.net.parameters(), momenta, strict=True):
        assert torch.equal(run.optimizer.state[parameter]["momentum_buffer"], momentum)
    assert not {t.data_ptr() for t in run.net.state_dict().values()} & {
        t.data_ptr() for t in run.pruner.early["net"].values()
    }


def test_removed_weights_stay_0_and_the_rate_of_learning_is_rewound(few_digits):
    run = trained(run_of(few_digits, 0.5625), 4)
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(training.cosine(1, run.task.train))
    for name, weight in run.net.weights().items():
        assert (weight.detach()[~run.pruner.masks[name]] == 0).all()
