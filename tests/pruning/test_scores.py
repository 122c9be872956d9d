import pytest
import torch
from helpers import batches, images, make_net, make_pruner, snapshot
from torch import nn

from lib.models import Activity
from lib.models.dynamics import potentials
from lib.models.neurons import NEURONS
from lib.pruning import SCORES, ScoreMeter, activity_scores
from lib.pruning.scores import ACTIVITY_SCORES, WEIGHT_SCORES

CURRENT = [
    [0.625, -0.5],
    [0.625, 0.25],
]  # [T=2, W=2]: the left pixel spikes at the second step, the right one never


def activity(neuron, current):
    """current: [T, N, C, H, W]"""
    tau = getattr(NEURONS[neuron](), "tau", None)
    return Activity(NEURONS[neuron]()(current), torch.stack(potentials(current, tau)))


def two_steps(neuron="if"):
    return activity(neuron, torch.tensor(CURRENT, dtype=torch.float64).view(2, 1, 1, 1, 2))


@pytest.mark.parametrize(
    "name, value",
    [
        ("spike_abs_v", (0.625 + 0.5 + 1 + 0.25) / 4),
        ("spike_abs_v_sum", ((0.625 + 0.5) + (1 + 0.25)) / 2),
        ("abs_v", (0.625 + 0.5 + 0 + 0.25) / 4),
        ("abs_h", (0.625 + 0.5 + 1.25 + 0.25) / 4),
        ("relu_h", (0.625 + 0 + 1.25 + 0) / 4),
        ("firing_rate", 1 / 4),
        ("singular_values", 1 / 2),
    ],
)
def test_activity_score_by_hand_of_one_channel_over_two_steps(name, value):
    assert ACTIVITY_SCORES[name](two_steps()).tolist() == [pytest.approx(value, abs=1e-15)]


def test_abs_h_of_lif_by_hand():
    assert ACTIVITY_SCORES["abs_h"](two_steps("lif")).item() == pytest.approx(
        (0.3125 + 0.25 + 0.46875 + 0) / 4, abs=1e-15
    )


def random_current(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_spike_plus_abs_v_of_if_is_abs_h_where_silent_and_1_where_it_spikes():
    act = activity("if", random_current(4, 5, 3, 6, 6))
    assert 0.05 < act.spikes.mean() < 0.5
    expected = torch.where(act.spikes == 1, 1.0, act.h_pre.abs())
    torch.testing.assert_close(act.spikes + act.v_post.abs(), expected, rtol=0, atol=0)
    torch.testing.assert_close(SCORES["spike_abs_v"](act), expected.mean((0, 1, 3, 4)), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVITY_SCORES)
def test_activity_scores_are_per_channel_and_blind_to_the_order_of_images_and_pixels(name):
    current = random_current(4, 5, 3, 6, 4) * torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64).view(3, 1, 1)
    score = ACTIVITY_SCORES[name](activity("if", current))
    assert score.shape == (3,) and (score >= 0).all()
    moved = activity("if", current.flip(1).flip(3).transpose(3, 4))
    torch.testing.assert_close(ACTIVITY_SCORES[name](moved), score, rtol=0, atol=1e-12)
    swapped = activity("if", current[:, :, [2, 0, 1]])
    torch.testing.assert_close(ACTIVITY_SCORES[name](swapped), score[[2, 0, 1]], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ACTIVITY_SCORES)
def test_only_the_spatial_sum_and_the_singular_values_grow_with_the_map(name):
    current = random_current(4, 5, 3, 4, 4)
    small, large = (
        ACTIVITY_SCORES[name](activity("if", x)) for x in (current, current.repeat(1, 1, 1, 2, 3))
    )
    grows = {"spike_abs_v_sum": 6, "singular_values": 6**0.5}
    torch.testing.assert_close(large, small * grows.get(name, 1), rtol=1e-12, atol=0)


def test_singular_values_rank_many_patterns_above_one_repeated():
    alike, apart = torch.zeros(2, 1, 1, 1, 4, 4, dtype=torch.float64).unbind()
    alike[..., 0] = 1  # four spikes in a column: one pattern
    apart[0, 0, 0] = torch.eye(4)  # four spikes on the diagonal: four patterns
    found = [ACTIVITY_SCORES["singular_values"](Activity(spikes, spikes)).item() for spikes in (alike, apart)]
    assert found == [pytest.approx(2), pytest.approx(4)]


def test_a_silent_inhibited_channel_counts_for_abs_v_but_not_for_relu_h_and_firing_rate():
    act = activity("if", torch.full((4, 1, 1, 2, 2), -3.0, dtype=torch.float64))
    found = {name: score(act).item() for name, score in ACTIVITY_SCORES.items() if name != "spike_abs_v_sum"}
    silent = {"relu_h": 0, "firing_rate": 0, "singular_values": 0}
    assert found == {"spike_abs_v": 7.5, "abs_v": 7.5, "abs_h": 7.5, **silent}


