"""Networks of anybody's, taken over: the same function, pruned exactly, counted event by event."""

import pytest
import torch
import torch.nn.functional as F
from any_network import AnyNetwork
from helpers import images, random_masks, settle
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.model import sew_resnet, spiking_resnet, spiking_vgg
from torch import nn

from lib import measure, models, pruning
from lib.measure.synapses import inputs_of
from lib.models import sparse
from lib.models.start import norms

SHAPE = (3, 16, 16)


def adopted(seed: int):
    """A random network that spikes."""
    model = AnyNetwork(seed)
    net = models.adopt(model, model.in_shape, model.T, model.events).double()
    for norm in norms(net):
        nn.init.uniform_(norm.weight, 1.0, 2.0)
        nn.init.uniform_(norm.bias, 0.2, 0.8)
    return settle(net, 8)


def one_by_one(net, x) -> float:
    """Events times synapses over all layers but those of numbers, each event and weight looked at: no
    convolution sums them up."""
    with inputs_of(net) as inputs:
        measure.predict(net, x)
    total = 0.0
    for edge in net.edges():
        if edge.unit is None:
            continue
        module = net.get_submodule(edge.module)
        events = (torch.cat(inputs[edge.module]).abs() / edge.unit).round()
        weight = (module.weight != 0).double()
        if isinstance(module, nn.Conv2d):
            size, pads = module.kernel_size, module.padding
            taps = F.unfold(events, size, module.dilation, pads, module.stride).sum((0, 2))
            of_group = taps.view(module.groups, -1)
            weight = weight.view(module.groups, -1, of_group.shape[1])
            total += (weight.sum(1) * of_group).sum().item()
        else:
            total += (events.sum(0) * weight.sum(0)).sum().item()
    return total / x.shape[-4]


def holds(seed: int) -> bool:
    """Checks a random network; tells whether its logits hang on the image."""
    net = adopted(seed)
    masks = random_masks(net, (0.2, 0.5, 0.8)[seed % 3], seed)
    if not masks:
        assert net.left_whole
        return False
    pruning.apply_channel_masks(net, masks)
    settle(net, 8)
    x = images(net, 4, seed)
    small = pruning.compact(net, masks)
    logits = measure.predict(net, x)
    assert (measure.predict(small, x) - logits).abs().max() <= 1e-12
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in net.parameters())
    whole = measure.synops(net, x)["ac"]
    assert measure.synops(small, x)["ac"] == pytest.approx(whole, rel=1e-9)
    assert one_by_one(small, x) == pytest.approx(whole, rel=1e-9)
    return logits.std(0).max() > 1e-6


def test_random_networks_are_pruned_exactly_and_counted_event_by_event():
    assert sum(holds(seed) for seed in range(40)) > 20


@pytest.mark.slow
def test_hundreds_of_random_networks():
    assert sum(holds(seed) for seed in range(40, 400)) > 180


def vgg(**neurons):
    """SpikingJelly's own, of fewer channels."""
    model = spiking_vgg.SpikingVGG([8, "M", 16, "M", 12, 12], batch_norm=True, num_classes=10, **neurons)
    model.avgpool = layer.AdaptiveAvgPool2d(2)
    model.classifier = nn.Sequential(layer.Linear(12 * 4, 10))
    return model


def sew(cnf: str):
    block = sew_resnet.BasicBlock
    return sew_resnet.SEWResNet(block, [1, 1, 1, 1], 10, cnf=cnf, spiking_neuron=neuron.IFNode)


def resnet():
    block = spiking_resnet.BasicBlock
    return spiking_resnet.SpikingResNet(block, [1, 1, 1, 1], 10, spiking_neuron=neuron.LIFNode)


