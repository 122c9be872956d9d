"""The kernels of a GPU, interpreted on a CPU (TRITON_INTERPRET=1), beside the functions that a CPU compiles.
Prints {case: largest difference of what is sent, scored and sent back}; `test_by_hand.py` starts it."""

import itertools
import json

import torch

from lib.models import cuda, fused, kernels
from lib.models.neurons import NEURONS
from lib.models.sites import Site
from lib.pruning.scores import spike_abs_v

CASES = [
    (neuron, steps, T, pools, units, channels)
    for neuron, (steps, T), pools, units, channels in itertools.product(
        ("if", "lif"), ((1, 1), (1, 4), (3, 3)), (False, True), ("relu", "rate", "spiking"), (5, 40)
    )
    if channels == 5 or neuron == "if"
    if units == "spiking" or steps == 1
    if units != "relu" or T == 1
]


def seen(case: tuple, by_hand) -> list[torch.Tensor]:
    """What a layer sends, its score and its gradients, then what a neuron alone sends."""
    neuron, steps, T, pools, units, channels = case
    kernels.by_hand = fused.by_hand = by_hand
    torch.manual_seed(0)
    site = Site("conv1", channels, NEURONS[neuron](), pools).train()
    torch.nn.init.uniform_(site.bn.weight, 0.5, 2.0)
    torch.nn.init.uniform_(site.bn.bias, -0.5, 1.0)
    site.T = T
    site.node.units = units
    site.node.kernel = "compiled"
    site.node.watch = spike_abs_v
    z = (3 * torch.randn(steps, 2, channels, 4, 6) + 1).requires_grad_()
    sent = site(z)
    sent.backward(torch.randn(sent.shape))
    found = [sent.detach(), z.grad, site.bn.weight.grad, site.bn.bias.grad]
    found += [site.bn.running_mean, site.bn.running_var]
    found += [] if site.node.seen is None else [site.node.seen]
    x = torch.randn(T, 2, channels, 3, 3).requires_grad_()
    alone = site.node(x)
    alone.backward(torch.randn(alone.shape))
    return [*found, alone.detach(), x.grad]


def apart(case: tuple) -> float:
    """Relative to the largest of each."""
    ours, theirs = (seen(case, way) for way in (lambda x: cuda, lambda x: None))
    pairs = zip(ours, theirs, strict=True)
    return max(((a - b).abs().max() / b.abs().max().clamp(min=1)).item() for a, b in pairs)


if __name__ == "__main__":
    kernels.compiled = fused.compiled = lambda function: function  # compiling takes minutes
    print(json.dumps({" ".join(map(str, case)): apart(case) for case in CASES}))