def test_weight_scores_by_hand():
    net = make_net()
    site, conv = net.sites["conv3"], net.stack[4]
    assert torch.equal(WEIGHT_SCORES["bn_gamma"](site, conv, None), site.bn.weight.detach().abs())
    nn.init.constant_(site.bn.weight, -2.0)
    assert WEIGHT_SCORES["bn_gamma"](site, conv, None).tolist() == [2.0] * 8
    nn.init.constant_(conv.weight, -0.25)
    assert WEIGHT_SCORES["filter_l1"](site, conv, None).tolist() == [0.25 * 4 * 9] * 8


def test_random_scores_are_the_generators():
    site = make_net().sites["conv3"]
    draws = [WEIGHT_SCORES["random"](site, None, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert draws[0].shape == (8,) and ((draws[0] >= 0) & (draws[0] < 1)).all()


def recorded_currents(net, xs):
    """{site: [current of each training forward]}, read by hooks on the neurons."""
    currents = {name: [] for name in net.sites}
    hooks = [
        site.node.register_forward_pre_hook(
            lambda _, args, name=name: currents[name].append(args[0].detach())
        )
        for name, site in net.sites.items()
    ]
    for x in xs:
        net(x)
    for hook in hooks:
        hook.remove()
    return currents


@pytest.mark.parametrize("score", ACTIVITY_SCORES)
@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_the_meter_is_the_mean_over_batches_of_each_layers_score(score, neuron):
    net = make_net(neuron).train()
    meter = ScoreMeter(net, score)
    currents = recorded_currents(net, [images(net, 6, 1), 2 * images(net, 3, 2), images(net, 9, 3)])
    for name, mean in meter.mean().items():
        each = torch.stack([ACTIVITY_SCORES[score](activity(neuron, current)) for current in currents[name]])
        assert not torch.allclose(each[0], each[1])
        torch.testing.assert_close(mean, each.mean(0), rtol=0, atol=1e-12)


def test_the_meter_ignores_evaluation_and_forgets_when_cleared():
    net = make_net()
    meter = ScoreMeter(net, "spike_abs_v")
    net.eval()(images(net, 4))
    with pytest.raises(RuntimeError, match="no training batch"):
        meter.mean()
    net.train()(images(net, 4))
    first = meter.mean()
    net.eval()(images(net, 4, 8))
    assert all(torch.equal(score, first[name]) for name, score in meter.mean().items())
    meter.clear()
    with pytest.raises(RuntimeError, match="no training batch"):
        meter.mean()
    net.train()(images(net, 4))
    torch.testing.assert_close(meter.mean(), first, rtol=0, atol=1e-13)


def test_the_meter_changes_neither_logits_nor_gradients():
    ((x, y),) = batches(make_net(), 1)
    runs = []
    for watched in (False, True):
        net = make_net().train()
        if watched:
            ScoreMeter(net, "abs_h")
        logits = net(x)
        nn.functional.cross_entropy(logits, y).backward()
        runs.append([logits.detach(), *(p.grad for p in net.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_a_detached_meter_sees_nothing():
    net = make_net().train()
    meter = ScoreMeter(net, "abs_v")
    net(images(net, 4))
    meter.detach()
    net(images(net, 4))
    assert set(meter.batches.values()) == {1}


@pytest.mark.parametrize(
    "settings", [dict(), dict(growth="none", regrow=0.0), dict(mode="soft"), dict(growth="random")]
)
def test_the_meter_is_empty_after_an_update(settings):
    net = make_net()
    pruner = make_pruner(net, **settings)
    net.train()
    for x, y in batches(net, 2):
        net.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
    assert set(pruner.meter.batches.values()) == {2}
    pruner.after_epoch(1)
    assert set(pruner.meter.batches.values()) == {0}
    assert all((total == 0).all() for total in pruner.meter.sum.values())


@pytest.mark.parametrize("training", [True, False])
def test_activity_scores_leave_no_trace(training):
    net = make_net().train(training)
    before, (batch,) = snapshot(net), batches(net, 1)
    found = activity_scores(net, "spike_abs_v", [batch])
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert net.training == training and all(p.grad is None for p in net.parameters())
    assert all(
        site.node.watch is None and site.meter is None and not site.node._forward_hooks
        for site in net.sites.values()
    )
    meter = ScoreMeter(net.train(), "spike_abs_v")
    net(batch[0])
    torch.testing.assert_close(found, meter.mean(), rtol=0, atol=0)
