import pytest
import torch
from helpers import CONVS, assert_alive, images, labels, make_net, random_masks, snapshot
from spikingjelly.activation_based import neuron
from torch import nn

from lib import models, pruning
from lib.measure import predict
from lib.models import vgg
from lib.settings import DATASETS, config


@pytest.mark.parametrize(
    "task, count",
    [("vgg16-cifar10", 15_250_378), ("vgg16-cifar100", 15_296_548), ("vgg16-tiny-imagenet", 15_347_848)],
)
def test_vgg16_of_the_paper_study_has_the_published_number_of_parameters(task, count):
    settings = config.load("paper").tasks[task]
    record = DATASETS[settings.data]
    with torch.device("meta"):
        given = record.classes, record.shape, settings.T, settings.neuron, settings.width
        net = models.build(settings.net, *given)
    assert sum(p.numel() for p in net.parameters()) == count


def test_vgg16_takes_the_maximum_of_what_64x64_images_leave():
    """One of four positions that fires is enough; the images of 32x32 leave one, and no further pooling."""
    nets = [models.build("vgg16", 200, (3, size, size), 1, width=1 / 64).eval() for size in (32, 64)]
    kinds = [[type(module).__name__ for module in net.modules()] for net in nets]
    assert [names.count("MaxPool2d") for names in kinds] == [5, 6]
    place = [type(module).__name__ for module in nets[1].stack].index("Flatten") - 1
    spikes = torch.zeros(1, 1, 8, 2, 2)
    spikes[0, 0, 3, 1, 0] = spikes[0, 0, 5] = 1.0
    assert nets[1].stack[place](spikes).flatten().tolist() == [0, 0, 0, 1, 0, 1, 0, 0]


def test_vgg16_has_4224_prunable_channels_at_13_sites():
    with torch.device("meta"):
        channels = pruning.prunable_channels(models.build("vgg16", 10, (3, 32, 32), 4))
    assert list(channels.items()) == [
        (f"conv{i + 1}", c) for i, c in enumerate([64] * 2 + [128] * 2 + [256] * 3 + [512] * 6)
    ]
    assert sum(channels.values()) == 4224


def test_initial_weights_are_those_of_the_published_code():
    torch.manual_seed(0)
    net = models.build("vgg16", 10, (3, 32, 32), 4, width=0.25)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            assert module.weight.std().item() == pytest.approx(
                (2 / (9 * module.out_channels)) ** 0.5, rel=0.1
            )
            assert (module.bias, module.kernel_size, module.padding) == (None, (3, 3), (1, 1))
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
        elif isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert module.bias is None or (module.bias == 0).all()


@pytest.mark.parametrize("name, kind", [("if", neuron.IFNode), ("lif", neuron.LIFNode)])
def test_every_neuron_is_of_the_kind_asked_for(name, kind):
    net = models.build("vgg-digits", 10, (1, 8, 8), 4, name)
    nodes = [m for m in net.modules() if isinstance(m, neuron.BaseNode)]
    assert len(nodes) == 8 and all(isinstance(node, kind) for node in nodes)


@pytest.mark.parametrize(
    "settings",
    [dict(), dict(neuron="lif"), dict(name="vgg16", in_shape=(3, 32, 32), width=1 / 16, T=2)],
    ids=["if", "lif", "vgg16"],
)
def test_both_step_modes_give_equal_logits(settings):
    net = make_net(**settings)
    assert_alive(net, random_masks(net, 1.0))
    x = images(net, 5)
    many = predict(net, x)
    single = predict(net.set_step_mode("s"), x)
    torch.testing.assert_close(single, many, rtol=0, atol=1e-12)
    assert many.shape == (5, 10)


@pytest.mark.parametrize("mode", ["s", "m"])
def test_state_is_reset_before_each_forward(mode):
    net = make_net().set_step_mode(mode)
    x = images(net, 4)
    first = predict(net, x)
    predict(net, 3 * images(net, 6, seed=8))
    assert torch.equal(predict(net, x), first)


def test_state_matters_within_a_forward():
    net = make_net()
    x = images(net, 4)
    frames = torch.stack([x, x.flip(0), x, x.flip(0)])
    assert not torch.allclose(predict(net, frames), predict(net, frames.flip(0)))


def test_a_static_image_is_the_same_image_at_each_step():
    net = make_net()
    x = images(net, 4)
    assert torch.equal(predict(net, x), predict(net, x.expand(4, *x.shape).contiguous()))


