"""What choosing tokens costs, what a mean of spikes costs, and which first layers count events: oracles add
event by event in NumPy, and share no code with lib."""

import numpy as np
import pytest
import torch
from helpers import digits_net, images
from spikingjelly.activation_based import functional

from lib import data, measure, models
from lib.models.tokens import RULES, make_selector

T, L, D, CLASSES = 4, 16, 48, 10
SIDE = (4, 4)


def chosen(rule, rho=0.6, gathered=True):
    """(net with a selector, images, what its selector was given before each block, its operations)."""
    net = digits_net()
    net.selector = make_selector(net, rho, rule).double().eval()
    net.selector.gathered = gathered
    x, seen = images(net, 3), []
    net.selector.register_forward_pre_hook(lambda _, args: seen.append(args[2].numpy().copy()))
    return net, x, seen, measure.synops(net, x)


def neighbours(token):
    """Tokens of the 3x3 neighbourhood that lie on the map, the token itself among them."""
    row, column = divmod(token, SIDE[1])
    places = [(row + a, column + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    return [(r, c) for r, c in places if 0 <= r < SIDE[0] and 0 <= c < SIDE[1]]


def test_skipping_pays_for_the_deviations_that_it_chooses_by():
    """An event is added to the deviation of each token near it, and to its change since the step before and
    until the next; T L D deviations and (T - 1) L D changes are squared."""
    _, x, seen, ops = chosen("skip")
    for number, stream in enumerate(seen):
        assert stream.shape == (T, len(x), L, D)
        additions = 0.0
        for t in range(T):
            for token in range(L):
                events = stream[t, :, token].sum()
                additions += events * (len(neighbours(token)) + (t > 0) + (t < T - 1))
        cost, squares = ops["layers"][f"selector.choice.{number}"], T * L * D + (T - 1) * L * D
        assert (
            cost == {"ac": pytest.approx(additions / len(x)), "mac": squares, "mac_x_T": squares}
            and cost["ac"] > 0
        )


def test_one_spike_is_skippings_price_by_hand():
    """A corner token has 3 neighbours, a token inside 8; the first and the last step have one change each,
    the others two."""
    net = digits_net()
    net.selector = make_selector(net, 0.5, "skip").double().eval()
    for t, token, additions in ((0, 0, 4 + 1), (1, 5, 9 + 2), (3, 15, 4 + 1), (2, 1, 6 + 2)):
        stream = torch.zeros(T, 1, L, D, dtype=torch.double)
        stream[t, 0, token, 7] = 1
        with measure.choosing.choices_of(net) as choices:
            net.selector(0, net.blocks, stream, None)
        assert choices == {"selector.choice.0": [additions, (2 * T - 1) * L * D]}
        functional.reset_net(net)


def test_attention_pays_for_its_column_sums_and_for_the_rates_that_ties_go_by():
    net, x, seen, ops = chosen("attention")
    layers = ops["layers"]
    assert "selector.choice.0" not in layers  # nothing is chosen for the first block
    for number in (1, 2, 3):
        met = layers[f"blocks.{number - 1}.attention.match"][
            "ac"
        ]  # each meeting of two events is one in a column sum
        cost = layers[f"selector.choice.{number}"]
        assert (
            cost == {"ac": pytest.approx(met + seen[number].sum() / len(x)), "mac": 0, "mac_x_T": 0}
            and met > 0
        )


def test_a_predictor_pays_for_each_event_in_the_rates_that_it_reads():
    net, x, seen, ops = chosen("learned")
    for number in (1, 2, 3):
        cost = ops["layers"][f"selector.predictors.{number - 1}.0"]
        assert cost == {"ac": pytest.approx(seen[number].sum() / len(x) * D // 2), "mac": 0, "mac_x_T": 0}
    assert not any("choice" in name for name in ops["layers"])


def test_random_tokens_cost_nothing_to_choose():
    assert not any("selector" in name for name in chosen("random")[3]["layers"])


@pytest.mark.parametrize("rule", RULES)
def test_choosing_is_in_the_sums_and_in_the_energy(rule):
    _, _, _, ops = chosen(rule)
    for key in ("ac", "mac", "mac_x_T"):
        assert ops[key] == pytest.approx(sum(layer[key] for layer in ops["layers"].values()))
    choice = {
        key: sum(v[key] for name, v in ops["layers"].items() if "selector" in name) for key in ("ac", "mac")
    }
    without = {key: ops[key] - choice[key] for key in choice}
    more = measure.picojoules(ops) - measure.picojoules(without)
    assert more == pytest.approx(0.9 * choice["ac"] + 4.6 * choice["mac"]) and (more > 0) == (
        rule != "random"
    )


@pytest.mark.parametrize("gathered", [True, False])
@pytest.mark.parametrize("rho", [1.0, 0.7, 0.4])
@pytest.mark.parametrize("rule", [None, *RULES])
def test_the_head_costs_an_ac_for_each_event_in_its_mean(rule, rho, gathered):
    """The stream behind the last block, added up over the tokens that are left:
    each event meets each class's weight once."""
    net, last = digits_net(), {}
    if rule is not None:
        net.selector = make_selector(net, rho, rule).double().eval()
        net.selector.gathered = gathered
    with torch.no_grad():
        net.head.weight[3:5] = 0  # pruned: no synapse
        net.head.weight[0, :10] = 0
    x = images(net, 3)
    net.head.register_forward_hook(lambda _, args, __: last.update(rates=args[0].numpy().copy()))
    left = {None: L, "skip": L}.get(rule, max(1, int(L * rho**3 + 1e-9)))
    cost = measure.synops(net, x)["layers"]["head"]
    events = np.rint(last["rates"] * T * left)
    assert np.abs(events - last["rates"] * T * left).max() < 1e-9 and events.sum() > 0
    synapses = np.full(D, CLASSES - 2) - (np.arange(D) < 10)
    assert cost == {"ac": pytest.approx((events @ synapses).sum() / 3), "mac": 0, "mac_x_T": 0}


def test_many_events_in_float32_are_still_whole():
    net = digits_net().float()
    net.selector = make_selector(net, 0.9, "attention").eval()
    for block in net.blocks:
        block.narrow.register_forward_hook(lambda _, __, out: torch.full_like(out, 37.0))
    assert measure.synops(net, images(net, 3).float())["layers"]["head"]["ac"] > 1000


@pytest.mark.parametrize("shape", [(1, 9, 8), (1, 7, 5), (3, 11, 13), (1, 1, 1), (1, 3, 9), (1, 8, 8)])
@pytest.mark.parametrize("name", ["spikformer-digits", "spikformer4-384", "spikformer4-256-dvs"])
@pytest.mark.parametrize("rule", RULES)
def test_maps_of_odd_sides_lose_no_token(rule, name, shape):
    torch.manual_seed(0)
    width = {"spikformer-digits": 1, "spikformer4-384": 0.25, "spikformer4-256-dvs": 0.125}[name]
    net = models.build(name, 10, shape, 2, neuron="lif", width=width).eval()
    x = torch.randn(2, *shape)
    assert net.tokens == net.embed(x[None]).shape[2]
    plain = net(x)
    net.selector = make_selector(net, 1.0, rule).eval()
    assert net.works_on == [net.tokens] * 4 and (net(x) - plain).abs().max() <= 1e-5
    net.selector = make_selector(net, 0.5, rule).eval()
    assert net(x).shape == (2, 10) and measure.synops(net, x)["ac"] >= 0


FIRST = {  # the first layer, and the width to build at
    "vgg9": ("conv1", 1 / 8),
    "dvs-digits": ("conv1", 1),
    "vggsnn": ("conv1", 1 / 8),
    "resnet-digits": ("stem.0", 1),
    "preresnet-digits": ("block1a", 1),
    "spikformer-digits": ("stem.0.conv", 1),
    "spikformer4-256-dvs": ("stem.0.conv", 1 / 8),
}


@pytest.mark.parametrize("name", FIRST)
def test_the_data_say_whether_the_first_layer_counts_events(name, tmp_path):
    """Not the network's name. Padding takes taps from an event at the border; all are counted one by one."""
    first, width = FIRST[name]
    shape, generator = (2, 16, 16), torch.Generator().manual_seed(0)
    frames = torch.poisson(torch.full((2, 3, *shape), 0.3), generator)
    taps = np.array([2, *[3] * 14, 2])  # of a 3x3 kernel, along a side of the map
    reached = (frames.numpy().sum((0, 1, 2)) * np.outer(taps, taps)).sum() / 3
    for events in (True, False):
        net = models.build(name, 10, shape, 2, neuron="lif", width=width, events=events).eval()
        models.save(net, tmp_path / f"{events}.pt")
        for one in (net, models.load(tmp_path / f"{events}.pt"), models.clone(net, torch.float64)):
            found = measure.synops(one, frames.to(next(one.parameters()).dtype))["layers"][first]
            made = next(m for m in one.modules() if isinstance(m, torch.nn.Conv2d)).weight.shape[0]
            if events:
                assert found == {"ac": pytest.approx(reached * made), "mac": 0, "mac_x_T": 0}
            else:
                assert found["ac"] == 0 < found["mac"]


def test_splits_know_whether_they_hold_events(digits, tmp_path):
    data.save(data.prepare("digits-dvs-sim", tmp_path, 0.125, 2020, images=200), tmp_path / "x.npz")
    assert data.load(tmp_path / "x.npz").events and not digits.events
