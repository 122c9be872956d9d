"""The layers of a user's network that can be taken over, each as plain values that JSON keeps."""

import math

from spikingjelly.activation_based import layer, neuron
from torch import nn
from torch.nn.modules.utils import _pair

from lib.core.errors import AdoptError
from lib.models import kept_neurons
from lib.models.chains import A_CHANNEL

STATELESS = A_CHANNEL | {"voting"}


def described(path: str, module: nn.Module, shape: tuple[int, ...]) -> tuple[str, dict] | None:
    """Kind and options of a module that reads [N, *shape]; None if it does nothing."""
    if isinstance(module, nn.Identity):
        return None
    if isinstance(module, neuron.BaseNode):
        return "neuron", kept_neurons.described(module, path)
    if isinstance(module, layer.VotingLayer):
        return "voting", {"size": module.voting_size, "worth": 1 / module.voting_size}
    for kind, (types, read) in KNOWN.items():
        if type(module) in types:
            return kind, read(path, module, shape)
    known = {each.__name__ for types, _ in KNOWN.values() for each in types} | {"VotingLayer", "Identity"}
    raise AdoptError(
        f"{path}: {type(module).__name__} cannot be taken over; layers that can are "
        f"{', '.join(sorted(known))}, and SpikingJelly's IF, LIF and parametric LIF neurons"
    )


def conv(path: str, module: nn.Conv2d, shape) -> dict:
    if module.padding_mode != "zeros":
        raise AdoptError(f"{path}: padding of mode {module.padding_mode!r}; only zeros can be taken over")
    names = ("kernel_size", "stride", "padding", "dilation", "groups")
    return {
        "reads": module.in_channels,
        "makes": module.out_channels,
        "bias": module.bias is not None,
        **{name: listed(getattr(module, name)) for name in names},
    }


def linear(path: str, module: nn.Linear, shape) -> dict:
    if len(shape) != 1:
        raise AdoptError(f"{path}: a linear layer on [N, {', '.join(map(str, shape))}]; flatten it before")
    return {"reads": module.in_features, "makes": module.out_features, "bias": module.bias is not None}


def norm(path: str, module: nn.modules.batchnorm._BatchNorm, shape) -> dict:
    names = ("eps", "momentum", "affine", "track_running_stats")
    return {
        "channels": module.num_features,
        "maps": len(shape) == 3,
        **{name: getattr(module, name) for name in names},
    }


def max_pool(path: str, module: nn.MaxPool2d, shape) -> dict:
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    return {name: listed(getattr(module, name)) for name in names}


def avg_pool(path: str, module: nn.AvgPool2d, shape) -> dict:
    """Each mean is over as many positions, padding among them or none, unless windows are cut off."""
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    padded = any(_pair(module.padding)) and not module.count_include_pad
    over = module.divisor_override or math.prod(_pair(module.kernel_size))
    even = module.divisor_override or not (padded or module.ceil_mode)
    return {**{name: listed(getattr(module, name)) for name in names}, "worth": 1 / over if even else None}


def adaptive(path: str, module: nn.AdaptiveAvgPool2d, shape) -> dict:
    size = [side if side else given for side, given in zip(_pair(module.output_size), shape[1:], strict=True)]
    return pooled(shape[1:], size)


def pooled(before, after) -> dict:
    """An adaptive pooling; its windows are alike where one size divides the other."""
    sizes = list(zip(before, after, strict=True))
    worth = None
    if all(a % b == 0 or b % a == 0 for a, b in sizes):
        worth = 1 / math.prod(max(1, a // b) for a, b in sizes)
    return {"output_size": list(after), "worth": worth}


def dropout(path: str, module: nn.Module, shape) -> dict:
    return {"p": module.p}


def flat(path: str, module: nn.Flatten, shape) -> dict:
    """All of an image but N: checked by the shape of what comes out."""
    return {}


KNOWN = {
    "conv": ((nn.Conv2d, layer.Conv2d), conv),
    "linear": ((nn.Linear, layer.Linear), linear),
    "bn": ((nn.BatchNorm2d, layer.BatchNorm2d, nn.BatchNorm1d, layer.BatchNorm1d), norm),
    "max_pool": ((nn.MaxPool2d, layer.MaxPool2d), max_pool),
    "avg_pool": ((nn.AvgPool2d, layer.AvgPool2d), avg_pool),
    "adaptive_pool": ((nn.AdaptiveAvgPool2d, layer.AdaptiveAvgPool2d), adaptive),
    "dropout": ((layer.Dropout,), dropout),
    "dropout_a_step": ((nn.Dropout,), dropout),
    "dropout2d": ((nn.Dropout2d, layer.Dropout2d), dropout),
    "flatten": ((nn.Flatten, layer.Flatten), flat),
}


def listed(value):
    """As JSON keeps it."""
    return list(value) if isinstance(value, tuple) else value
