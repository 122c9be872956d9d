"""A sparse network in a file: what comes back is the same bit for bit, and the bytes follow the density."""

import pytest
import torch
from helpers import images, make_net

from lib import measure, models, pruning
from lib.models import sparse
from lib.pruning.sparse_init import sparse_masks


def sparse_net(density, name="vgg-digits", dtype=torch.float32, **settings):
    net = make_net(name=name, **settings).to(dtype)
    shapes = {layer: tuple(w.shape) for layer, w in net.weights().items()}
    pruning.apply_weight_masks(
        net, sparse_masks(shapes, density, "uniform", torch.Generator().manual_seed(0))
    )
    net.head.weight.data.view(-1)[:2] = torch.tensor([-0.0, 0.0])
    return net.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits", "preresnet-digits"])
@pytest.mark.parametrize("density", [0.01, 0.3, 1.0])
def test_what_comes_back_is_the_same_bit_for_bit(density, name, dtype, tmp_path):
    net = sparse_net(density, name, dtype)
    sparse.save(net, tmp_path / "net.safetensors")
    back = sparse.load(tmp_path / "net.safetensors")
    there = net.state_dict()
    assert {n: t.dtype for n, t in back.state_dict().items()} == {n: t.dtype for n, t in there.items()}
    for n, tensor in back.state_dict().items():
        assert torch.equal(tensor, there[n]), n
        assert not tensor.is_floating_point() or torch.equal(tensor.signbit(), there[n].signbit()), n
    x = images(net, 8).to(dtype)
    assert torch.equal(measure.predict(back, x), measure.predict(net, x))


def test_a_compact_network_keeps_its_widths(tmp_path):
    net = make_net()
    small = pruning.compact(
        net, {name: torch.arange(size) % 2 == 0 for name, size in pruning.prunable_channels(net).items()}
    )
    sparse.save(small, tmp_path / "net.safetensors")
    assert pruning.prunable_channels(sparse.load(tmp_path / "net.safetensors")) == pruning.prunable_channels(
        small
    )


def test_bytes_follow_the_density(tmp_path):
    found = {}
    for density in (0.1, 0.5, 1.0):
        net = sparse_net(density, width=2.0)
        sparse.save(net, tmp_path / f"{density}.safetensors")
        found[density] = sparse.sizes(net, tmp_path / f"{density}.safetensors")
        left, every = measure.weights_left(net)["density"], sum(w.numel() for w in net.weights().values())
        assert found[density]["sparse"] == (tmp_path / f"{density}.safetensors").stat().st_size
        saved = every * (4 * (1 - left) - 1 / 8)  # four bytes a weight that is gone, less a bit a weight
        assert found[density]["dense"] - found[density]["sparse"] == pytest.approx(saved, abs=4000)
    assert found[0.1]["sparse"] < found[0.5]["sparse"] < found[1.0]["dense"] < found[1.0]["sparse"]


def test_a_file_that_would_come_back_changed_is_refused(tmp_path, monkeypatch):
    net = sparse_net(0.3)
    other = models.clone(net, torch.float32)
    with torch.no_grad():
        other.head.bias[0] += 1
    monkeypatch.setattr(sparse, "load", lambda path: other)
    with pytest.raises(ValueError, match="head.bias came back changed"):
        sparse.sizes(net, tmp_path / "net.safetensors")