ZOO = {
    "vgg": lambda: vgg(spiking_neuron=neuron.ParametricLIFNode),
    "sew add": lambda: sew("ADD"),
    "sew iand": lambda: sew("IAND"),
    "resnet": resnet,
}


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("mode", "sm")
def test_spikingjellys_own_networks(name, mode):
    model = ZOO[name]()
    functional.set_step_mode(model, mode)
    x = torch.rand(3, *SHAPE) * 3
    net = models.adopt(model.eval(), SHAPE, 4)
    with torch.no_grad():
        if mode == "m":
            theirs = model(x.expand(4, *x.shape)).mean(0)
        else:
            theirs = torch.stack([model(x) for _ in range(4)]).mean(0)
    assert torch.allclose(measure.predict(net, x), theirs, atol=1e-5)
    assert not net.as_numbers
    shortcuts = [f"layer{stage}.0.downsample.0" for stage in (2, 3, 4)] if name == "resnet" else []
    assert list(net.left_whole) == shortcuts
    convs = [path for path, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    assert set(net.sites) == set(convs) - set(shortcuts)


def test_who_meets_in_sums_is_told():
    assert models.adopt(ZOO["vgg"](), SHAPE, 2).coupled == []
    stages = models.adopt(ZOO["sew add"](), SHAPE, 2).coupled
    assert stages[0] == ["conv1", "layer1.0.conv2"]
    assert stages[1:] == [[f"layer{n}.0.conv2", f"layer{n}.0.downsample.0"] for n in (2, 3, 4)]
    # the shortcut of a later stage is no site, and nothing else meets there
    assert models.adopt(ZOO["resnet"](), SHAPE, 2).coupled == [["conv1", "layer1.0.conv2"]]


def test_the_map_of_a_vgg_is_the_one_that_this_repository_writes_by_hand():
    ours = models.build("vgg16", 10, (3, 32, 32), 4, width=0.1)
    parts = []
    for module in ours.stack:
        for part in (module.bn, module.node, module.pool) if isinstance(module, models.Site) else (module,):
            if isinstance(part, nn.Conv2d):
                part = layer.Conv2d(part.in_channels, part.out_channels, 3, padding=1, bias=False)
            parts.append(neuron.IFNode() if isinstance(part, neuron.IFNode) else part)
    model = nn.Sequential(*parts, layer.Linear(ours.head.in_features, 10))
    functional.set_step_mode(model, "m")
    net = models.adopt(model, (3, 32, 32), 4)
    numbers = dict(zip(net.sites, ours.sites, strict=True)) | {None: None}
    found = [(numbers[edge.makes], numbers[edge.reads], edge.unit) for edge in net.edges()]
    assert found == [(edge.makes, edge.reads, edge.unit) for edge in ours.edges()]


CONTAINERS = {
    "seq to ann": lambda: (
        layer.SeqToANNContainer(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)),
        neuron.IFNode(step_mode="m"),
        layer.SeqToANNContainer(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 49, 10)),
    ),
    "multi step": lambda: (
        layer.MultiStepContainer(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), neuron.IFNode()),
        layer.StepModeContainer(False, "m", nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 49, 10)),
    ),
}


class Repeats(nn.Module):
    """As SpikingJelly's tutorials: images are repeated, and spikes averaged, inside."""

    def __init__(self, T):
        super().__init__()
        self.T = T
        parts = layer.Conv2d(3, 6, 3), layer.BatchNorm2d(6), neuron.IFNode(), layer.Flatten()
        self.layers = nn.Sequential(*parts, layer.Linear(6 * 196, 10), neuron.IFNode())
        functional.set_step_mode(self, "m")

    def forward(self, x):
        if x.dim() == 4:
            x = x.unsqueeze(0).repeat(self.T, 1, 1, 1, 1)
        return self.layers(x).mean(0)


@pytest.mark.parametrize("name", [*CONTAINERS, "repeats"])
def test_time_may_be_led_through_in_other_ways(name):
    model = Repeats(3) if name == "repeats" else nn.Sequential(*CONTAINERS[name]())
    x = torch.rand(2, *SHAPE) * 3
    net = models.adopt(model.eval(), SHAPE, 3)
    with torch.no_grad():
        theirs = model(x if name == "repeats" else x.expand(3, *x.shape))
    theirs = theirs if name == "repeats" else theirs.mean(0)
    assert torch.allclose(measure.predict(net, x), theirs, atol=1e-5) and len(net.sites) == 1


def test_an_event_network_counts_its_input():
    model = nn.Sequential(layer.Conv2d(2, 4, 3), layer.BatchNorm2d(4), neuron.IFNode(), layer.Flatten())
    model.append(layer.Linear(4 * 36, 10))
    net = models.adopt(model, (2, 8, 8), 3, events=True)
    assert [edge.unit for edge in net.edges()] == [1.0, 1 / 3]


def test_what_it_is_kept_in_brings_it_back(tmp_path):
    net = adopted(3).float()
    pruning.apply_channel_masks(net, random_masks(net, 0.5, 0))
    small = pruning.compact(net, pruning.current_masks(net))
    models.save(small, tmp_path / "a.pt")
    sparse.save(small, tmp_path / "a.safetensors")
    x = images(net, 3)
    for back in (models.load(tmp_path / "a.pt"), sparse.load(tmp_path / "a.safetensors")):
        assert torch.equal(measure.predict(back, x), measure.predict(small, x))
