import pytest
import torch
import torch.nn.functional as F
from helpers import CONVS, images, labels, make_net, masked_net, random_masks, settle, task_of, trial_of
from spikingjelly.activation_based import layer
from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter
from torch import nn

from lib import measure, pruning, training
from lib.measure import synops
from lib.models import Edge, Site, SpikingNet
from lib.models.neurons import NEURONS
from lib.settings import DENSE, Fast
from lib.settings.task import Phase

T, ON, OFF = 3, 2.0, -1.0  # currents that always and never fire


class Tiny(SpikingNet):
    """conv 1->2, site, conv 2->3 of any stride and padding, site, mean over T, linear."""

    def __init__(self, size=4, stride=1, padding=1):
        super().__init__({"T": T, "in_shape": [1, size, size]})
        out = (size + 2 * padding - 3) // stride + 1
        self.conv1 = layer.Conv2d(1, 2, 3, padding=1, bias=False, step_mode="m")
        self.first = Site("first", 2, NEURONS["if"]())
        self.conv2 = layer.Conv2d(2, 3, 3, stride=stride, padding=padding, bias=False, step_mode="m")
        self.second = Site("second", 3, NEURONS["if"]())
        self.flat = layer.Flatten(step_mode="m")
        self.head = nn.Linear(3 * out * out, 5)
        self.use(Fast())

    def edges(self):
        return [
            Edge("conv1", "first", None, None),
            Edge("conv2", "second", "first", 1.0),
            Edge("head", None, "second", 1 / T),
        ]

    def features(self, x):
        return self.flat(self.second(self.conv2(self.first(self.conv1(x)))))


def tiny(spikes, **settings):
    """A Tiny where `first` fires where spikes [2, H, W] is 1, at each step,
    and of `second` channel 0 everywhere, no other."""
    net = Tiny(**settings).eval()
    net.first.bn.register_forward_hook(lambda _, __, out: torch.where(spikes == 1, ON, OFF).expand_as(out))
    net.second.bn.register_forward_hook(
        lambda _, __, out: torch.tensor([ON, OFF, OFF]).view(3, 1, 1).expand_as(out)
    )
    return net


def one_spike(row, column, size=4):
    spikes = torch.zeros(2, size, size)
    spikes[1, row, column] = 1
    return spikes


@pytest.mark.parametrize("row, column, taps", [(0, 0, 4), (0, 1, 6), (1, 1, 9), (2, 3, 6), (3, 3, 4)])
def test_an_event_costs_an_ac_a_tap_that_padding_leaves(row, column, taps):
    ops = synops(tiny(one_spike(row, column)), torch.zeros(1, 1, 4, 4))
    assert ops["layers"]["second"] == {"ac": taps * 3 * T, "mac": 0, "mac_x_T": 0}


@pytest.mark.parametrize(
    "row, column, taps", [(0, 0, 1), (1, 1, 4), (2, 1, 2), (2, 2, 1), (3, 3, 1), (1, 3, 2)]
)
def test_a_stride_of_2_skips_taps(row, column, taps):
    ops = synops(tiny(one_spike(row, column), stride=2), torch.zeros(1, 1, 4, 4))
    assert ops["layers"]["second"]["ac"] == taps * 3 * T


@pytest.mark.parametrize("row, column, taps", [(0, 0, 1), (1, 1, 4), (0, 1, 2)])
def test_without_padding_a_corner_reaches_one_output(row, column, taps):
    ops = synops(tiny(one_spike(row, column), padding=0), torch.zeros(1, 1, 4, 4))
    assert ops["layers"]["second"]["ac"] == taps * 3 * T


def test_the_analog_first_layer_costs_macs_once_and_times_T():
    taps = 4 * 4 + 8 * 6 + 4 * 9
    ops = synops(tiny(one_spike(0, 0)), torch.randn(2, 1, 4, 4))
    assert ops["layers"]["first"] == {"ac": 0, "mac": 2 * taps, "mac_x_T": 2 * taps * T}
    assert (ops["mac"], ops["mac_x_T"]) == (2 * taps, 2 * taps * T)


def test_changing_frames_cost_macs_at_every_step():
    net, frame = tiny(one_spike(0, 0)), torch.randn(2, 1, 4, 4)
    static, moving = (synops(net, x) for x in (frame.expand(T, 2, 1, 4, 4), torch.randn(T, 2, 1, 4, 4)))
    assert static["mac"] == synops(net, frame)["mac"] == 200
    assert moving["mac"] == moving["mac_x_T"] == static["mac_x_T"] == 200 * T


