"""A network that was taken over is trained, pruned and regrown as the study's own are."""

import pytest
import torch
from helpers import task_of, trial_of
from spikingjelly.activation_based import layer, neuron
from spikingjelly.activation_based.model import sew_resnet
from torch import nn

from lib import measure, models, pruning, training
from lib.core.errors import ConfigError
from lib.settings import DENSE, Fast, Rewire, Rewiring, Trial

SHAPE = (1, 8, 8)


def theirs():
    """A spiking VGG, a block with a shortcut behind it, and a neuron with a learned time constant."""
    torch.manual_seed(0)
    block = sew_resnet.BasicBlock(8, 8, cnf="ADD", spiking_neuron=neuron.IFNode)
    return nn.Sequential(
        layer.Conv2d(1, 8, 3, padding=1),
        layer.BatchNorm2d(8),
        neuron.ParametricLIFNode(),
        block,
        layer.MaxPool2d(2, 2),
        layer.Conv2d(8, 16, 3, padding=1),
        layer.BatchNorm2d(16),
        neuron.IFNode(),
        layer.Flatten(),
        layer.Linear(256, 10),
    )


def run_of(splits, trial, task=None, seed=0, **recipe):
    net = models.adopt(theirs(), SHAPE, 3)
    return training.Adopted(splits, task or task_of(epochs=4, **recipe), trial, seed, net)


def shrinking():
    task = task_of(epochs=4)
    return task.model_copy(update={"prune": task.prune.model_copy(update={"compact": True})})


def test_it_learns_and_its_neurons_do(few_digits):
    run = run_of(few_digits, DENSE, task_of(epochs=12))
    before = run.net.state_dict()["layers.2.node.w"].clone()
    run.fit("dense")
    assert run.log[-1]["loss"] < 0.6 * run.log[0]["loss"]
    assert run.net.T == 3 and not torch.equal(run.net.state_dict()["layers.2.node.w"], before)


RANDOM = {"mode": "fixed", "score": "random", "growth": "none", "regrow": 0.0}


@pytest.mark.parametrize("settings", [{}, {"mode": "soft"}, {"score": "filter_l1"}, RANDOM])
def test_channels_are_pruned_and_regrown_and_really_removed(few_digits, settings):
    run = run_of(few_digits, trial_of(0.5, **settings))
    run.fit("sca")
    small = run.finish()
    kept = pruning.prunable_channels(small)
    assert sum(kept.values()) == 20 and set(kept) == {"0", "3.conv1", "3.conv2", "5"}
    assert measure.max_logit_diff(run.masked(), small, few_digits.test[0][:20]) <= 1e-12
    found = measure.report(run)
    assert found["parameters"]["total"] == sum(p.numel() for p in small.parameters())
    assert found["channels"] == {"0": 8, "3.conv1": 8, "3.conv2": 8, "5": 16}


def test_training_the_kept_channels_alone_is_the_same(few_digits):
    runs = [run_of(few_digits, trial_of(0.5), task) for task in (task_of(epochs=4), shrinking())]
    for run in runs:
        run.fit("sca")
    whole, small = (run.finish() for run in runs)
    assert len(runs[1].net.sites["5"].mask) < 16
    assert [line["validation"] for line in runs[0].log] == [line["validation"] for line in runs[1].log]
    x = few_digits.test[0][:50]
    assert torch.allclose(measure.predict(whole, x), measure.predict(small, x), atol=1e-4)


def test_it_goes_on_where_it_was_stopped(few_digits, tmp_path):
    whole = run_of(few_digits, trial_of(0.5), shrinking())
    whole.fit("whole")
    first = run_of(few_digits, trial_of(0.5), shrinking())
    first.fit("first", tmp_path / "kept.pt", until=3)
    second = run_of(few_digits, trial_of(0.5), shrinking())
    assert second.resume(tmp_path / "kept.pt")
    second.fit("second")
    assert second.log == whole.log
    for mine, other in zip(second.finish().parameters(), whole.finish().parameters(), strict=True):
        assert torch.equal(mine, other)


def test_single_weights_are_rewired(few_digits):
    method = Rewiring(label="scheduled", kind="rewiring", ratio="cubic")
    task = task_of(epochs=4).model_copy(update={"rewire": Rewire(warmup=1, interval=1, stop=0.8)})
    run = run_of(few_digits, Trial(method=method, density=0.3), task)
    run.fit("pq")
    assert measure.weights_left(run.finish())["density"] == pytest.approx(0.3, abs=0.01)


def test_phases_and_fast_ways_take_it_too(few_digits):
    task = task_of(
        epochs=3, phases=[{"epochs": 1, "units": "rate"}, {"epochs": 1, "units": "spiking", "T": 1}]
    )
    run = run_of(few_digits, DENSE, task.model_copy(update={"fast": Fast(neurons="compiled", bf16=True)}))
    run.fit("phases")
    assert run.net.T == 3 and run.log[-1]["loss"] < run.log[0]["loss"]


def test_other_images_are_refused(few_digits):
    net = models.adopt(theirs(), SHAPE, 3)
    net.spec["num_classes"] = 7
    with pytest.raises(ConfigError, match="the network is for 7 classes, not 10 classes; adopt it"):
        training.Adopted(few_digits, task_of(), DENSE, 0, net)