def test_images_of_a_batch_do_not_see_each_other():
    net = make_net()
    x = images(net, 7)
    torch.testing.assert_close(
        predict(net, x), torch.cat([predict(net, one) for one in x.split(1)]), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("neuron_name", ["if", "lif"])
def test_spikes_are_0_or_1_everywhere(neuron_name):
    net, seen = make_net(neuron_name), []
    for module in net.modules():
        if isinstance(module, neuron.BaseNode | models.Site):
            module.register_forward_hook(lambda _, __, out: seen.append(out))
    predict(net, images(net, 4))
    assert len(seen) == 15 and all(out.shape[:2] == (4, 4) for out in seen)
    assert all(((out == 0) | (out == 1)).all() and out.any() for out in seen)


def test_logits_are_the_head_on_the_mean_spikes_over_time():
    net, spikes = make_net(), []
    net.stack[-1].register_forward_hook(lambda _, __, out: spikes.append(out))
    logits = predict(net, images(net, 4))
    torch.testing.assert_close(
        logits, spikes[0].mean(0) @ net.head.weight.T + net.head.bias, rtol=0, atol=1e-13
    )


@pytest.mark.parametrize(
    "shape",
    [(8, 8), (1, 8, 8), (2, 3, 8, 8), (2, 1, 8, 9), (2, 1, 9, 8), (3, 2, 1, 8, 8), (1, 4, 2, 1, 8, 8)],
)
def test_an_input_of_the_wrong_shape_is_named(shape):
    net = models.build("vgg-digits", 10, (1, 8, 8), 4, width=0.5)
    with pytest.raises(ValueError) as error:
        net(torch.zeros(shape))
    assert str(shape) in str(error.value) and "1, 8, 8" in str(error.value)


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(name="vgg17"), ["'vgg17'", "vgg16", "vgg-digits"]),
        (dict(neuron="plif"), ["'plif'", "if, lif"]),
        (dict(T=0), ["T = 0"]),
        (dict(in_shape=(1, 2, 8)), ["(1, 2, 8)", "vgg-digits"]),
        (dict(widths={"conv99": 3}), ["conv99", "conv1, conv2"]),
    ],
)
def test_a_network_that_cannot_be_built_is_named(wrong, words):
    with pytest.raises(ValueError) as error:
        models.build(**{"name": "vgg-digits", "num_classes": 10, "in_shape": (1, 8, 8), "T": 4, **wrong})
    assert all(word in str(error.value) for word in words)


def test_widths_replace_single_layers():
    net = models.build("vgg-digits", 10, (1, 8, 8), 4, width=0.5, widths={"conv2": 3, "conv7": 5})
    assert pruning.prunable_channels(net) == dict(zip(CONVS, [4, 3, 8, 8, 32, 32, 5], strict=True))
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_axes_name_the_site_of_every_prunable_dimension():
    net = models.build("vgg-digits", 10, (1, 8, 8), 4)
    axes = net.channel_dims()
    assert set(axes) == set(net.state_dict())
    assert axes["stack.0.weight"] == ("conv1", None, None, None)
    assert axes["stack.2.weight"] == ("conv2", "conv1", None, None)
    for part in ("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "mask"):
        assert axes[f"stack.3.{part}"] == ("conv2",)
    assert axes["stack.15.weight"] == (None, "conv7")
    assert axes["head.weight"] == (None, None) and axes["head.bias"] == axes["stack.16.weight"] == (None,)
    for name, tensor in net.state_dict().items():
        for size, site in zip(tensor.shape, axes[name], strict=True):
            assert site is None or size % len(net.sites[site].mask) == 0


def trained_for_a_step(net):
    net.train()
    nn.functional.cross_entropy(net(images(net, 8)), labels(net, 8)).backward()
    return net


def test_clone_after_a_training_step_keeps_masks_states_and_modes():
    net = make_net(dtype=torch.float32)
    pruning.apply_channel_masks(net, random_masks(net, 0.5))
    trained_for_a_step(net).set_step_mode("s")
    net.sites["conv3"].state = "open"
    copy = models.clone(net, torch.float64)
    assert next(copy.parameters()).dtype == torch.float64 and copy.training and copy.step_mode == "s"
    assert [site.state for site in copy.sites.values()] == [site.state for site in net.sites.values()]
    assert all(
        torch.equal(tensor, net.state_dict()[name].to(tensor.dtype))
        for name, tensor in copy.state_dict().items()
    )
    before = snapshot(net)
    torch.nn.init.zeros_(copy.head.weight)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saved_and_loaded_network_is_the_same(tmp_path, dtype):
    net = make_net("lif", dtype=dtype)
    pruning.apply_channel_masks(net, random_masks(net, 0.5))
    models.save(net, tmp_path / "net.pt")
    again = models.load(tmp_path / "net.pt")
    x = images(net, 4)
    assert torch.equal(predict(net, x), predict(again, x)) and predict(again, x).dtype == dtype
    assert not torch.equal(predict(net, x), predict(make_net("lif", dtype=dtype, seed=1), x))


def test_a_loaded_network_is_in_eval_mode_however_it_was_saved(tmp_path):
    net = make_net().train()
    models.save(net, tmp_path / "net.pt")
    again = models.load(tmp_path / "net.pt")
    assert net.training and not any(module.training for module in again.modules())
    x = images(net, 4)
    before = snapshot(again)
    assert torch.equal(again(x), predict(net, x))
    assert all(torch.equal(tensor, before[name]) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize("width", [0, -3, 2.5, "a"])
def test_a_width_that_is_no_number_of_channels_is_refused_in_a_line(width, monkeypatch):
    monkeypatch.setitem(vgg.LAYOUTS, "vgg-digits", ((8, vgg.M, width), ()))
    with pytest.raises(ValueError, match=f"vgg-digits: width {width!r}: give a whole number of 1 or more"):
        models.build("vgg-digits", 10, (1, 8, 8), 2)
