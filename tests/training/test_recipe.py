"""The recipe of the speedrun: Muon, its rate, fewer steps at first, filters from patches, mirrored turns."""

import math
from dataclasses import replace

import pytest
import torch
from helpers import make_net, task_of, trial_of

from lib import data, models
from lib.data.augmentation import shift_turn
from lib.models.start import SCALES, recalibrate, rescale, whiten
from lib.pruning import compact, compact_optimizer
from lib.settings import DENSE, Train
from lib.settings.task import Phase
from lib.training import Run, make_optimizer, set_lr
from lib.training.phases import mean_loss
from lib.training.steps import triangular

MUON = {"optimizer": "muon", "lr_convolutions": 0.02, "lr_schedule": "triangular", "warmup": 1}
RECTIFIED = (Phase(epochs=2, units="relu"),)
RATES = (Phase(epochs=1, units="relu"), Phase(epochs=1, units="rate"))
FEWER = (Phase(epochs=2, units="spiking", T=2),)


def recipe(**settings) -> Train:
    return task_of(**{"epochs": 5, **MUON, **settings}).train


def convolutions(net):
    return [module.weight for module in net.modules() if isinstance(module, torch.nn.Conv2d)]


def with_gradients(net, seed=5):
    chance = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=chance, dtype=parameter.dtype)
    return net


def test_muon_moves_convolutions_by_an_orthogonal_step_and_the_rest_as_sgd_does():
    nets = [with_gradients(make_net()) for _ in range(2)]
    muon = make_optimizer(nets[0], recipe(weight_decay=0.01))
    others = [p for p in nets[1].parameters() if not any(p is weight for weight in convolutions(nets[1])[1:])]
    groups = [
        {"params": [p for p in others if p.dim() > 1], "weight_decay": 0.01},
        {"params": [p for p in others if p.dim() == 1]},
    ]
    sgd = torch.optim.SGD(groups, 0.05, momentum=0.9, nesterov=True)
    before = [weight.detach().flatten(1).clone() for weight in convolutions(nets[0])[1:]]
    muon.step()
    sgd.step()
    moved = {id(weight) for weight in convolutions(nets[0])[1:]}
    for ours, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        if id(ours) not in moved:
            assert torch.equal(ours, theirs)
    for weight, old in zip(convolutions(nets[0])[1:], before, strict=True):
        step = old * (len(old) ** 0.5 / old.norm()) - weight.detach().flatten(1)
        # at the rate given, whatever the gradient's size: three steps of Newton and Schulz leave singular
        # values of 0.3 to 1.3
        values = torch.linalg.svdvals(step) / muon.param_groups[-1]["lr"]
        assert values.min() > 0.2 and values.max() < 1.4


def test_a_filter_without_a_gradient_keeps_its_direction_under_muon():
    net = with_gradients(make_net())
    weight = convolutions(net)[2]
    weight.grad[3] = 0.0
    weight.grad[:, 1] = 0.0
    before = weight.detach().clone()
    make_optimizer(net, recipe()).step()
    common = len(before) ** 0.5 / before.norm()
    torch.testing.assert_close(weight[3], common * before[3], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(weight[:, 1], common * before[:, 1], rtol=1e-6, atol=1e-9)
    assert not torch.allclose(weight[4], common * before[4], rtol=1e-2)


def test_muons_momentum_follows_the_channels_that_are_kept():
    net = with_gradients(make_net())
    optimizer = make_optimizer(net, recipe())
    optimizer.step()
    masks = {name: torch.arange(len(site.mask)) % 3 > 0 for name, site in net.sites.items()}
    small = compact(net, masks)
    moved = compact_optimizer(optimizer, net, small, masks)
    whole, kept = convolutions(net)[2], convolutions(small)[2]
    expected = optimizer.state[whole]["momentum_buffer"][masks["conv3"]][:, masks["conv2"]]
    assert torch.equal(moved.state[kept]["momentum_buffer"], expected)
    with_gradients(small)
    moved.step()
    assert all(weight.isfinite().all() for weight in small.parameters())


def test_the_rate_rises_from_a_fifth_and_falls_to_0_from_step_to_step():
    given = recipe(lr=0.4, warmup=2)
    rates = [triangular(epoch, given) for epoch in (0, 1, 2, 3.5, 5)]
    assert rates == pytest.approx([0.08, 0.24, 0.4, 0.2, 0.0])
    optimizer = make_optimizer(make_net(), recipe(lr=0.4, lr_convolutions=0.1, warmup=2))
    set_lr(optimizer, 3.5, given)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.2, 0.05])


def test_other_schedules_stand_still_within_an_epoch():
    optimizer = make_optimizer(make_net(), task_of(epochs=4).train)
    rates = []
    for epoch in (2, 2.9, 3):
        set_lr(optimizer, epoch, task_of(epochs=4).train)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == rates[1] == 0.05 * 0.5 * (1 + math.cos(math.pi / 2)) != rates[2]


