"""The same code on a GPU: the CPU's numbers in float64, the same bits twice, every switch, pruning."""

import pytest
import torch
from helpers import images, labels, make_net, task_of, trial_of

from lib import models
from lib.measure import max_logit_diff
from lib.settings import DENSE, Fast
from lib.settings.task import Phase
from lib.training import Run, set_up, train_epoch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
KERNELS = ("spikingjelly", "fused", "compiled")
MUON = {"optimizer": "muon", "lr_convolutions": 0.02, "lr_schedule": "triangular"}


def learned(net, fast: Fast) -> dict:
    """What one step of plain gradient descent leaves of a network in float64."""
    net = models.clone(net, torch.float64).use(fast)
    x, y = images(net, 16), labels(net, 16)
    device = net.head.weight.device
    train_epoch(net, [(x.to(device), y.to(device))], torch.optim.SGD(net.parameters(), lr=0.01))
    return {name: tensor.cpu() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_a_step_is_the_cpus(neuron, kernel, last):
    net = make_net(neuron)
    expected = learned(net, Fast(neurons="spikingjelly", static_once=False))
    found = learned(net.cuda(), Fast(neurons=kernel, channels_last=last))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-8, atol=1e-10, msg=name)


def run_of(splits, kernel="compiled", bf16=True, trial=DENSE, epochs=4, **recipe) -> Run:
    set_up(1)
    task = task_of(epochs=epochs, **recipe)
    fast = Fast(neurons=kernel, channels_last=True, bf16=bf16)
    return Run(splits, task.model_copy(update={"fast": fast}), trial, 0)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "autocast"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_training_learns(digits, kernel, bf16):
    run = run_of(digits, kernel, bf16)
    run.fit("learns")
    assert run.log[-1]["loss"] < 0.7 * run.log[0]["loss"] and run.net.head.weight.is_cuda


@pytest.mark.parametrize("trial", [DENSE, trial_of(0.5)], ids=["dense", "sca"])
def test_a_stopped_training_ends_with_the_same_bits(few_digits, tmp_path, trial):
    recipe = {} if trial is not DENSE else {**MUON, "phases": (Phase(epochs=1, units="relu"),)}
    whole, first, second = (run_of(few_digits, trial=trial, **recipe) for _ in range(3))
    whole.fit("whole")
    first.fit("first", tmp_path / "kept.pt", until=2)
    assert second.resume(tmp_path / "kept.pt")
    second.fit("second", tmp_path / "kept.pt")
    assert whole.log == second.log
    for ours, theirs in zip(whole.net.state_dict().values(), second.net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("together", [False, True], ids=["masked", "compact"])
def test_a_pruned_network_is_cut_out_exactly(few_digits, together):
    run = run_of(few_digits, trial=trial_of(0.5))
    prune = run.task.prune.model_copy(update={"compact": together})
    run = Run(few_digits, run.task.model_copy(update={"prune": prune}), run.trial, 0)
    run.fit("pruned")
    small = run.finish()
    assert len(small.sites["conv4"].mask) < len(run.masked().sites["conv4"].mask)
    assert max_logit_diff(run.masked(), small, few_digits.test[0][:32].cuda()) < 1e-9