def test_the_head_counts_an_event_for_each_spike_in_its_mean():
    ops = synops(tiny(one_spike(0, 0)), torch.zeros(2, 1, 4, 4))
    assert ops["layers"]["head"] == {"ac": 16 * T * 5, "mac": 0, "mac_x_T": 0}
    assert ops["ac"] == ops["layers"]["second"]["ac"] + ops["layers"]["head"]["ac"]


def test_a_masked_output_saves_its_fan_in_and_a_masked_input_its_events():
    net, batch = tiny(one_spike(0, 0)), torch.zeros(1, 1, 4, 4)
    for first, second, ac in (
        ([True, True], [True, False, True], 4 * 2 * T),
        ([True, False], [True, True, True], 0),
        ([False, True], [False, True, False], 4 * T),
    ):
        pruning.apply_channel_masks(net, {"first": torch.tensor(first), "second": torch.tensor(second)})
        ops = synops(net, batch)
        assert ops["layers"]["second"]["ac"] == ac and ops["layers"]["first"]["mac"] == 100 * sum(first)
        assert ops["layers"]["head"]["ac"] == (16 * T * 5 if second[0] else 0)


def test_the_count_is_a_mean_over_samples():
    net = make_net()
    x = images(net, 6)
    single = [synops(net, one) for one in x.split(1)]
    for key in ("ac", "mac", "mac_x_T"):
        assert synops(net, x)[key] == pytest.approx(sum(one[key] for one in single) / 6, rel=1e-12)
    assert len({one["ac"] for one in single}) > 1


def by_brute_force(net, x):
    """{layer: ac} by a loop over every weight: surviving synapses whose input fires,
    counted one tap at a time."""
    inputs, found = {}, {}
    hooks = [
        net.get_submodule(edge.module).register_forward_pre_hook(
            lambda _, args, name=edge.module: inputs.update({name: args[0].detach()})
        )
        for edge in net.edges()
    ]
    measure.predict(net, x)
    for hook in hooks:
        hook.remove()
    masks = pruning.current_masks(net)
    for edge in net.edges()[1:]:
        module, events = net.get_submodule(edge.module), (inputs[edge.module] / edge.unit).round()
        makes = masks[edge.makes] if edge.makes else torch.ones(module.weight.shape[0], dtype=torch.bool)
        if isinstance(module, nn.Linear):
            found[edge.makes or edge.module] = events.sum().item() * makes.sum().item() / len(x)
            continue
        padded, count, (height, width) = F.pad(events, (1, 1, 1, 1)), 0, events.shape[-2:]
        for row in range(3):
            for column in range(3):
                count += (
                    padded[..., row : row + height, column : column + width].sum().item() * makes.sum().item()
                )
        found[edge.makes] = count / len(x)
    return found


@pytest.mark.parametrize("kept", [1.0, 0.5, 1])
def test_synops_equal_a_count_tap_by_tap(kept):
    net, _ = masked_net(lambda net: random_masks(net, kept))
    x = images(net, 5)
    ops = synops(net, x)
    expected = by_brute_force(net, x)
    assert list(ops["layers"])[1:] == list(expected)
    for name, ac in expected.items():
        assert ops["layers"][name]["ac"] == pytest.approx(ac, rel=1e-12) and ac > 0


def counted_by_spikingjelly(net, x):
    counter = SynOpCounter()
    with torch.no_grad(), DispatchCounterMode([counter]):
        net.eval()(x)
    return {
        scope.split(".", 1)[1]: sum(counts.values())
        for scope, counts in counter.get_counts().items()
        if "." in scope
    }


