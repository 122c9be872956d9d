"""Every network of the study: its size, and that removing masked channels, or training without them,
changes nothing."""

import pandas as pd
import pytest
import torch
from helpers import batches, images, make_net, masked_net, random_masks, settle
from spiking import in_shape, living
from torch import nn
from torch.nn import functional as F

from lib import measure, models, pruning
from lib.measure import predict
from lib.models.resnet import ReadingSite
from lib.pruning.scores import untouched_buffers
from lib.settings import config
from tools import equivalence

KEPT = [
    ("if", 0.8),
    ("if", 0.5),
    ("if", 0.2),
    ("if", 1),
    ("lif", 0.5),
    ("lif", 1),
]  # neuron, share of channels or a number
SHAPES = {
    "vgg9": 8,
    "conv6fc2": 8,
    "resnet18": 16,
    "resnet19": 8,
    "preresnet18": 16,
    "dvs5conv": 32,
    "vggsnn": 16,
}
SMALL = [name for name in models.NAMES if not name.startswith("spikformer") and name.endswith("digits")]
PRE = [name for name in models.NAMES if name.startswith("pre")]
EACH = pytest.mark.parametrize("name", equivalence.NETWORKS)


def settings_of(name, **others):
    """Of a small copy of a network, on maps no larger than its poolings need."""
    channels, *size = in_shape(name)
    small = name in SMALL
    size = size if small else 2 * [SHAPES.get(name, 32)]
    return {
        "name": name,
        "in_shape": (channels, *size),
        "width": 1.0 if small else 0.125,
        "T": 3 if small else 2,
        **others,
    }


def masked(name, kept, **others):
    settings = settings_of(name, **others)
    return living(settings.pop("name"), settings.pop("in_shape"), kept, **settings)


def single_out(net, site, channel):
    """Masks that keep all but one channel of one site."""
    masks = {
        name: torch.ones(size, dtype=torch.bool) for name, size in pruning.prunable_channels(net).items()
    }
    masks[site][channel] = False
    return masks


def shapes(net):
    return {edge.module: tuple(net.get_submodule(edge.module).weight.shape[:2]) for edge in net.edges()}


@pytest.mark.parametrize(
    "name, shape, count",
    [
        ("vgg16", (3, 32, 32), 15_250_378),
        ("dvs5conv", (2, 48, 48), 1_111_306),
        ("dvs5conv", (2, 64, 64), 1_118_986),
        ("dvs5conv", (2, 128, 128), 1_149_706),
        ("resnet18", (3, 32, 32), 11_173_962),
    ],
)
def test_parameters_are_those_published(name, shape, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in models.build(name, 10, shape, 4).parameters()) == count


@pytest.mark.parametrize(
    "name, shape, count", [("vggsnn", (2, 48, 48), 9.2e6), ("resnet19", (3, 32, 32), 12.6e6)]
)
def test_parameters_are_about_those_published(name, shape, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in models.build(name, 10, shape, 4).parameters()) == pytest.approx(
            count, rel=0.01
        )


@pytest.mark.parametrize("neuron, kept", KEPT)
@EACH
def test_compact_equals_masked_in_logits_parameters_and_operations(
    name, neuron, kept, tmp_path, record_property
):
    net, masks = masked(name, kept, neuron=neuron)
    small, x = pruning.compact(net, masks), images(net, 8, seed=5)  # on which `living` has seen it spike
    models.save(small, tmp_path / "small.pt")
    expected = predict(net, x)
    assert expected.std(0).max() > 1e-3
    apart = [
        (predict(one, x) - expected).abs().max().item() for one in (small, models.load(tmp_path / "small.pt"))
    ]
    for one in (net, small):
        apart.append((predict(one.set_step_mode("s"), x) - expected).abs().max().item())
        one.set_step_mode("m")
    record_property("largest_difference", max(apart))
    assert max(apart) <= 1e-12
    assert pruning.prunable_channels(small) == {site: int(mask.sum()) for site, mask in masks.items()}
    assert measure.count_parameters(net) == measure.count_parameters(small)
    assert measure.count_parameters(small)["all"] == sum(p.numel() for p in small.parameters())
    assert measure.count_synapses(net) == measure.count_synapses(small)
    assert measure.synops(net, x) == measure.synops(small, x)


@pytest.mark.parametrize("kept", [0.5, 0.25])
@EACH
def test_compact_after_soft_zeroing_equals_the_open_network(name, kept, record_property):
    net = make_net(**settings_of(name))
    masks = random_masks(net, kept, seed=1)
    pruning.zero_channels(net, masks)
    settle(net)
    assert {site.state for site in net.sites.values()} == {"open"} and all(
        site.mask.all() for site in net.sites.values()
    )
    small, x = pruning.compact(net, masks), images(net, 16)
    largest = (predict(net, x) - predict(small, x)).abs().max().item()
    record_property("largest_difference", largest)
    assert largest <= 1e-12 and predict(small, x).std(0).max() > 1e-3


def of_18(site, channel=3):
    """(net, masks, compact net): a PreResNet18 that lacks one channel of one site."""
    net, masks = masked_net(lambda net: single_out(net, site, channel), **settings_of("preresnet18"))
    return net, masks, pruning.compact(net, masks)


def changed(net, small):
    """{layer: its shape in the small network} where it is not that of the whole one."""
    before, after = shapes(net), shapes(small)
    return {name: after[name] for name in after if after[name] != before[name]}


