"""Neurons of a user's constants: what scores are told of them."""

import random

import pytest
import torch
from any_network import any_node
from spikingjelly.activation_based import functional, layer
from torch import nn

from lib import models


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