@pytest.mark.parametrize(
    "settings",
    [dict(), dict(neuron="lif"), dict(name="vgg16", in_shape=(3, 32, 32), width=1 / 16, T=2)],
    ids=["if", "lif", "vgg16"],
)
def test_synops_equal_spikingjellys_counter_on_a_dense_network(settings):
    # Its rule counts ACs where the input is 0 or 1: all layers but the first (analog) and the head (a mean
    # over T). It sees no mask, so a masked network is compared after compaction.
    net, masks = masked_net(lambda net: random_masks(net, 0.6), dtype=torch.float32, **settings)
    for dense in (make_net(dtype=torch.float32, **settings), pruning.compact(net, masks)):
        x = images(dense, 5)
        ours, theirs = synops(dense, x)["layers"], counted_by_spikingjelly(dense, x)
        binary = dense.edges()[1:-1]
        assert len(binary) >= 7
        for edge in binary:
            assert theirs[edge.module] > 0
            assert ours[edge.makes or edge.module]["ac"] * 5 == pytest.approx(theirs[edge.module], rel=1e-9)
        assert theirs.get(dense.edges()[0].module, 0) == 0


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("kept", [0.5, 1])
@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_masked_and_compact_cost_the_same(neuron, kept, mode):
    net, masks = masked_net(lambda net: random_masks(net, kept), neuron=neuron)
    small, dense, x = pruning.compact(net, masks), make_net(neuron), images(net, 5)
    net.set_step_mode(mode)
    assert synops(net, x) == synops(small, x)
    assert measure.energy(net, x) == measure.energy(small, x)
    assert measure.parameters(net, dense, "channels") == measure.parameters(small, dense, "channels")
    for name, rates in measure.firing(net, x).items():
        torch.testing.assert_close(rates, measure.firing(small, x)[name], rtol=0, atol=1e-14)
    assert measure.parameters(small, dense)["total"] == sum(p.numel() for p in small.parameters())
    assert synops(dense, x)["mac"] > synops(small, x)["mac"]


def test_input_that_is_no_event_is_refused():
    net = tiny(one_spike(0, 0))
    net.first.register_forward_hook(lambda _, __, out: out * 0.5)
    with pytest.raises(ValueError, match="conv2.*whole events"):
        synops(net, torch.zeros(1, 1, 4, 4))


def test_integer_spikes_cost_an_ac_each():
    net = tiny(one_spike(0, 0))
    net.first.register_forward_hook(lambda _, __, out: out * 3)
    assert synops(net, torch.zeros(1, 1, 4, 4))["layers"]["second"]["ac"] == 3 * 4 * 3 * T


def test_connectivity_by_hand_of_two_layers():
    net, dense = Tiny(), Tiny()
    pruning.apply_channel_masks(
        net, {"first": torch.tensor([True, False]), "second": torch.tensor([True, False, True])}
    )
    found = measure.parameters(net, dense, "channels")
    weights, norms = (2 * 9 + 3 * 2 * 9 + 3 * 16 * 5, 2 * 2 + 3 * 2)
    left = 1 * 9 + 2 * 1 * 9 + 2 * 16 * 5 + 1 * 2 + 2 * 2
    wires, left_wires = 100 * 2 + 100 * 3 * 2 + 240, 100 + 100 * 2 + 160
    assert found == {
        "total": left + 5,
        "prunable": weights + norms,
        "kept": left,
        "connectivity_prunable": left / (weights + norms),
        "connectivity_all": (left + 5) / (weights + norms + 5),
        "synapses_prunable": left_wires / wires,
        "synapses_all": left_wires / wires,
    }


def test_connectivity_over_all_counts_what_no_mask_can_reach():
    net, dense = make_net(), make_net()
    pruning.apply_channel_masks(net, random_masks(net, 0.5))
    found, hidden = measure.parameters(net, dense, "channels"), 24
    fixed = hidden * 2 + hidden * 10 + 10
    assert (
        found["total"] - found["kept"]
        == fixed
        == sum(p.numel() for p in dense.parameters()) - found["prunable"]
    )
    wires = measure.count_synapses(dense)
    assert wires["all"] - wires["channels"] == hidden * 10


def test_a_dense_network_is_wholly_connected_and_synapses_are_unrolled():
    dense = make_net()
    found = measure.parameters(dense, make_net(), "channels")
    assert [found[key] for key in found if "_" in key] == [1.0] * 4
    taps = {8: 22**2, 4: 10**2, 2: 4**2}
    wires = (
        taps[8] * (4 + 16) + taps[4] * (32 + 64) + taps[2] * (8 * 32 + 2 * 32 * 32) + 32 * 2 * 2 * 24 + 240
    )
    assert measure.count_synapses(dense)["all"] == wires


def test_energy_is_the_stated_price_of_each_operation():
    net = tiny(one_spike(0, 0))
    assert measure.energy(net, torch.zeros(1, 1, 4, 4)) == pytest.approx(
        0.9 * (4 * 3 * T + 16 * T * 5) + 4.6 * 200
    )
    assert measure.picojoules({"ac": 10, "mac": 1}) == pytest.approx(13.6)


