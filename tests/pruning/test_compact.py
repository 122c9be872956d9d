import pytest
import torch
from helpers import (
    CONVS,
    assert_alive,
    batches,
    images,
    labels,
    make_net,
    make_pruner,
    masked_net,
    random_masks,
    settle,
    snapshot,
)

from lib import models, pruning, training
from lib.measure import max_logit_diff, predict
from lib.pruning.compact import take

PUBLISHED = dict(
    zip([f"conv{i + 1}" for i in range(13)], [0, 0, 0, 0, 0, 0, 4, 50, 111, 62, 93, 103, 0], strict=True)
)
NETS = {"vgg-digits": dict(), "vgg16": dict(name="vgg16", in_shape=(3, 32, 32), width=1 / 16, T=2)}
KEPT = {"all": 1.0, "0.9": 0.9, "half": 0.5, "0.2": 0.2, "one": 1}


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("neuron", ["if", "lif"])
@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT)
def test_compact_equals_masked(kept, neuron, mode, batch, record_property):
    net, masks = masked_net(lambda net: random_masks(net, kept), neuron=neuron)
    small = pruning.compact(net.set_step_mode(mode), masks)
    assert pruning.prunable_channels(small) == {name: int(mask.sum()) for name, mask in masks.items()}
    assert small.step_mode == mode
    x = images(net, batch, seed=11)
    largest = (predict(net, x) - predict(small, x)).abs().max().item()
    record_property("largest_difference", largest)
    assert largest <= 1e-12


@pytest.mark.parametrize("kept", [0.5, 1])
@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_compact_equals_masked_for_vgg16(kept, neuron, record_property):
    net, masks = masked_net(lambda net: random_masks(net, kept), neuron=neuron, **NETS["vgg16"])
    small, x = pruning.compact(net, masks), images(net, 7, seed=11)
    largest = (predict(net, x) - predict(small, x)).abs().max().item()
    record_property("largest_difference", largest)
    assert largest <= 1e-12 and largest == max_logit_diff(net, small, x)


@pytest.mark.parametrize("seed", range(5))
def test_compact_equals_masked_for_masks_of_unequal_layers(seed, record_property):
    kept = dict(
        zip(
            CONVS,
            torch.randint(1, 5, (7,), generator=torch.Generator().manual_seed(seed)).tolist(),
            strict=True,
        )
    )
    net, masks = masked_net(lambda net: random_masks(net, kept, seed), seed=seed)
    small, x = pruning.compact(net, masks), images(net, 7, seed=11)
    largest = (predict(net, x) - predict(small, x)).abs().max().item()
    record_property("largest_difference", largest)
    assert largest <= 1e-12


def test_compact_removes_the_masked_channels_and_not_others():
    net, masks = masked_net(lambda net: random_masks(net, 0.5))
    x = images(net, 7)
    other = pruning.compact(net, {name: mask.flip(0) for name, mask in masks.items()})
    assert (predict(net, x) - predict(other, x)).abs().max() > 1e-2


def test_the_published_mask_leaves_its_11_727_373_parameters():
    net = models.build("vgg16", 10, (3, 32, 32), 4)
    masks = random_masks(
        net, {name: size - PUBLISHED[name] for name, size in pruning.prunable_channels(net).items()}
    )
    assert sum(int(mask.sum()) for mask in masks.values()) == 3801 == pruning.kept_count(0.1, 4224)
    assert sum(p.numel() for p in pruning.compact(net, masks).parameters()) == 11_727_373


def test_compact_leaves_the_masked_network_alone_and_shares_no_memory():
    net, masks = masked_net(lambda net: random_masks(net, {name: 4 for name in CONVS}))
    before = snapshot(net)
    small = pruning.compact(net, masks)
    with torch.no_grad():
        for tensor in [*small.parameters(), *small.buffers()]:
            tensor.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_compact_again_equals_compact_once():
    net, masks = masked_net(lambda net: random_masks(net, 0.5))
    inner = random_masks(pruning.compact(net, masks), 0.5, seed=4)
    twice = pruning.compact(pruning.compact(net, masks), inner)
    both = {name: mask.clone() for name, mask in masks.items()}
    for name in both:
        both[name][masks[name]] = inner[name]
    once = pruning.compact(net, both)
    assert all(
        torch.equal(a, b)
        for a, b in zip(once.state_dict().values(), twice.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compact_keeps_precision_and_mode(training, dtype):
    net = make_net(dtype=dtype).train(training)
    small = pruning.compact(net, random_masks(net, 0.5))
    assert small.training == training and {p.dtype for p in small.parameters()} == {dtype}
    assert all(site.mask.all() and site.state == "masked" for site in small.sites.values())


def test_compact_saved_and_loaded_without_the_old_one(tmp_path):
    net, masks = masked_net(lambda net: random_masks(net, 0.3), neuron="lif")
    x = images(net, 7)
    small = pruning.compact(net, masks)
    models.save(small, tmp_path / "small.pt")
    expected, found = predict(net, x), models.load(tmp_path / "small.pt")
    del net, small
    assert pruning.prunable_channels(found) == {name: int(mask.sum()) for name, mask in masks.items()}
    assert (predict(found.eval(), x) - expected).abs().max() <= 1e-12


def test_compact_after_soft_zeroing_equals_the_open_network(record_property):
    net = make_net()
    masks = random_masks(net, 0.5)
    pruning.zero_channels(net, masks)
    settle(net)
    assert {site.state for site in net.sites.values()} == {"open"}
    small, x = pruning.compact(net, masks), images(net, 7)
    largest = (predict(net, x) - predict(small, x)).abs().max().item()
    record_property("largest_difference", largest)
    assert largest <= 1e-12 and predict(small, x).std(0).max() > 1e-3


def make_optimizer(kind, net):
    if kind == "sgd":
        return torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    if kind == "sgd-nesterov":
        return torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True)
    adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind]
    return adam(net.parameters(), lr=1e-3, weight_decay=1e-3, amsgrad=True)


