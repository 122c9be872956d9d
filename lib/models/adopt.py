"""A SpikingJelly network of anybody's, as one that this study can score, prune, count and export."""

from collections.abc import Sequence
from copy import deepcopy
from numbers import Integral

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from lib.core.errors import AdoptError, shown
from lib.models.chains import SITES, Layer
from lib.models.graph import GraphNet, key
from lib.models.reading import Example
from lib.models.sites import SpikingNet
from lib.models.start import norms
from lib.models.tracing import brief, list_layers
from lib.settings import Fast

IMAGES = 4  # on which both must agree
AGREE = 1e-9  # largest difference of logits in float64, as a share of the largest logit
STRENGTHS = (1.0, 8.0)  # standard deviation of what reaches neurons, in comparisons


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
    refuse_at_once(model, in_shape, T)
    theirs = copied(model)
    layers, classes, how = list_layers(theirs, tuple(in_shape), T)
    if events and how.repeats:
        raise AdoptError(f"{type(model).__name__} repeats one image itself: it takes no event frames")
    net = GraphNet(
        {
            "name": "adopted",
            "num_classes": classes,
            "in_shape": list(map(int, in_shape)),
            "T": int(T),
            "width": 1.0,
            "widths": {},
            "selector": None,
            "events": events,
            "graph": [list(each) for each in layers],
        }
    )
    net.use(Fast()).double()
    for ours, found in pairs(net, theirs, layers[-1]):
        ours.copy_(found)
        ours.requires_grad_(found.requires_grad)
    compare(deepcopy(net), theirs, layers[-1], how)
    like = next(model.parameters())
    return net.to(like.device, like.dtype).train(model.training)


def refuse_at_once(model: nn.Module, in_shape: tuple[int, int, int], T: int) -> None:
    name = type(model).__name__
    if not isinstance(model, nn.Module):
        raise AdoptError(f"model {shown(model)}: give a torch.nn.Module, made")
    if isinstance(model, SpikingNet):
        raise AdoptError(f"{name}: a network of this study already; prune it as it is")
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise AdoptError(f"{name}: give the network inside, model.module")
    if not isinstance(T, Integral) or T < 1:
        raise AdoptError(f"T = {shown(T)}: at least 1 time step is needed, a whole number")
    sizes = in_shape if isinstance(in_shape, Sequence) else ()
    if len(sizes) != 3 or not all(isinstance(size, Integral) and size >= 1 for size in sizes):
        raise AdoptError(f"in_shape {shown(in_shape)}: give a tuple (C, H, W), whole numbers of at least 1")
    if not list(model.parameters()):
        raise AdoptError(f"{name} has no weights")
    owner = {}
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            if owner.setdefault(parameter, path) != path:
                raise AdoptError(f"{owner[parameter]} and {path} share a weight; give each its own")


def copied(model: nn.Module) -> nn.Module:
    """In float64, on the CPU, in eval mode."""
    functional.reset_net(model)  # what it remembers of its last input cannot be copied
    try:
        return deepcopy(model).cpu().double().eval()
    except RuntimeError as error:
        raise AdoptError(
            f"{type(model).__name__} cannot be copied ({brief(error)}); take off what torch.nn.utils has put "
            "on its weights (prune, weight_norm)"
        ) from error


def pairs(net: GraphNet, model: nn.Module, last: Layer) -> list[tuple[Tensor, Tensor]]:
    """Each parameter and buffer of the copy beside the model's own."""
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
        (tensor, tensors(model.get_submodule(theirs))[name])
        for ours, theirs in places
        for name, tensor in tensors(net.get_submodule(ours)).items()
    ]


def tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


@torch.no_grad()
def compare(net: GraphNet, model: nn.Module, last: Layer, how: Example) -> None:
    """Raises AdoptError unless both give the same logits, as they are and with weights such that neurons fire
    in some places and not in others. Both are of no use afterwards."""
    fired = set()
    for strength in (None, *STRENGTHS):
        generator = torch.Generator().manual_seed(0)
        shape = (IMAGES, *net.in_shape) if how.repeats else (how.T, IMAGES, *net.in_shape)
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        if strength is not None:
            wake(net, x, strength, generator)
            for ours, theirs in pairs(net, model, last):
                theirs.copy_(ours)
        fired |= mixed(net.eval(), x)
        same(net, model, x, how)
        if not how.repeats:
            same(net, model, x[0], how)
    silent = [name for name, module in net.layers.items() if hasattr(module, "node") and name not in fired]
    if silent:
        raise AdoptError(
            f"{silent[0].replace('/', '.')}: these neurons fire always or never, whatever reaches them, so "
            "that the copy cannot be compared; look at their threshold"
        )


def wake(net: GraphNet, x: Tensor, strength: float, generator: torch.Generator) -> None:
    """Every convolution and linear layer puts out numbers of this standard deviation, and so does BN."""
    hooks = []

    def scale(module, _, out):
        factor = strength / out.std().clamp(min=1e-9)
        for weight in module.parameters():
            weight.mul_(factor)
        return out * factor

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            hooks.append(module.register_forward_hook(scale))
    for norm in norms(net):
        norm.momentum = 1.0
        if norm.affine:
            norm.weight.uniform_(strength, 2 * strength, generator=generator)
            norm.bias.uniform_(0.2 * strength, 0.8 * strength, generator=generator)
    net.train()(x)
    for hook in hooks:
        hook.remove()


def mixed(net: GraphNet, x: Tensor) -> set[str]:
    """Layers of which some neurons fire at some step, and not all at all steps."""
    found = set()

    def look(name):
        return lambda _, __, out: found.add(name) if 0 < out.mean() < 1 else None

    nodes = {name: module.node for name, module in net.layers.items() if hasattr(module, "node")}
    hooks = [node.register_forward_hook(look(name)) for name, node in nodes.items()]
    net(x)
    for hook in hooks:
        hook.remove()
    return found


def same(net: GraphNet, model: nn.Module, x: Tensor, how: Example) -> None:
    """Raises AdoptError unless the logits agree. x: [N, C, H, W] or [T, N, C, H, W]"""
    theirs = logits_of(model, x, how)
    apart = (net(x) - theirs).abs().max().item()
    if not apart <= AGREE * max(1.0, theirs.abs().max().item()):
        raise AdoptError(
            f"{type(model).__name__}: what was read off it gives other logits, by {apart:.3g}; it does "
            "something between its layers that is not seen, or they are in different step modes"
        )


def logits_of(model: nn.Module, x: Tensor, how: Example) -> Tensor:
    """A model's output, averaged over time."""
    functional.reset_net(model)
    if x.dim() == 4 and not how.repeats:
        x = x.expand(how.T, *x.shape)
    out = model(x) if how.steps or how.repeats else torch.stack([model(step) for step in x])
    functional.reset_net(model)
    return out.mean(0) if out.dim() == 3 else out