def test_firing_rates_by_hand_and_silent_channels():
    spikes = torch.zeros(2, 4, 4)
    spikes[1, :2] = 1
    net = tiny(spikes)
    rates = measure.firing(net, torch.zeros(2, 1, 4, 4))
    assert rates["first"].tolist() == [0, 0.5] and rates["second"].tolist() == [1, 0, 0]
    net.first.mask[0] = False
    assert measure.firing(net, torch.zeros(2, 1, 4, 4))["first"].tolist() == [0.5]


@pytest.mark.parametrize("training", [True, False])
def test_measuring_leaves_the_network_as_it_was(training):
    net = make_net().train(training)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    x = images(net, 4)
    (
        synops(net, x),
        measure.firing(net, x),
        measure.parameters(net, net),
        measure.accuracy(net, x, labels(net, 4)),
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert net.training == training and not any(
        m._forward_hooks or m._forward_pre_hooks for m in net.modules()
    )


def test_accuracy_is_the_share_of_right_answers_whatever_the_batch():
    net = make_net()
    x = images(net, 20)
    y = measure.predict(net, x).argmax(1)
    y[:5] = (y[:5] + 1) % 10
    assert [measure.accuracy(net, x, y, batch) for batch in (1, 7, 500)] == [0.75] * 3


def test_difference_is_taken_in_float64():
    net = make_net(dtype=torch.float32)
    nn.init.normal_(net.head.weight, std=1000.0)
    masks = random_masks(net, 0.5)
    pruning.apply_channel_masks(net, masks)
    small, x = pruning.compact(settle(net), masks), images(net, 7)
    assert measure.max_logit_diff(net, small, x) <= 1e-10
    nn.init.normal_(small.head.bias)
    apart = (small.head.bias.double() - net.head.bias.double()).abs().max().item()
    assert measure.max_logit_diff(net, small, x) == pytest.approx(apart, abs=1e-10)


def test_the_report_of_a_run_is_that_of_its_compact_network(few_digits):
    trained = training.Run(few_digits, task_of(epochs=2), trial_of(0.5), seed=0)
    for _ in range(2):
        trained.epoch()
    report = measure.report(trained)
    small = trained.finish()
    assert report["widths"] == {name: int(mask.sum()) for name, mask in trained.pruner.masks.items()}
    assert (
        sum(report["widths"].values()) == 60
        and sum(report["channels"].values()) == 120
        and list(report["widths"]) == CONVS
    )
    assert report["parameters"]["total"] == sum(p.numel() for p in small.parameters())
    assert report["compact_difference"] <= 1e-12
    assert report["accuracy"] == measure.accuracy(small, *few_digits.test)
    assert report["validation"] == measure.accuracy(trained.net, *few_digits.validation)
    assert report["synops"] == synops(small, few_digits.test[0][:200])
    assert report["energy_pj"] == pytest.approx(0.9 * report["synops"]["ac"] + 4.6 * report["synops"]["mac"])
    rates = torch.cat(list(report["firing"].values()))
    assert report["silent"] == pytest.approx((rates == 0).double().mean().item()) and len(rates) == 60
    assert [line["epoch"] for line in report["log"]] == [1, 2] and len(report["updates"]) == 1
    assert report["numerics"] == {"device": "cpu", "dtype": "float32", "fast": Fast().model_dump()}


def test_numerics_are_read_off_the_network():
    """The fast options, too: a recipe may leave them to what is measured."""
    net = make_net("if", "vgg16", (3, 32, 32), 1 / 16, 1)
    assert measure.numerics(net) == {"device": "cpu", "dtype": "float64", "fast": Fast().model_dump()}
    other = Fast(channels_last=True, products=True)
    assert measure.numerics(net.use(other))["fast"] == other.model_dump()
    assert measure.numerics(net.float())["dtype"] == "float32"
    assert measure.numerics(net.to("meta"))["device"] == "meta"


def test_a_trainings_operations_are_those_of_its_epochs_at_their_steps(few_digits):
    """vgg-digits at half width by hand: 3x3 taps x channels read and made x positions."""
    phases = (Phase(epochs=1, units="rate"), Phase(epochs=1, units="spiking", T=2))
    task = task_of(epochs=3, lr_schedule="triangular", phases=phases)
    run = training.Run(few_digits, task, DENSE, 0)
    first = 9 * 1 * 4 * 64
    convs = 9 * (4 * 4 * 64 + (4 * 8 + 8 * 8) * 16 + (8 * 32 + 32 * 32 + 32 * 32) * 4)
    rest = convs + 32 * 4 * 24 + 24 * 10
    assert measure.training_flops(run) == 6 * 125 * (3 * first + (1 + 2 + 4) * rest)
