"""What a reader's own score, growth or schedule returns is looked at before it ranks or counts anything."""

import math

import numpy as np
import pytest
import torch
from helpers import batches, images, make_net, make_pruner
from torch import nn

from lib.core.errors import ConfigError, CriterionError
from lib.pruning import SCORES, ScoreMeter, WeightPruner, activity_scores
from lib.pruning.growth import GROWTH
from lib.pruning.rewiring import WEIGHT_GROWTH
from lib.pruning.schedules import DENSITY_SCHEDULES, RATIO_SCHEDULES, REGROW_SCHEDULES
from lib.pruning.scores import ACTIVITY_SCORES, WEIGHT_SCORES
from lib.settings import Rewire, Rewiring

WRONG = {  # of right numbers -> (wrong ones, what the message says was returned)
    "an entry too many": lambda good: (torch.cat([good, good[:1]]), "of shape [9"),
    "a dimension too many": lambda good: (good[..., None], "of shape [8"),
    "one for all": lambda good: (good.sum(), "of shape []"),
    "a number": lambda good: (0.25, "returned 0.25"),
    "a list": lambda good: (good.tolist(), "returned ["),
    "nothing": lambda good: (None, "returned None"),
    "an array": lambda good: (good.numpy(), "returned array("),
    "whole numbers": lambda good: (good.long(), "torch.int64"),
    "bools": lambda good: (good > 0.5, "torch.bool"),
    "complex numbers": lambda good: (good + 1j, "torch.complex128"),
    "elsewhere": lambda good: (good.to("meta"), "on meta"),
    "infinite": lambda good: (1 / (good - good.min()), "returned inf at "),
    "below all": lambda good: (good.where(good < good.max(), -torch.inf), "returned -inf at "),
    "all 0/0": lambda good: (0 * good / 0, "returned nan at 0"),
}


