import pytest
import torch
from helpers import make_net, make_pruner, snapshot

from lib import measure
from lib.pruning import choose, compact, prunable_channels
from lib.pruning.prices import prices, synapses_a_channel

NETS = {
    "vgg": dict(width=0.25),
    "vgg7, 4x4 filters": dict(name="vgg7", in_shape=(3, 16, 16), width=0.125, T=2),
    "resnet": dict(name="resnet-digits", width=0.25),
    "pre-activation": dict(name="preresnet-digits", width=0.25),
}


def macs(net):
    net.run_for(1)
    return measure.flops(net, torch.zeros(1, *net.in_shape, dtype=torch.float64))


@pytest.mark.parametrize("settings", NETS.values(), ids=NETS)
def test_a_channels_synapses_are_what_its_removal_saves(settings):
    net = make_net(**settings).train()
    before = snapshot(net)
    found = synapses_a_channel(net)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert len(found) > 1
    net.eval()
    for site, synapses in found.items():
        masks = {name: torch.ones(size, dtype=torch.bool) for name, size in prunable_channels(net).items()}
        masks[site][1] = False
        assert macs(net) - macs(compact(net, masks)) == synapses


def test_scores_and_growth_are_divided_by_a_power_of_the_price():
    by_power = {}
    for power in (0.0, 0.5, 1.0):
        pruner = make_pruner(
            make_net(), epochs=9, score="filter_l1", growth="bn_grad", regrow=0.1, per_synapses=power
        )
        by_power[power] = pruner.scores(), pruner.growth()
    there = synapses_a_channel(make_net())
    for power in (0.5, 1.0):
        for found, plain in zip(by_power[power], by_power[0.0], strict=True):
            for site, synapses in there.items():
                torch.testing.assert_close(found[site], plain[site] / synapses**power)


def test_costly_layers_lose_more_channels_the_higher_the_power():
    left = []
    for power in (0.0, 1.0):
        pruner = make_pruner(
            make_net(), epochs=9, score="bn_gamma", growth="none", regrow=0.0, per_synapses=power
        )
        masks = choose(pruner.scores(), None, 60, 0, 2)
        left.append(macs(compact(make_net(), masks)))
    assert left[1] < left[0]


def test_at_power_0_nothing_is_divided():
    assert set(prices(make_net(), 0.0).values()) == {1.0}
