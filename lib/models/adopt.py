"""A SpikingJelly network of anybody's, as one that this study can score, prune, count and export."""

from copy import deepcopy

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from lib.core.errors import AdoptError
from lib.models.chains import SITES, Layer
from lib.models.graph import GraphNet, key
from lib.models.sites import SpikingNet
from lib.models.start import norms
from lib.models.tracing import Example, list_layers
from lib.settings import Fast

IMAGES = 4  # on which both must agree
AGREE = 1e-9  # largest difference of logits in float64, as a share of the largest logit


@torch.no_grad()
def adopt(model: nn.Module, in_shape: tuple[int, int, int], T: int, events: bool = False) -> GraphNet:
    """A copy of `model` as a network of the study, with its weights: forward([N, C, H, W] or
    [T, N, C, H, W]) -> logits [N, classes], the mean of the model's outputs over T steps.

    Each convolution -> BN -> neuron becomes a site whose channels can be removed, and so does each
    convolution -> BN -> sum -> neuron of a residual block. `left_whole` says why other convolutions keep
    theirs; `as_numbers` which layers' inputs are counted in MACs though they come from spikes.

    model: built of SpikingJelly's or torch's layers and IF, LIF or parametric LIF neurons, in either step
    mode; it returns [N, classes] a step, or of all steps, or their mean
    in_shape: (C, H, W); T: time steps; events: whether the input counts events
    raises: AdoptError in one line that names the layer, if something cannot be taken over. Nothing is
    guessed: the copy's logits are compared with the model's, in float64, both made to spike
    """
    if isinstance(model, SpikingNet):
        raise AdoptError(f"{type(model).__name__}: a network of this study already; prune it as it is")
    if T < 1:
        raise AdoptError(f"T = {T}: at least 1 time step is needed")
    functional.reset_net(model)  # what it remembers of its last input cannot be copied
    theirs = deepcopy(model).cpu().float().eval()
    layers, classes, how = list_layers(theirs, tuple(in_shape), T)
    net = GraphNet(
        {
            "name": "adopted",
            "num_classes": classes,
            "in_shape": list(in_shape),
            "T": T,
            "width": 1.0,
            "widths": {},
            "selector": None,
            "events": events,
            "graph": [list(each) for each in layers],
        }
    ).use(Fast())
    for ours, found in pairs(net, theirs, layers[-1]):
        ours.copy_(found)
    compare(deepcopy(net).double(), theirs.double(), layers[-1], how)
    like = next(model.parameters())
    return net.to(like.device, like.dtype).train(model.training)


def pairs(net: GraphNet, model: nn.Module, last: Layer) -> list[tuple[Tensor, Tensor]]:
    """Each tensor of the copy's state beside the model's own."""
    places = [("head", last.name)] if last.kind == "linear" else []
    for each in net.plan:
        module = f"layers.{key(each.name)}"
        if each.kind in ("conv", "linear"):
            places.append((module, each.name))
        elif each.kind == "bn":
            places.append((f"{module}.bn", each.name))
        elif each.kind in (*SITES, "neuron"):
            places.append((f"{module}.node", each.name))
        if each.kind in SITES:
            places.append((f"{module}.bn", each.options["parts"][0]))
    return [
        (tensor, model.get_submodule(theirs).state_dict()[name])
        for ours, theirs in places
        for name, tensor in net.get_submodule(ours).state_dict().items()
    ]


@torch.no_grad()
def compare(net: GraphNet, model: nn.Module, last: Layer, how: Example) -> None:
    """Raises AdoptError unless both give the same logits, with BN such that neurons fire; both in float64,
    and of no use afterwards."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(IMAGES, *net.in_shape, generator=generator, dtype=torch.float64)
    for norm in norms(net):
        if norm.affine:
            norm.weight.uniform_(1.0, 2.0, generator=generator)
            norm.bias.uniform_(0.2, 0.8, generator=generator)
        norm.momentum = 1.0
    net.train()(x)
    for ours, theirs in pairs(net, model, last):
        theirs.copy_(ours)
    ours = net.eval()(x)
    theirs = logits_of(model, x, how)
    apart = (ours - theirs).abs().max().item()
    if not apart <= AGREE * max(1.0, theirs.abs().max().item()):
        raise AdoptError(
            f"{type(model).__name__}: what was read off it gives other logits, by {apart:.3g}; "
            "it does something between its layers that tracing does not see"
        )


def logits_of(model: nn.Module, x: Tensor, how: Example) -> Tensor:
    """A model's output, averaged over time. x: [N, C, H, W]"""
    functional.reset_net(model)
    if how.steps:
        out = model(x.expand(how.T, *x.shape))
    elif how.repeats:
        out = model(x)
    else:
        out = torch.stack([model(x) for _ in range(how.T)])
    functional.reset_net(model)
    return out.mean(0) if out.dim() == 3 else out