def phased_run(few_digits, phases=RECTIFIED) -> Run:
    return Run(few_digits, task_of(epochs=4, **MUON, phases=phases), DENSE, 0)


def test_rectified_units_have_one_step_and_send_no_spikes(few_digits):
    run = phased_run(few_digits)
    sent = []
    run.net.sites["conv3"].register_forward_hook(lambda _, __, out: sent.append(out.detach()))
    for _ in range(4):
        run.epoch()
        binary = bool(((sent[-1] == 0) | (sent[-1] == 1)).all())
        assert (len(sent[-1]), binary) == ((1, False) if len(run.log) <= 2 else (4, True))
        sent.clear()
    assert run.finish().T == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"T": 2, "epochs": 2, "units": "relu"}, "T: 2 with units relu"),
        ({"T": 2, "epochs": 2, "units": "rate"}, "T: 2 with units rate"),
        ({"epochs": 2, "units": "spiking"}, "units: spiking without T"),
    ],
)
def test_a_phase_that_cannot_be_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        Phase(**given)


def test_the_last_epoch_spikes_at_all_steps():
    with pytest.raises(ValueError, match="phases: 4 epochs in all: the training has 4"):
        recipe(epochs=4, phases=(*RECTIFIED, *FEWER))


def test_rates_come_between_rectified_units_and_spikes(few_digits):
    run = phased_run(few_digits, RATES)
    sent = []
    run.net.sites["conv3"].register_forward_hook(lambda _, __, out: sent.append(out.detach()))
    for steps, values in ((1, None), (1, {0, 0.25, 0.5, 1}), (4, {0, 1}), (4, {0, 1})):
        run.epoch()
        seen = set(sent[-1].unique().tolist())
        assert len(sent[-1]) == steps and (seen == values if values else not seen < {0, 0.25, 0.5, 1})
        sent.clear()


def test_rates_are_those_of_neurons_under_the_same_input_at_each_step(few_digits):
    """The first layer's input is the same at each step: it fires at the rates that it would pass on."""
    net = make_net().eval()
    images = few_digits.train[0][:8].double()
    sent = []
    net.sites["conv1"].register_forward_hook(lambda _, __, out: sent.append(out.detach().mean(0)))
    with torch.no_grad():
        net.run_for(4)(images)
        net.run_for(4, "rate")(images)
    assert torch.equal(*sent) and 0 < sent[0].mean() < 1


def test_epochs_with_rectified_units_teach_what_spikes_take_over(digits):
    run = phased_run(digits)
    run.fit("phases")
    assert run.log[-1]["validation"] > 0.6


def multiply(net, factor: float):
    """Scale and shift of every BN."""
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.weight.data *= factor
            module.bias.data *= factor
    return net


@pytest.mark.parametrize("shrunk", [0.3, 1.0, 3.0])
def test_neurons_take_up_the_scale_with_the_lowest_loss(digits, shrunk):
    task = task_of(epochs=8, **MUON, phases=(Phase(epochs=6, units="relu"),))
    run = Run(digits, task, DENSE, 0)
    run.fit("rectified", until=6)
    multiply(run.net, shrunk).run_for(4)
    batches = list(run.batches(torch.Generator().manual_seed(0), 4))
    tried = {}
    for factor in SCALES:
        other = multiply(models.clone(run.net, torch.float32), factor)
        recalibrate(other, batches)
        with torch.no_grad():
            tried[factor] = sum(run.loss(other, x, y).item() for x, y in batches)
    best = rescale(run.net, batches, lambda chosen: mean_loss(run.net, chosen, run.loss))
    assert best == min(tried, key=tried.get)
    assert (best > 1) == (shrunk == 0.3) and (best < 0.5) == (shrunk == 3.0)


