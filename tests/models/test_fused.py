"""BN, neuron and pooling in one compiled node, against SpikingJelly's and PyTorch's own layers in float64."""

import shutil

import pytest
import torch
import torch.nn.functional as F
from spikingjelly.activation_based import functional

from lib.models import fused
from lib.models.neurons import NEURONS
from lib.models.sites import Site
from lib.pruning.scores import spike_abs_v

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="compiled kernels need a C++ compiler")
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
]
CASES = {  # the neuron, steps that differ in the input, T, whether it pools, its units
    "if, still image, pools": ("if", 1, 3, True, "spiking"),
    "if, events": ("if", 3, 3, False, "spiking"),
    "lif, events, pools": ("lif", 2, 2, True, "spiking"),
    "lif, still image": ("lif", 1, 2, False, "spiking"),
    "rectified, pools": ("if", 1, 1, True, "relu"),
    "rectified": ("if", 1, 1, False, "relu"),
    "rectified, lif": ("lif", 1, 1, True, "relu"),
    "rectified for good, pools": ("relu", 1, 1, True, "relu"),
    "rectified for good": ("relu", 1, 1, False, "relu"),
    "rates, pools": ("if", 1, 4, True, "rate"),
    "rates, lif": ("lif", 1, 4, False, "rate"),
    "rates, lif, pools": ("lif", 1, 4, True, "rate"),
    "rates, events, pools": ("if", 3, 3, True, "rate"),
    "if, one step, pools": ("if", 1, 1, True, "spiking"),
}


def site(neuron: str, T: int, pools: bool, units: str) -> Site:
    made = Site("conv1", 5, NEURONS[neuron](), pools).double().train()
    chance = torch.Generator().manual_seed(1)
    torch.nn.init.uniform_(made.bn.weight, 0.5, 2.0, generator=chance)
    torch.nn.init.uniform_(made.bn.bias, -0.5, 1.0, generator=chance)
    made.T = T
    made.node.units = units
    return made


def seen(
    kernel: str, case: tuple, size: tuple[int, int], momentum: float | None = 0.1, device: str = "cpu"
) -> dict:
    """What a site sends, its gradients, its statistics and a score of it."""
    neuron, differ, T, pools, units = case
    one = site(neuron, T, pools, units).to(device)
    one.bn.momentum = momentum
    one.node.kernel = kernel
    one.node.watch = spike_abs_v
    functional.reset_net(one)
    chance = torch.Generator().manual_seed(2)
    z = 3 * torch.randn(differ, 4, 5, *size, generator=chance, dtype=torch.float64) + 40
    z = z.to(device).requires_grad_()
    sent = one(z)
    weights = torch.randn(sent.shape, generator=chance, dtype=torch.float64)
    (sent * weights.to(device)).sum().backward()
    found = {
        "sent": sent.detach(),
        "input": z.grad,
        "gamma": one.bn.weight.grad,
        "beta": one.bn.bias.grad,
        "mean": one.bn.running_mean,
        "variance": one.bn.running_var,
        "score": torch.zeros(5) if neuron != "relu" and units == "relu" else one.node.seen,
    }
    return {name: value.cpu() for name, value in found.items()}


def compare(case: tuple, size: tuple[int, int], **options) -> None:
    plain, compiled = (seen(kernel, case, size, **options) for kernel in ("spikingjelly", "compiled"))
    assert 0.03 < plain["sent"].count_nonzero() / plain["sent"].numel() < 0.97
    for name, expected in plain.items():
        torch.testing.assert_close(compiled[name], expected, rtol=1e-9, atol=1e-11, msg=name)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES)
def test_a_layer_sends_and_learns_as_its_parts_do_one_after_the_other(case, device):
    compare(CASES[case], (6, 8), device=device)


@pytest.mark.parametrize("case", ["if, events", "if, still image, pools"])
def test_statistics_may_be_a_plain_mean_over_the_batches(case):
    compare(CASES[case], (6, 8), momentum=None)


def test_a_map_of_odd_size_is_pooled_by_pytorch():
    compare(CASES["if, still image, pools"], (7, 6))


def test_of_several_that_fire_the_first_is_the_maximum_as_in_pytorch():
    """A spike train is full of ties: the gradient must go where PyTorch sends it."""
    values = (torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(3)) < 0.5).double()
    corners = [values[:, :, i::2, j::2] for i, j in fused.CORNERS]
    best, place = fused.highest(corners)
    expected, index = F.max_pool2d(values, 2, return_indices=True)
    rows, columns = torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")
    found = (2 * rows + place.long() // 2) * 4 + 2 * columns + place.long() % 2
    assert torch.equal(best, expected) and torch.equal(found, index)
    assert {0, 1, 2, 3} <= set(place.flatten().tolist())


def test_a_mean_far_from_0_costs_no_digits_of_the_variance():
    rows = torch.randn(4096, 7, generator=torch.Generator().manual_seed(4)) + 1000
    mean, variance = fused.statistics(rows)
    torch.testing.assert_close(mean, rows.double().mean(0).float(), rtol=1e-6, atol=0)
    torch.testing.assert_close(variance, rows.double().var(0, correction=0).float(), rtol=1e-4, atol=0)