OPTIMIZERS = ["sgd", "sgd-nesterov", "adam", "adamw"]


def pruned_in_training(kind, neuron="if", kept=0.5):
    """(net, pruner, optimizer, masks) after dense steps, one structure update and one frozen step."""
    net = make_net(neuron)
    optimizer = make_optimizer(kind, net)
    pruner = make_pruner(net, ratio=1 - kept, seed=1)
    training.train_epoch(net, batches(net, 3), optimizer, 1e-3, pruner)
    pruner.after_epoch(1)
    training.train_epoch(net, batches(net, 1, seed=50), optimizer, 1e-3, pruner)
    return net, pruner, optimizer, pruner.masks


def entries(net, optimizer):
    """{name: tensor} of all parameters, buffers and optimiser states but the masks."""
    found = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith(".mask")}
    for name, parameter in net.named_parameters():
        for key, value in optimizer.state[parameter].items():
            found[f"{name}/{key}"] = value if torch.is_tensor(value) else torch.tensor(value)
    return found


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_training_masked_and_training_compact_is_the_same_algorithm(kind, neuron, record_property):
    net, pruner, optimizer, masks = pruned_in_training(kind, neuron)
    small = pruning.compact(net, masks)
    moved = pruning.compact_optimizer(optimizer, net, small, masks)
    steps = batches(net, 6, seed=100)
    start = snapshot(small)
    losses = [
        training.train_epoch(net, steps, optimizer, 1e-3, pruner),
        training.train_epoch(small, steps, moved, 1e-3),
    ]
    axes, old, new = net.channel_dims(), entries(net, optimizer), entries(small, moved)
    assert set(old) == set(new) and any("/" in name for name in old)
    largest = abs(losses[0] - losses[1])
    for name, tensor in old.items():
        shape = axes[name.split("/")[0]]
        kept = take(tensor, shape, masks) if tensor.dim() == len(shape) else tensor
        assert kept.shape == new[name].shape
        largest = max(largest, (kept.double() - new[name].double()).abs().max().item())
    record_property("largest_difference", largest)
    assert largest <= 1e-12
    assert all(
        not torch.equal(tensor, start[name])
        for name, tensor in small.state_dict().items()
        if not name.endswith("mask")
    )
    assert_alive(net.eval(), masks)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_without_its_carried_state_the_compact_network_goes_another_way(kind):
    net, pruner, optimizer, masks = pruned_in_training(kind)
    small = pruning.compact(net, masks)
    fresh = make_optimizer(kind, small)
    training.train_epoch(net, batches(net, 1), optimizer, 0.0, pruner)
    training.train_epoch(small, batches(net, 1), fresh, 0.0)
    kept = take(net.stack[2].weight, ("conv2", "conv1", None, None), masks)
    assert (kept - small.stack[2].weight).abs().max() > 1e-4


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_carried_optimizer_has_the_same_settings_and_shares_nothing(kind):
    net, _, optimizer, masks = pruned_in_training(kind)
    small = pruning.compact(net, masks)
    moved = pruning.compact_optimizer(optimizer, net, small, masks)
    assert type(moved) is type(optimizer)
    settings = [{k: v for k, v in o.param_groups[0].items() if k != "params"} for o in (optimizer, moved)]
    assert settings[0] == settings[1]
    before = {name: tensor.clone() for name, tensor in entries(net, optimizer).items()}
    training.train_epoch(small, batches(net, 2), moved)
    assert all(torch.equal(tensor, before[name]) for name, tensor in entries(net, optimizer).items())


def test_a_compact_network_learns():
    net, masks = masked_net(lambda net: random_masks(net, 0.5))
    small = pruning.compact(net, masks)
    optimizer = torch.optim.SGD(small.parameters(), lr=0.05, momentum=0.9)
    batch = [(images(small, 16), labels(small, 16))]
    losses = [training.train_epoch(small, batch, optimizer) for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is not None and p.grad.any() for p in small.parameters())