def test_statistics_are_measured_anew_where_steps_become_more(few_digits):
    run = phased_run(few_digits)
    run.epoch()
    run.epoch()
    before = run.net.sites["conv4"].bn.running_var.clone()
    run._begin(3)
    after = run.net.sites["conv4"].bn.running_var
    assert not torch.allclose(before, after, rtol=0.05) and run.net.T == 4


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("phases", [RECTIFIED, RATES, FEWER], ids=["relu", "rate", "spiking"])
def test_a_run_stopped_in_or_after_a_phase_ends_with_the_same_bits(few_digits, tmp_path, stop, phases):
    whole = phased_run(few_digits, phases)
    whole.fit("whole")
    first = phased_run(few_digits, phases)
    first.fit("first", tmp_path / "kept.pt", until=stop)
    second = phased_run(few_digits, phases)
    assert second.resume(tmp_path / "kept.pt")
    second.fit("second", tmp_path / "kept.pt")
    assert whole.log == second.log
    for ours, theirs in zip(whole.net.state_dict().values(), second.net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("phases", [RECTIFIED, RATES, FEWER])
def test_a_run_taken_up_after_its_end_is_the_network_that_was_kept(few_digits, tmp_path, phases):
    ended = phased_run(few_digits, phases)
    ended.fit("ended", tmp_path / "kept.pt")
    again = phased_run(few_digits, phases)
    assert again.resume(tmp_path / "kept.pt")
    assert again.validate() == ended.validate() == ended.log[-1]["validation"]
    x = few_digits.test[0][:8]
    assert torch.equal(again.finish()(x), ended.finish()(x))


def test_a_pruned_run_counts_steps_in_what_is_left_and_learns_on(digits):
    task = task_of(epochs=8, **MUON, phases=(Phase(epochs=1, units="spiking", T=1),))
    prune = task.prune.model_copy(update={"warmup": 4, "compact": True})
    run = Run(digits, task.model_copy(update={"prune": prune}), trial_of(0.5), 0)
    run.fit("pruned")
    assert run.net.T == 4 and sum(len(site.mask) for site in run.net.sites.values()) == 60
    assert run.log[-1]["validation"] > 0.5


def test_channels_change_in_a_phase_of_rates_and_what_is_left_is_the_same_trained_small(few_digits):
    """Masked and compact training agree through updates in rates, the change to spikes, and one in spikes."""
    halves = (few_digits.train, few_digits.validation)
    train, validation = ((x.double(), y) for x, y in halves)
    splits = replace(few_digits, train=train, validation=validation)
    phases = (Phase(epochs=1, units="relu"), Phase(epochs=3, units="rate"))
    task = task_of(epochs=6, phases=phases)
    runs = []
    for small in (False, True):
        prune = task.prune.model_copy(update={"warmup": 3, "compact": small})
        runs.append(Precise(splits, task.model_copy(update={"prune": prune}), trial_of(0.5, regrow=0.2), 0))
        runs[-1].fit("pruned")
        runs[-1].finish()
    masked, small = (run.pruner for run in runs)
    assert [update["epoch"] for update in masked.history] == [3, 4, 5] and masked.history == small.history
    assert any(update["changed"] > 0 for update in masked.history[1:])
    assert sum(len(site.mask) for site in runs[1].net.sites.values()) == 60
    theirs = small.net.state_dict()
    for name, ours in masked.net.state_dict().items():
        torch.testing.assert_close(ours, theirs[name], rtol=1e-7, atol=1e-9, msg=name)


class Precise(Run):
    """In float64."""

    def build(self):
        return super().build().double()


def test_filters_start_from_the_patches_components_each_once_negated():
    net = models.build("vgg7", 10, (3, 32, 32), 1)
    chance = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(64, 3, 36, 36, generator=chance), 5, 1)
    old = convolutions(net)[0].detach().clone()
    whiten(net, smooth)
    weight = convolutions(net)[0].detach()
    assert torch.equal(weight[0:54:2], -weight[1:54:2]) and torch.equal(weight[54:], old[54:])
    out = torch.nn.functional.conv2d(smooth - smooth.mean((0, 2, 3), keepdim=True), weight[0:8:2])
    covariance = torch.cov(out.transpose(0, 1).flatten(1))
    torch.testing.assert_close(covariance, torch.eye(4), rtol=0, atol=0.1)


def test_every_image_is_mirrored_in_every_other_epoch():
    x = torch.arange(2 * 3 * 6 * 6).view(2, 3, 6, 6).float()
    x = x.repeat_interleave(50, 0)
    seen = [
        dict(zip(y.tolist(), batch, strict=True))
        for epoch in range(3)
        for batch, y in data.batches(x, torch.arange(100), 100, torch.Generator(), turns, epoch)
    ]
    first, second, third = (torch.stack([one[n] for n in range(100)]) for one in seen)
    assert (
        torch.equal(first, third)
        and torch.equal(first, second.flip(3))
        and 30 < (first == x).all((1, 2, 3)).sum() < 70
    )


def turns(x, generator, turned):
    """`shift_turn` without its shift."""
    return torch.where(turned[:, None, None, None], x.flip(3), x)


def test_a_shift_fills_in_what_lies_mirrored_at_the_border():
    x = torch.rand(40, 1, 8, 8)
    turned = torch.arange(40) % 2 == 0
    found = shift_turn(x, torch.Generator().manual_seed(1), turned)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    for n in range(40):
        parts = padded[n, 0].unfold(0, 8, 1).unfold(1, 8, 1).flatten(0, 1)
        parts = parts.flip(2) if turned[n] else parts
        assert (parts == found[n, 0]).all((1, 2)).any()
