"""Grad R and STDS: the step is handed to the hidden parameter, and the weight is read off it."""

import math

import pytest
import torch
from helpers import batches, make_net, task_of

from lib import training
from lib.pruning.thresholds import ThresholdPruner
from lib.settings import Threshold, Trial

RULES = {"grad_r": 0.02, "stds": 0.15}


def threshold(rule, strength=None):
    return Threshold(kind="threshold", label="test", rule=rule, strength=strength or RULES[rule])


def run_of(splits, rule, epochs=4):
    return training.Run(splits, task_of(epochs), Trial(density=0.3, method=threshold(rule)), 0)


def one_step(rule, weights, step, strength, lr=0.5, progress_epochs=0):
    """Sets a network's first weights to `weights`, lets an optimiser add `step` to them;
    returns them as shown afterwards."""
    net = make_net()
    conv = net.weights()["conv1"]
    flat = conv.data.view(-1)
    flat[: len(weights)] = torch.tensor(weights, dtype=flat.dtype)
    pruner = ThresholdPruner(net, threshold(rule, strength), 0.25, epochs=5)
    pruner.done = progress_epochs
    flat[: len(step)] += torch.tensor(step, dtype=flat.dtype)
    pruner.after_step(torch.optim.SGD(net.parameters(), lr))
    return pruner, conv.detach().view(-1)[: len(weights)].tolist()


def test_grad_r_by_hand():
    """w = s max(theta, 0); theta moves by s times the step and by -lr strength towards a centre below 0."""
    strength, lr = 0.1, 0.5
    centre = math.log(2 * 0.25) / strength
    assert centre < -1
    pruner, shown = one_step("grad_r", [0.30, -0.30, 0.05, -0.05], [0.1, 0.1, -0.2, 0.2], strength, lr)
    assert shown == pytest.approx(
        [0.35, -0.15, 0.0, 0.0]
    )  # theta: .3+.1-.05, .3-.1-.05, .05-.2-.05, the same
    theta = (pruner.hidden["conv1"] * pruner.sign["conv1"]).view(-1)[:4].tolist()
    assert theta == pytest.approx([0.35, 0.15, -0.2, -0.2])


def test_a_dormant_connection_comes_back_with_the_sign_it_had():
    pruner, shown = one_step("grad_r", [0.05, -0.05], [-0.2, 0.2], 0.1)
    assert shown == [0.0, 0.0]
    conv = pruner.net.weights()["conv1"]
    conv.data.view(-1)[:2] += torch.tensor([0.5, -0.5])
    pruner.after_step(torch.optim.SGD(pruner.net.parameters(), 0.5))
    assert conv.detach().view(-1)[:2].tolist() == pytest.approx([0.25, -0.25])


def test_stds_by_hand():
    """|w| is the hidden parameter beyond d, which rises as a sine to `strength` at the start of the last
    epoch."""
    for done in range(5):
        d = 0.2 * (1 - math.cos(math.pi * min(1, done / 4))) / 2
        _, shown = one_step("stds", [0.5, -0.5, 0.1], [0.1, 0.1, 0.02], 0.2, progress_epochs=done)
        assert shown == pytest.approx([0.6 - d, -(0.4 - d), max(0.12 - d, 0)])


@pytest.mark.parametrize("rule", RULES)
def test_weights_leave_and_come_back(rule, few_digits):
    run = run_of(few_digits, rule)
    gone, back = False, False
    for _ in range(4):
        before = {name: w.detach() == 0 for name, w in run.net.weights().items()}
        training.train_epoch(run.net, run.batches(run.order), run.optimizer, run.l1, run.pruner)
        for name, w in run.net.weights().items():
            gone |= bool((~before[name] & (w == 0)).any())
            back |= bool((before[name] & (w != 0)).any())
            assert not w.detach()[w == 0].signbit().any()
        run.pruner.after_epoch(len(run.pruner.history) + 1)
    assert gone and back
    densities = [update["density"] for update in run.pruner.history]
    assert densities[-1] < densities[0] < 1


def test_the_last_epoch_trains_at_the_final_threshold():
    net = make_net()
    pruner = ThresholdPruner(net, threshold("stds", 0.1), 0.3, epochs=3)
    optimizer = torch.optim.SGD(net.parameters(), 0.0)
    for epoch in (1, 2):
        training.train_epoch(net, batches(net, 1), optimizer, pruner=pruner)
        pruner.after_epoch(epoch)
    at_last = {name: w.detach().clone() for name, w in net.weights().items()}
    training.train_epoch(net, batches(net, 1), optimizer, pruner=pruner)
    pruner.after_epoch(3)
    for name, w in net.weights().items():
        assert torch.equal(w, at_last[name])
        hidden = pruner.hidden[name]
        assert torch.allclose(w.detach(), hidden.sign() * (hidden.abs() - 0.1).clamp(min=0))
