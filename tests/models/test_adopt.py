"""Networks of anybody's, taken over: the same function, pruned exactly, counted event by event."""

import random

import pytest
import torch
import torch.nn.functional as F
from any_network import AnyNetwork, any_node
from helpers import images, random_masks, settle
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.model import sew_resnet, spiking_resnet, spiking_vgg
from torch import nn

from lib import measure, models, pruning
from lib.core.errors import AdoptError
from lib.measure.synapses import inputs_of
from lib.models import sparse
from lib.models.start import norms

SHAPE = (3, 16, 16)


def adopted(seed: int):
    """A random network that spikes."""
    model = AnyNetwork(seed)
    net = models.adopt(model, model.in_shape, model.T).double()
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
    masks = random_masks(net, 0.5, seed)
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


@pytest.mark.parametrize("seed", range(12))
def test_what_neurons_of_any_constants_did_is_what_they_do_step_by_step(seed):
    """H and V of the scores against SpikingJelly's, in units of the threshold."""
    theirs = any_node(random.Random(seed))
    model = nn.Sequential(layer.Conv2d(1, 2, 1), layer.BatchNorm2d(2), theirs)
    ours = models.adopt(model.append(layer.Flatten()).append(layer.Linear(32, 2)), (1, 4, 4), 3)
    [node] = [site.node for site in ours.sites.values()]
    x = torch.randn(3, 5, 2, 4, 4)
    seen = []
    node.watch = lambda act: seen.append(act) or act.spikes.sum()
    node.train()
    functional.reset_net(node)
    spikes = node(x)
    functional.reset_net(theirs)
    theirs.step_mode = "s"
    for t in range(3):
        fired = theirs(x[t])
        assert torch.equal(spikes[t], fired) and torch.equal(seen[0].spikes[t], fired)
        assert torch.allclose(seen[0].v_post[t], theirs.v / theirs.v_threshold, atol=1e-6)
        assert torch.equal(seen[0].h_pre[t] >= 1 - 1e-6, fired.bool())
        silent = fired == 0
        assert torch.allclose(seen[0].h_pre[t][silent], seen[0].v_post[t][silent], atol=1e-6)


class Between(nn.Module):
    """Does something between its layers."""

    def __init__(self, function):
        super().__init__()
        self.layers = nn.Sequential(layer.Conv2d(3, 4, 3), layer.BatchNorm2d(4), neuron.IFNode())
        self.last = nn.Sequential(layer.Flatten(), layer.Linear(4 * 196, 10))
        self.function = function

    def forward(self, x):
        return self.last(self.function(self, self.layers(x)))


def a_conv(*after, **options):
    """A first convolution of six channels, and what comes after it."""
    return nn.Sequential(layer.Conv2d(3, 6, 3, **options), *after)


def whole(*after):
    return a_conv(layer.BatchNorm2d(6), *after, layer.Flatten(), layer.Linear(6 * 196, 10))


class Hidden(nn.Module):
    """A hook changes what a layer gives."""

    def __init__(self):
        super().__init__()
        self.layers = whole(neuron.IFNode())
        self.layers[0].register_forward_hook(lambda module, args, out: 2 * out + 1)

    def forward(self, x):
        return self.layers(x)


NODE = neuron.IFNode
REFUSED = {
    "of type IzhikevichNode": lambda: whole(neuron.IzhikevichNode()),
    "layers that can are .*Conv2d": lambda: whole(NODE(), nn.GELU()),
    "no layer of spiking neurons": lambda: whole(),
    "sigmoid of 1 tensors cannot be taken over": lambda: Between(lambda net, x: torch.sigmoid(x)),
    "mul of 1 tensors": lambda: Between(lambda net, x: x * 2),
    "layers.2 is called more than once": lambda: Between(lambda net, x: net.layers[2](x)),
    "cannot be traced": lambda: Between(lambda net, x: x if x.sum() > 0 else -x),
    "a tensor of the network's own": lambda: Between(lambda net, x: x + net.layers[1].bias[:, None, None]),
    "padding of mode 'circular'": lambda: a_conv(NODE(), layer.Flatten(), padding=1, padding_mode="circular"),
    "returns maps": lambda: a_conv(layer.BatchNorm2d(6), NODE()),
    "does not run on images": lambda: nn.Sequential(layer.Conv2d(5, 4, 3), NODE(), layer.Flatten()),
    "gives other logits": Hidden,
    "a network of this study already": lambda: models.build("vgg9", 10, SHAPE, 2, width=0.1),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_taken_over_is_refused_in_one_line(said):
    with pytest.raises(AdoptError, match=said) as caught:
        models.adopt(REFUSED[said](), SHAPE, 2)
    assert "\n" not in str(caught.value)


LEFT = {
    "in 3 groups": lambda: a_conv(layer.BatchNorm2d(6), NODE(), groups=3),
    "no batch normalisation": lambda: a_conv(NODE()),
    "no scale": lambda: a_conv(layer.BatchNorm2d(6, affine=False), NODE()),
    "no neuron and no sum": lambda: a_conv(layer.BatchNorm2d(6), layer.AvgPool2d(3, 1, 1), NODE()),
}


@pytest.mark.parametrize("said", LEFT)
def test_what_cannot_be_pruned_is_left_whole_and_said(said):
    model = LEFT[said]().append(layer.Conv2d(6, 5, 3)).append(layer.BatchNorm2d(5)).append(neuron.IFNode())
    model.append(layer.AdaptiveAvgPool2d(1)).append(layer.Flatten()).append(layer.Linear(5, 10))
    net = models.adopt(model, SHAPE, 2)
    assert len(net.sites) == 1 and list(net.left_whole) == ["0"] and said in net.left_whole["0"]


def test_channels_that_are_the_outputs_stay():
    model = a_conv(layer.BatchNorm2d(6), NODE(), layer.AdaptiveAvgPool2d(1), layer.Flatten())
    net = models.adopt(model, SHAPE, 2)
    assert not net.sites and net.left_whole == {"0": "its channels are the network's outputs"}


def test_means_over_windows_of_several_sizes_are_counted_as_numbers():
    model = a_conv(layer.BatchNorm2d(6), NODE(), layer.AdaptiveAvgPool2d(4), layer.Flatten())
    model.append(layer.Linear(96, 10))
    net = models.adopt(model, SHAPE, 2)
    assert "windows of several sizes" in net.as_numbers["5"] and net.edges()[-1].unit is None
