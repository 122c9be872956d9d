"""What a step takes of which parameter, and what is set up before the first."""

import os
import subprocess
import sys

import pytest
import torch
from helpers import make_net
from torch import nn

from lib import models, training
from lib.settings import Train

RECIPE = Train(lr=0.2, epochs=30, batch=1, momentum=0.9, weight_decay=1e-4, l1=0.0, lr_schedule="cosine")


def test_set_lr_reaches_every_group():
    net = make_net()
    groups = [{"params": net.head.parameters()}, {"params": net.stack.parameters(), "lr": 5.0}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    training.set_lr(optimizer, 15, RECIPE)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.1])


def test_make_optimizer_is_sgd_over_all_parameters_by_the_recipe():
    net = make_net()
    optimizer = training.make_optimizer(net, RECIPE)
    [group] = optimizer.param_groups
    assert type(optimizer) is torch.optim.SGD
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.2, 0.9, 1e-4)
    assert [id(p) for p in group["params"]] == [id(p) for p in net.parameters()]


ADAMW = RECIPE.model_copy(update={"optimizer": "adamw", "momentum": 0.8, "weight_decay": 0.5})


def test_make_optimizer_is_adamw_where_the_recipe_says_so():
    net = make_net()
    optimizer = training.make_optimizer(net, ADAMW)
    assert type(optimizer) is torch.optim.AdamW
    assert all((group["lr"], group["betas"]) == (0.2, (0.8, 0.999)) for group in optimizer.param_groups)
    given = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(given) == sorted(id(parameter) for parameter in net.parameters())


def test_a_step_of_adamw_by_hand():
    """Adam's first step is lr in the direction of the sign; decay takes lr * 0.5 = 0.1 of a matrix alone."""
    net = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).double()
    linear, normal = net
    values = {linear.weight: [[2.0, -1.0]], linear.bias: [1.0], normal.weight: [3.0], normal.bias: [-2.0]}
    slopes = {linear.weight: [[3.0, -5.0]], linear.bias: [-4.0], normal.weight: [0.5], normal.bias: [2.0]}
    wanted = {
        linear.weight: [[2.0 - 0.2 - 0.2, -1.0 + 0.1 + 0.2]],
        linear.bias: [1.0 + 0.2],
        normal.weight: [3.0 - 0.2],
        normal.bias: [-2.0 - 0.2],
    }
    for parameter, value in values.items():
        parameter.data = torch.tensor(value).double()
        parameter.grad = torch.tensor(slopes[parameter]).double()
    training.make_optimizer(net, ADAMW).step()
    for parameter, value in wanted.items():
        torch.testing.assert_close(parameter.detach(), torch.tensor(value).double(), rtol=0, atol=1e-6)


def test_adamw_decays_the_matrices_of_a_transformer_and_sgd_all_of_a_network():
    """Without gradients decay is all that a step does."""
    for name, shape, recipe in (("spikformer-digits", (1, 8, 8), ADAMW), ("vgg-digits", (1, 8, 8), RECIPE)):
        net = models.build(name, 10, shape, 2)
        for parameter in net.parameters():
            parameter.data.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
        training.make_optimizer(net, recipe).step()
        for kind, parameter in net.named_parameters():
            decay = 1e-4 if recipe is RECIPE else 0.5 * (parameter.dim() > 1)
            assert torch.allclose(parameter, torch.tensor(1 - 0.2 * decay)), kind
        assert {parameter.dim() for parameter in net.parameters()} >= {1, 2, 4}


@pytest.mark.parametrize("given, found", [(None, ":4096:8"), (":16:8", ":16:8")])
def test_set_up_asks_for_deterministic_algorithms_before_cuda_starts(given, found):
    """In a process of its own, for all of it is global. A user's own choice of cuBLAS's workspace stays."""
    script = (
        "import os, torch; from lib import training; training.set_up(1); "
        "print(os.environ['CUBLAS_WORKSPACE_CONFIG'], torch.are_deterministic_algorithms_enabled(), "
        "torch.cuda.is_initialized(), torch.get_num_threads())"
    )
    environment = {key: value for key, value in os.environ.items() if key != "CUBLAS_WORKSPACE_CONFIG"}
    environment |= {"CUBLAS_WORKSPACE_CONFIG": given} if given else {}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [found, "True", "False", "1"], done.stderr
