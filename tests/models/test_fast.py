"""The ways to compute a step change no number: each option against plain SpikingJelly,
in float64 on networks that spike."""

import shutil

import pytest
import torch
from helpers import batches, images, make_net, make_pruner
from spikingjelly.activation_based import functional, neuron, surrogate

from lib import models, training
from lib.measure import firing, predict
from lib.models.dynamics import fire, potentials
from lib.models.neurons import NEURONS
from lib.pruning import ScoreMeter, ShrinkingPruner, apply_channel_masks, compact, probe
from lib.pruning.scores import ACTIVITY_SCORES
from lib.settings import Fast

COMPILED = pytest.param(
    "compiled",
    marks=pytest.mark.skipif(not shutil.which("g++"), reason="compiled kernels need a C++ compiler"),
)
SLOW = pytest.param("compiled", marks=[*COMPILED.marks, pytest.mark.slow])  # compiled anew for each layer
SEEN = [
    pytest.param("compiled", "spike_abs_v", marks=[*COMPILED.marks, pytest.mark.slow]),
    *(("spikingjelly", name) for name in ACTIVITY_SCORES),
]
PLAIN = Fast(neurons="spikingjelly", static_once=False)
EVENTS = (2, 16, 16)
NETS = {
    "vgg-digits": {},
    "resnet-digits": {},
    "preresnet-digits": {},
    "dvs-digits": {"in_shape": EVENTS},
}
OPTIONS = {
    "fused": Fast(neurons="fused", static_once=False),
    "static_once": Fast(neurons="spikingjelly", static_once=True),
    "channels_last": Fast(neurons="spikingjelly", static_once=False, channels_last=True),
    "all": Fast(neurons="fused", channels_last=True),
    "compiled": Fast(neurons="compiled", channels_last=True),
}


def currents(*shape, last=False):
    """Random currents of which some fire; last: laid out with the channels last."""
    x = 1.5 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view_as(x) if last else x


def plain_node(name):
    """SpikingJelly's own class, not ours."""
    kind, settings = {"if": (neuron.IFNode, {}), "lif": (neuron.LIFNode, {"tau": 2.0, "decay_input": True})}[
        name
    ]
    return kind(**settings, surrogate_function=surrogate.Sigmoid(alpha=4.0), detach_reset=True, step_mode="m")


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("kernel", ["spikingjelly", "fused", COMPILED])
@pytest.mark.parametrize("name", ["if", "lif"])
def test_a_kernel_gives_spikingjellys_spikes_and_gradients_in_the_same_layout(name, kernel, last):
    x, weights = currents(4, 3, 5, 6, 6, last=last), currents(4, 3, 5, 6, 6).flip(0)
    node, found = NEURONS[name](), []
    node.kernel = kernel
    for one in (node, plain_node(name)):
        leaf = x.clone().requires_grad_()
        spikes = one(leaf)
        (spikes * weights).sum().backward()
        found.append((spikes.detach(), leaf.grad))
    (ours, grad), (theirs, expected) = found
    assert 0.05 < theirs.mean() < 0.95 and torch.equal(ours, theirs)
    torch.testing.assert_close(grad, expected, rtol=0, atol=1e-12)
    assert ours.stride() == x.stride()


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize(("kernel", "score"), SEEN)
def test_a_kernel_shows_the_same_activity_while_it_computes_the_spikes(score, kernel, last):
    x, seen = currents(4, 3, 5, 6, 6, last=last), []
    for one in (kernel, "fused"):
        node = NEURONS["if"]()
        node.kernel, node.watch = one, ACTIVITY_SCORES[score]
        node(x.requires_grad_()).sum().backward()
        seen.append(node.seen)
    torch.testing.assert_close(*seen, rtol=1e-12, atol=0)
    assert not seen[0].requires_grad and len(seen[0]) == 5
    node.eval()(x)
    assert node.seen is None


@pytest.mark.parametrize("kernel", ["spikingjelly", "fused"])
def test_the_membrane_stays_in_32_bits_when_the_input_has_16(kernel):
    node, heard = NEURONS["if"](), []
    node.kernel, node.watch = kernel, heard.append
    x = currents(4, 3, 5, 6, 6).bfloat16().requires_grad_()
    node(x).sum().backward()
    [act] = heard
    assert (
        x.grad.dtype == torch.bfloat16
        and act.spikes.dtype == act.h_pre.dtype == act.v_post.dtype == torch.float32
    )
    assert torch.equal(fire(torch.stack(potentials(x.float(), None)), torch.float32), act.spikes)
    assert (act.h_pre != act.h_pre.bfloat16()).any()