def right(shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def refused(error, *named):
    """One line, shown without a stack in a notebook: who returned what, and what it must return."""
    line = str(error.value)
    assert "\n" not in line and len(line) < 350
    assert all(each in line for each in (*named, "it must return")), line
    assert isinstance(error.value, ValueError) and isinstance(error.value, ConfigError)
    assert error.value._render_traceback_() == [f"CriterionError: {line}"]


def one_batch(net):
    ((x, y),) = batches(net, 1)
    nn.functional.cross_entropy(net.train()(x), y).backward()


def wrong_at(site_name, bad):
    """A weight score, or a growth."""
    return lambda site, *_: bad if site.name == site_name else right(len(site.mask))


def added(monkeypatch, name, function, *registries):
    for registry in registries:
        monkeypatch.setitem(registry, name, function)


@pytest.mark.parametrize("mode", ["frozen", "soft"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_weight_score(monkeypatch, wrong, mode):
    net, (bad, told) = make_net(), WRONG[wrong](right(8))
    added(monkeypatch, "mine", wrong_at("conv4", bad), WEIGHT_SCORES, SCORES)
    pruner = make_pruner(net, score="mine", growth="none", mode=mode)
    with pytest.raises(CriterionError) as error:
        pruner.after_epoch(1)
    refused(error, "score mine, site conv4: returned", told)
    assert all(mask.all() for mask in pruner.masks.values()) and pruner.history == []


@pytest.mark.parametrize("wrong", WRONG)
def test_an_activity_score(monkeypatch, wrong):
    """It is told apart by its map: 2 x 2 in the last three layers."""
    net, (bad, told) = make_net(), WRONG[wrong](right(32))

    def score(act):
        return bad if act.spikes.shape[-1] == 2 else right(act.spikes.shape[2])

    added(monkeypatch, "mine", score, ACTIVITY_SCORES, SCORES)
    pruner = make_pruner(net, score="mine", growth="none")
    with pytest.raises(CriterionError) as error:
        one_batch(net)
        pruner.after_epoch(1)
    refused(error, "score mine, site conv5: returned", told.replace("[9", "[33").replace("[8", "[32"))
    assert all(mask.all() for mask in pruner.masks.values()) and pruner.history == []


@pytest.mark.parametrize("wrong", WRONG)
def test_a_growth(monkeypatch, wrong):
    net, (bad, told) = make_net(), WRONG[wrong](right(8))
    added(monkeypatch, "mine", wrong_at("conv4", bad), GROWTH)
    pruner = make_pruner(net, score="bn_gamma", growth="mine")
    with pytest.raises(CriterionError) as error:
        pruner.after_epoch(1)
    refused(error, "growth mine, site conv4: returned", told)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_growth_of_single_weights(monkeypatch, wrong):
    net, (bad, told) = make_net(), WRONG[wrong](right((8, 8, 3, 3)))

    def grow(weight, state, generator):
        return bad if weight.shape == (8, 8, 3, 3) else right(weight.shape)

    added(monkeypatch, "random", grow, WEIGHT_GROWTH)
    pruner = weight_pruner(net, growth="random")
    pruner.after_step(torch.optim.SGD(net.parameters(), lr=0.1))
    with pytest.raises(CriterionError) as error:
        pruner.after_epoch(1)
    refused(error, "growth random, layer conv4: returned", told)


def weight_pruner(net, **settings):
    method = Rewiring(kind="rewiring", label="mine", **settings)
    return WeightPruner(net, method, 0.2, 9, Rewire(warmup=1, interval=1, stop=1.0), torch.Generator())


def potential_a_spike(act):
    """0/0 or x/0 where a channel never fires."""
    return act.h_pre.abs().sum((0, 1, 3, 4)) / act.spikes.sum((0, 1, 3, 4))


def test_a_score_that_divides_by_the_spikes_of_a_silent_channel(monkeypatch):
    added(monkeypatch, "mine", potential_a_spike, ACTIVITY_SCORES, SCORES)
    net = make_net()
    site = net.sites["conv6"]
    with torch.no_grad():
        site.bn.weight[3] = 0.0
        site.bn.bias[3] = 0.0
    pruner = make_pruner(net, score="mine")
    one_batch(net)
    with pytest.raises(CriterionError) as error:
        pruner.after_epoch(1)
    refused(error, "score mine, site conv6: returned nan at 3", "1 of 32 are not finite", "dead channels")
    (batch,) = batches(net, 1)
    with pytest.raises(CriterionError, match="score mine, site conv6"):
        activity_scores(net, "mine", [batch])


def test_one_bad_batch_among_good_ones_spoils_no_mean(monkeypatch):
    calls = []

    def score(act):
        calls.append(act)
        return right(act.spikes.shape[2]) / (0.0 if len(calls) == 10 else 1.0)

    added(monkeypatch, "mine", score, ACTIVITY_SCORES, SCORES)
    net = make_net()
    meter = ScoreMeter(net, "mine")
    for seed in range(3):
        net.train()(images(net, 4, seed))
    with pytest.raises(CriterionError) as error:
        meter.mean()
    refused(error, "score mine, site conv3: returned inf at 0", "8 of 8")
    meter.clear()
    net(images(net, 4))
    assert all(mean.isfinite().all() for mean in meter.mean().values())


NO_NUMBERS = [None, "0.5", [0.5], 0.5 + 0j, torch.tensor(0.5), np.array([0.5])]
LEAVES = [1.5, -0.125, math.nan, math.inf, *NO_NUMBERS]
OF_CHANNELS = {"ratio_schedule": RATIO_SCHEDULES, "regrow_schedule": REGROW_SCHEDULES}


def late(value):
    """A schedule that goes wrong at its last update."""
    return lambda progress, *ends: value if progress == 1 else ends[0]


@pytest.mark.parametrize("value", [1.0, *LEAVES], ids=str)
@pytest.mark.parametrize("kind", OF_CHANNELS)
def test_a_schedule_that_goes_wrong_late_is_refused_before_the_first_epoch(monkeypatch, kind, value):
    added(monkeypatch, "mine", late(value), OF_CHANNELS[kind])
    with pytest.raises(CriterionError) as error:
        make_pruner(make_net(), epochs=6, **{kind: "mine"})
    refused(error, f"{kind} mine, update 5 of 5: returned ", repr(value)[:20], "a number in [0, 1)")


@pytest.mark.parametrize("value", [0.0, *LEAVES], ids=str)
def test_a_schedule_of_densities_likewise(monkeypatch, value):
    added(monkeypatch, "cubic", late(value), DENSITY_SCHEDULES)
    with pytest.raises(CriterionError) as error:
        weight_pruner(make_net(), ratio="cubic")
    refused(error, "ratio cubic, update 8 of 8: returned ", repr(value)[:20], "a number in (0, 1]")


@pytest.mark.parametrize("value", [0, 0.0, np.float32(0.25), 0.999])
def test_a_schedule_may_return_any_kind_of_real_number(monkeypatch, value):
    added(monkeypatch, "mine", lambda progress, final: value, REGROW_SCHEDULES)
    pruner = make_pruner(make_net(), score="bn_gamma", growth="random", regrow_schedule="mine")
    pruner.after_epoch(1)
    assert pruner.history[0]["regrow"] == value and type(pruner.history[0]["regrow"]) is float


def test_what_is_right_is_used_as_it_is(monkeypatch):
    """A graph that hangs on a score is cut, float32 in a float64 network is taken."""
    added(monkeypatch, "mine", lambda site, *_: site.bn.weight.abs().float(), WEIGHT_SCORES, SCORES)
    net = make_net()
    found = make_pruner(net, score="mine").scores()
    for name, site in net.sites.items():
        assert not found[name].requires_grad
        torch.testing.assert_close(found[name].double(), site.bn.weight.detach().abs(), rtol=1e-6, atol=0)


def test_a_name_that_no_schedule_has_is_refused_before_the_first_epoch():
    told = "regrow_schedule: 'slow' is not known; known are constant, decay"
    with pytest.raises(ConfigError, match=told):
        make_pruner(make_net(), regrow_schedule="slow")
