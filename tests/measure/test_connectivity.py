"""What share of a network is left, over what its method may remove:
oracles count entry by entry, in NumPy."""

import numpy as np
import pytest
import torch
from helpers import make_net, random_masks, task_of, trial_of
from torch import nn

from lib import measure, models, pruning, training
from lib.settings import DENSE, Tickets, Trial

NOTHING = {"prunable": None, "kept": None, "connectivity_prunable": None, "synapses_prunable": None}


def thinned(net, share, seed=0):
    """The network with `share` of each convolution's and linear layer's weights, drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    masks = {name: torch.rand(w.shape, generator=generator) < share for name, w in net.weights().items()}
    pruning.apply_weight_masks(net, masks)
    return net


def left_and_all(net):
    """[left, all] of single weights and of their uses, counted use by use: each 3x3 tap at each place of the
    map that padding leaves it, each linear weight once a token.
    Sizes of maps and numbers of tokens are seen while the net runs."""
    inputs, weights, uses = {}, [0, 0], [0, 0]
    layers = {name: m for name, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    for name, module in layers.items():
        module.register_forward_hook(lambda _, args, __, name=name: inputs.update({name: args[0].shape}))
    measure.predict(net, torch.zeros(1, *net.in_shape, dtype=next(net.parameters()).dtype))
    for name, module in layers.items():
        there, shape = module.weight.detach().numpy() != 0, inputs[name]
        if isinstance(module, nn.Linear):
            once_a_token = name.startswith(("blocks", "selector"))
            places = np.full(there.shape, shape[-2] if once_a_token else 1)
        else:
            height, width = shape[-2:]
            rows, columns = (
                [sum(0 <= at + tap - 1 < size for at in range(size)) for tap in range(3)]
                for size in (height, width)
            )
            places = np.broadcast_to(np.outer(rows, columns), there.shape)
        weights = [weights[0] + int(there.sum()), weights[1] + there.size]
        uses = [uses[0] + int((there * places).sum()), uses[1] + int(places.sum())]
    return weights, uses


def transformer(**settings):
    torch.manual_seed(0)
    return models.build("spikformer-digits", 10, (1, 8, 8), 2, neuron="lif", **settings)


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize(
    "made", [make_net, transformer, lambda: transformer(selector={"rho": 0.6})], ids=["vgg", "all", "some"]
)
def test_of_single_weights_all_layers_may_go_and_nothing_else(made, share):
    net = thinned(made(), share)
    (left, every), (wired, fully) = left_and_all(net)
    dense = models.build(**{**net.spec, "selector": None})
    found = measure.parameters(net, dense, "weights")
    assert (found["kept"], found["prunable"]) == (left, every) and found["prunable"] < sum(
        p.numel() for p in net.parameters()
    )
    assert found["connectivity_prunable"] == left / every == measure.weights_left(net)["density"]
    assert (
        found["synapses_prunable"] == wired / fully
        and share - 0.05 < found["synapses_prunable"] < share + 0.05
    )
    untouched = sum(p.numel() for name, p in net.named_parameters() if p.dim() == 1)
    assert found["total"] == left + untouched


def test_where_nothing_may_go_there_is_no_share_of_it():
    for net in (make_net(), transformer(), transformer(selector={"rho": 0.6})):
        dense = models.build(**{**net.spec, "selector": None})
        found = measure.parameters(net, dense)
        assert {key: found[key] for key in NOTHING} == NOTHING and found["synapses_all"] > 0


def test_a_weight_drawn_as_0_is_there_in_the_dense_network():
    dense = make_net()
    conv = next(m for m in dense.modules() if isinstance(m, nn.Conv2d))
    with torch.no_grad():
        conv.weight[0, 0, 0, 0] = 0.0
        dense.head.weight[0, 0] = 0.0
    net = make_net()
    masks = random_masks(net, 0.5)
    pruning.apply_channel_masks(net, masks)
    found, expected = (measure.parameters(net, one, "channels") for one in (dense, make_net()))
    assert found == expected and found["prunable"] == sum(
        p.numel() for name, p in dense.named_parameters() if any(dense.channel_dims()[name])
    )
    assert found["connectivity_all"] == found["total"] / sum(p.numel() for p in dense.parameters())
    assert (
        measure.parameters(dense, dense, "weights")["kept"]
        == measure.parameters(dense, dense, "weights")["prunable"] - 2
    )


def reported(trial, splits):
    """A training to its end, and the sizes that are reported of it."""
    made = training.Run(splits, task_of(epochs=2), trial, seed=0)
    for _ in made.recipe_epochs:
        made.epoch()
    return made, measure.report(made)["parameters"]


def test_a_report_knows_what_its_method_may_remove(few_digits):
    _, found = reported(DENSE, few_digits)
    assert {key: found[key] for key in NOTHING} == NOTHING
    method = Tickets(kind="tickets", label="tickets", share=0.5, rewind=1)
    made, found = reported(Trial(density=0.5, method=method), few_digits)
    layers = [m.weight for m in made.net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert found["prunable"] == sum(w.numel() for w in layers)
    assert (
        found["kept"] == sum(np.count_nonzero(w.detach().numpy()) for w in layers) == found["prunable"] // 2
    )
    made, found = reported(trial_of(0.5), few_digits)
    kept = [int(mask.sum()) for mask in made.pruner.masks.values()]
    fan_in = [1, *kept[:-1]]
    hidden = made.masked().edges()[-2]
    # of the last map, in the layer that reads it
    places = 2 * 2 * made.masked().get_submodule(hidden.module).out_features
    assert (
        found["kept"] == sum(9 * a * b + 2 * b for a, b in zip(fan_in, kept, strict=True)) + kept[-1] * places
    )