def test_a_channel_inside_a_block_takes_its_filter_and_what_reads_it():
    net, _, small = of_18("block2b")
    assert changed(net, small) == {
        "blocks.1.conv1": (7, 8),
        "blocks.1.conv2": (8, 7),
    }


def test_a_channel_that_a_block_reads_takes_the_filter_of_the_block_before_and_all_that_reads_it():
    net, _, small = of_18("block3a")
    assert changed(net, small) == {
        "blocks.1.conv2": (7, 8),
        "blocks.2.conv1": (16, 7),
        "blocks.2.shortcut": (16, 7),
    }
    assert len(small.sites["block3a"].bn.weight) == 7


@pytest.mark.parametrize(
    "site, maker, reader", [("block1a", "stem", "blocks.0.conv1"), ("last", "blocks.7.conv2", "head")]
)
def test_the_stem_and_the_last_block_lose_filters_too(site, maker, reader):
    net, _, small = of_18(site)
    before, after = shapes(net), shapes(small)
    assert {name for name in after if after[name] != before[name]} == {maker, reader}
    assert (after[maker][0], after[reader][1]) == (before[maker][0] - 1, before[reader][1] - 1)


def test_the_identity_carries_a_masked_channel_on():
    channel = 3
    for net in of_18("block2a", channel)[::2]:
        streams, made = {}, []
        for name in ("block1a", "block2a", "block3a"):
            net.sites[name].register_forward_pre_hook(
                lambda _, args, name=name, streams=streams: streams.update({name: args[0]})
            )
        net.blocks[1]["conv2"].register_forward_hook(lambda _, __, out, made=made: made.append(out))
        predict(net, images(net, 4))
        first, second, third = (stream.movedim(2, 0) for stream in streams.values())
        assert len(second) == 8 and second[channel].any()
        first = first.expand_as(second)  # a still image's is kept for one step
        unwritten = [torch.equal(a, b) for a, b in zip(first, second, strict=True)]
        assert unwritten == [number == channel for number in range(8)]
        torch.testing.assert_close(
            third[channel] - second[channel], made[0][:, :, channel], rtol=0, atol=1e-12
        )


def test_a_masked_channel_after_the_addition_still_spikes_through_the_identity():
    net, masks = masked_net(lambda net: single_out(net, "block1b", 3), **settings_of("resnet18"))
    small, spikes = pruning.compact(net, masks), []
    for one in (net, small):
        hooks = [one.stem[2], one.sites["block1b"]]
        hooks = [
            module.register_forward_hook(lambda _, __, out: spikes.append(out[:, :, 3])) for module in hooks
        ]
        predict(one, images(one, 4))
        for hook in hooks:
            hook.remove()
    assert len(spikes) == 4 and spikes[0].any() and all(torch.equal(spikes[0], other) for other in spikes[1:])
    assert changed(net, small) == {"blocks.0.conv2": (7, 8)}


def gradients(net, state, batch):
    """(logits, {parameter: gradient}) of one training batch, with every site in a state."""
    net.zero_grad()
    for site in net.sites.values():
        site.state = state
    with untouched_buffers(net):
        logits = net(batch[0])
        F.cross_entropy(logits, batch[1]).backward()
    return logits.detach(), {name: p.grad.clone() for name, p in net.named_parameters()}


@pytest.mark.parametrize("name", SMALL)
def test_probing_changes_no_output_and_no_gradient_of_what_is_kept(name):
    net, masks = masked(name, 0.5)
    [batch] = batches(net, 1)
    (logits, plain), (probed, heard) = (gradients(net, state, batch) for state in ("masked", "probing"))
    torch.testing.assert_close(probed, logits, rtol=0, atol=1e-12)
    axes = net.channel_dims()
    for tensor, gradient in plain.items():
        kept = pruning.kept_entries(gradient, axes[tensor], masks).expand_as(gradient)
        torch.testing.assert_close(heard[tensor][kept], gradient[kept], rtol=0, atol=1e-12)
    for site, mask in masks.items():
        [gamma] = [n for n, module in net.named_modules() if module is net.sites[site]]
        assert not plain[f"{gamma}.bn.weight"][~mask].any() and heard[f"{gamma}.bn.weight"][~mask].all(), site


@pytest.mark.parametrize("name", PRE)
def test_a_channel_that_nothing_writes_to_earns_its_gradient_from_what_it_would_hold(name):
    net, masks = masked(name, 0.5)
    site = net.sites["block1a"]
    assert isinstance(site, ReadingSite)

    def gradient():
        pruning.probe(net, batches(net, 2))
        return site.bn.weight.grad

    assert gradient()[~masks["block1a"]].all() and {one.state for one in net.sites.values()} == {"masked"}
    nn.init.zeros_(net.stem.weight)  # now there is nothing that it would hold
    assert not gradient()[~masks["block1a"]].any()


def test_the_table_of_equivalence_holds_every_network():
    table = pd.read_csv(config.ROOT / "results" / "equivalence.csv")
    rows = list(table[["network", "channels kept"]].itertuples(index=False, name=None))
    assert rows == [(name, kept) for name in equivalence.NETWORKS for kept in equivalence.KEPT], (
        "run `python tools/equivalence.py`"
    )
    assert (table["largest logit difference"] <= 1e-12).all()


def test_a_row_of_the_table_is_made_as_it_stands_there():
    row = equivalence.compare("preresnet-digits", "1/2")
    table = pd.read_csv(config.ROOT / "results" / "equivalence.csv").set_index(["network", "channels kept"])
    assert table.loc[("preresnet-digits", "1/2"), "parameters left"] == row["parameters left"]
    assert float(row["largest logit difference"]) <= 1e-12