def trained(name, fast, steps=4):
    """A network after some steps of SGD with momentum, and its meter's scores."""
    net = make_net(name=name, **NETS[name]).use(fast)
    meter = ScoreMeter(net, "spike_abs_v")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    training.train_epoch(net, batches(net, steps), optimizer, 1e-4)
    return net, meter.mean()


@pytest.mark.parametrize("option", [SLOW if option == "compiled" else option for option in OPTIONS])
@pytest.mark.parametrize("name", NETS)
def test_an_option_trains_every_tensor_to_the_same_value(name, option):
    (plain, scores), (fast, found) = trained(name, PLAIN), trained(name, OPTIONS[option])
    assert all(rates.mean() > 0.02 for rates in firing(plain, images(plain, 5)).values())
    torch.testing.assert_close(
        fast.state_dict(), plain.state_dict(), rtol=0, atol=1e-9
    )  # running variances too
    torch.testing.assert_close(found, scores, rtol=0, atol=1e-9)
    logits = [predict(net, images(net, 5)) for net in (fast, plain)]
    torch.testing.assert_close(*logits, rtol=0, atol=1e-9)


def test_a_still_image_meets_the_first_convolution_once():
    for once, steps in ((True, 1), (False, 4)):
        net, seen = make_net().use(Fast(static_once=once)), []
        net.stack[0].register_forward_hook(lambda _, __, out, seen=seen: seen.append(len(out)))
        net(images(net, 3))
        assert seen == [steps]


def test_16_bits_are_for_training_alone():
    net, dtypes = make_net().float().use(Fast(bf16=True)), []
    net.stack[0].register_forward_hook(lambda _, __, out: dtypes.append(out.dtype))
    assert net.train()(images(net, 3).float()).dtype == torch.float32
    exact = predict(make_net().float(), images(net, 3).float())
    assert torch.equal(predict(make_net().float().use(Fast(bf16=True)), images(net, 3).float()), exact)
    net.eval()(images(net, 3).float())
    assert dtypes == [torch.bfloat16, torch.float32]
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_a_mask_written_after_a_pass_is_heard_by_the_next():
    net = make_net().eval()
    whole = predict(net, images(net, 4))
    site = net.sites["conv5"]
    assert site.whole()
    apply_channel_masks(net, {name: torch.arange(len(s.mask)) > 2 for name, s in net.sites.items()})
    assert not site.whole() and not torch.equal(predict(net, images(net, 4)), whole)
    net.load_state_dict(make_net().state_dict())
    assert site.whole() and torch.equal(predict(net, images(net, 4)), whole)


def test_copies_and_small_networks_compute_as_their_original_does():
    fast = Fast(neurons="spikingjelly", channels_last=True, bf16=True)
    net = make_net().use(fast)
    masks = {name: torch.arange(len(site.mask)) > 0 for name, site in net.sites.items()}
    for one in (models.clone(net, torch.float32), compact(net, masks)):
        assert one.fast == fast and one.stack[2].weight.is_contiguous(memory_format=torch.channels_last)
        nodes = [m for m in one.modules() if isinstance(m, neuron.BaseNode)]
        assert {node.kernel for node in nodes} == {"spikingjelly"}


def test_step_by_step_a_node_is_spikingjellys():
    node = NEURONS["lif"]()
    functional.set_step_mode(node, "s")
    x = currents(4, 7)
    steps = torch.stack([node(step) for step in x])
    assert torch.equal(steps, NEURONS["lif"]()(x)) and isinstance(node.v, torch.Tensor)


@pytest.mark.parametrize("name", NETS)
def test_16_bits_train_and_update_the_structure_and_learn_what_32_learn(name):
    """On the same batches the loss falls about as far: bf16 keeps 8 bits of a product."""
    last = {}
    for fast in (Fast(), Fast(bf16=True)):
        net = make_net(name=name, **NETS[name]).float().use(fast)
        few = [(x.float(), y) for x, y in batches(net, 3)]
        pruner = make_pruner(net, kind=ShrinkingPruner)
        pruner.probes = lambda few=few: few[:2]
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        losses = []
        for epoch in range(1, 5):
            losses.append(training.train_epoch(pruner.trained, few, optimizer, 0.0, pruner))
            pruner.after_epoch(epoch)
            optimizer = pruner.carry(optimizer)
        assert losses[-1] < losses[0] and pruner.history
        last[fast.bf16] = losses[-1] / losses[0]
    assert abs(last[True] - last[False]) < 0.2


def test_a_failed_probe_leaves_a_network_that_learns():
    net = make_net()
    with pytest.raises(ValueError, match="input of shape"):
        probe(net, [(torch.zeros(4, 1, 5, 5).double(), torch.zeros(4).long())])
    assert all(p.requires_grad for p in net.parameters())
    assert {site.state for site in net.sites.values()} == {"masked"}
