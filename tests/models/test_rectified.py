"""The rectified twin of a spiking VGG: no time, no memory, nothing that fires; pruned by the same rules."""

import pytest
import torch
import torch.nn.functional as F
from helpers import images, make_net, random_masks, task_of, trial_of

from lib import models, pruning
from lib.measure import firing, predict, synops
from lib.models import Site
from lib.models.neurons import ReLUNode
from lib.pruning.scores import activity_scores
from lib.settings import Fast
from lib.training import Run


def twin(**settings):
    return make_net("relu", T=1, **settings)


def plain(net, x):
    """The same network by PyTorch's own functions, in training mode: batch statistics."""
    for module in net.stack:
        if isinstance(module, torch.nn.Conv2d):
            x = F.conv2d(x, module.weight, padding=1)
        elif isinstance(module, Site):
            x = F.relu(F.batch_norm(x, None, None, module.bn.weight, module.bn.bias, True, eps=module.bn.eps))
            x = F.max_pool2d(x, 2) if isinstance(module.pool, torch.nn.MaxPool2d) else x
        elif isinstance(module, torch.nn.Linear):
            x = F.linear(x, module.weight)
        elif isinstance(module, torch.nn.BatchNorm1d):
            x = F.batch_norm(x, None, None, module.weight, module.bias, True, eps=module.eps)
        else:
            x = x.relu() if isinstance(module, ReLUNode) else x.flatten(1)
    return net.head(x)


@pytest.mark.parametrize("kernel", ["spikingjelly", "fused"])
def test_it_is_the_network_that_pytorch_computes(kernel):
    net = twin().use(Fast(neurons=kernel)).train()
    x = images(net, 8)
    assert sum(isinstance(module, torch.nn.MaxPool2d) for module in net.modules()) > 0
    torch.testing.assert_close(net(x), plain(net, x), rtol=1e-10, atol=1e-10)


def test_phases_and_step_mode_leave_it_as_it_is():
    net = twin()
    x = images(net, 4)
    once = predict(net, x)
    for units in ("rate", "spiking"):
        assert torch.equal(predict(net.run_for(1, units), x), once)
    torch.testing.assert_close(predict(net.set_step_mode("s"), x), once, rtol=1e-12, atol=1e-12)


def test_its_score_is_its_mean_value_and_nothing_stays_in_it():
    net = twin()
    x = images(net, 8)
    values = {}
    site = net.sites["conv1"]
    site.bn.weight.data *= 5
    hook = site.node.register_forward_hook(lambda module, args, out: values.update(conv1=out.detach()))
    scores = activity_scores(net, "spike_abs_v", [(x, None)])
    hook.remove()
    assert scores["conv1"].max() > 1  # no rate
    torch.testing.assert_close(scores["conv1"], values["conv1"].mean((0, 1, 3, 4)))
    assert (activity_scores(net, "abs_v", [(x, None)])["conv1"] == 0).all()


def test_its_potential_is_what_it_rectifies():
    net = twin().train()
    x = images(net, 8)
    values = {}
    node = net.sites["conv1"].node
    hook = node.register_forward_pre_hook(lambda module, args: values.update(h=args[0].detach()))
    size = activity_scores(net, "abs_h", [(x, None)])["conv1"]
    above = activity_scores(net, "relu_h", [(x, None)])["conv1"]
    hook.remove()
    torch.testing.assert_close(size, values["h"].abs().mean((0, 1, 3, 4)))
    torch.testing.assert_close(above, values["h"].clamp(min=0).mean((0, 1, 3, 4)))
    assert (above < size).all()


def test_what_is_left_of_it_is_the_masked_network():
    net = twin()
    masks = random_masks(net, 0.5)
    pruning.apply_channel_masks(net, masks)
    small = pruning.compact(net, masks)
    x = images(net, 8)
    assert (predict(net, x) - predict(small, x)).abs().max() < 1e-12
    assert all(len(found) == masks[name].sum() for name, found in firing(small, x).items())


def test_each_of_its_synapses_costs_a_multiplication():
    """By hand: of a 3x3 convolution on a map of n x n, 9 n^2 - 12 n + 4 positions a pair of channels."""
    net = twin()
    found = synops(net, images(net, 2))
    assert found["ac"] == 0
    size = 8
    expected = 0
    for module in net.stack:
        if isinstance(module, torch.nn.Conv2d):
            expected += module.in_channels * module.out_channels * (9 * size**2 - 12 * size + 4)
        elif isinstance(module, Site) and isinstance(module.pool, torch.nn.MaxPool2d):
            size //= 2
        elif isinstance(module, torch.nn.Linear):
            expected += module.weight.numel()
    expected += net.head.weight.numel()
    assert found["mac"] == expected


def test_it_is_trained_and_pruned_by_the_same_rule(digits):
    task = task_of(epochs=8).model_copy(update={"neuron": "relu", "T": 1})
    run = Run(digits, task, trial_of(0.5), 0)
    run.fit("twin")
    small = run.finish()
    assert run.log[-1]["validation"] > 0.8
    assert sum(len(site.mask) for site in small.sites.values()) < sum(
        len(site.mask) for site in run.masked().sites.values()
    )


@pytest.mark.parametrize(("name", "T"), [("vgg-digits", 4), ("resnet-digits", 1), ("spikformer-digits", 1)])
def test_elsewhere_it_is_refused(name, T):
    with pytest.raises(ValueError, match=f"'relu' in {name}, T = {T}: rectified units stand in a VGG"):
        models.build(name, 10, (1, 8, 8), T, neuron="relu")
