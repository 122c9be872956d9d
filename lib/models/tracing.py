"""A user's network traced by torch.fx, SpikingJelly's and torch's layers as leaves."""

import operator

import torch
from spikingjelly.activation_based import functional, layer
from torch import Tensor, fx, nn

from lib.core.errors import AdoptError
from lib.models.chains import Layer
from lib.models.reading import Example, Reader

CONTAINERS = (layer.SeqToANNContainer, layer.MultiStepContainer, layer.StepModeContainer)
LEAVES = ("torch.nn.modules.", "spikingjelly.activation_based.layer", "spikingjelly.activation_based.neuron")


class Valued(fx.Proxy):
    """A tensor in a trace that knows its shape: branches on that are taken as for the images at hand."""

    value: Tensor

    @property
    def shape(self) -> torch.Size:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    def dim(self) -> int:
        return self.value.dim()

    def size(self, *dim):
        return self.value.size(*dim)


class Tracer(fx.Tracer):
    """images: a batch on which every operation is carried out as it is met"""

    def __init__(self, images: Tensor):
        super().__init__()
        self.images = images
        self.shapes: dict[str, tuple[int, ...]] = {}  # of what each node makes
        self.inside = False  # a leaf: what it calls is no part of the trace
        self.a_step = False  # in a container, whose layers know no time

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        known = type(module).__module__.startswith(LEAVES) and not isinstance(module, CONTAINERS)
        return known and not isinstance(module, nn.Sequential | nn.ModuleList)

    def call_module(self, module: nn.Module, forward, args, kwargs):
        """Containers only say how their layers go through time."""
        if self.inside:
            return forward(*args, **kwargs)
        if not isinstance(module, CONTAINERS):
            return super().call_module(module, forward, args, kwargs)
        [x] = args
        self.a_step = getattr(module, "step_mode", "m") == "m"
        for each in module:
            x = each(x)
        self.a_step = False
        return x

    def proxy(self, node: fx.Node) -> Valued:
        return Valued(node, self)

    def create_proxy(self, kind, target, args, kwargs, *more, **named):
        made = super().create_proxy(kind, target, args, kwargs, *more, **named)
        if kind != "output":
            made.value = self.carried_out(kind, target, *fx.node.map_aggregate((args, kwargs), known))
            if isinstance(made.value, Tensor):
                self.shapes[made.node.name] = tuple(made.value.shape)
        return made

    def getattr(self, attr: str, value, cache):
        """Weights are tensors of the trace where a network reads them itself."""
        return value if self.inside else super().getattr(attr, value, cache)

    @torch.no_grad()
    def carried_out(self, kind: str, target, args: tuple, kwargs: dict):
        if kind == "placeholder":
            return args[0] if args else self.images
        if kind == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        self.inside = True
        try:
            if kind == "get_attr":
                return operator.attrgetter(target)(self.root)
            function = self.root.get_submodule(target).forward if kind == "call_module" else target
            if self.a_step and kind == "call_module":
                return torch.stack([function(x) for x in args[0]])
            return function(*args, **kwargs)
        finally:
            self.inside = False


def known(value):
    return value.value if isinstance(value, Valued) else value


def list_layers(model: nn.Module, in_shape: tuple[int, int, int], T: int) -> tuple[list[Layer], int, Example]:
    """The layers in the order of their computation, the number of classes, and how the model takes its input.
    model: in eval mode, float32, on the CPU
    raises: AdoptError that names what cannot be taken over"""
    how = taken(model, in_shape, T)
    tracer = Tracer(torch.zeros(example_shape(how, in_shape)))
    try:
        graph = fx.GraphModule(model, tracer.trace(model))
    except (fx.proxy.TraceError, TypeError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise AdoptError(
            f"{type(model).__name__}.forward cannot be traced: {reason}; "
            "leave branches on what tensors hold, and loops over T, out of it"
        ) from error
    functional.reset_net(model)
    reader = Reader(graph, tracer.shapes, how)
    return reader.read(), reader.classes, how


def example_shape(how: Example, in_shape: tuple[int, int, int]) -> tuple[int, ...]:
    return (how.T, how.N, *in_shape) if how.steps else (how.N, *in_shape)


@torch.no_grad()
def taken(model: nn.Module, in_shape: tuple[int, int, int], T: int) -> Example:
    """How a model takes its input: the first way in which it runs, of those that its layers' modes allow."""
    modes = {getattr(module, "step_mode", None) for module in model.modules()}
    N = next(n for n in (7, 11) if n != T)
    said = []
    for steps in (True, False) if "m" in modes else (False,):
        how = Example(T, N, steps, repeats="m" in modes and not steps)
        functional.reset_net(model)
        try:
            model(torch.zeros(example_shape(how, in_shape)))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            said.append(f"of {list(example_shape(how, in_shape))}: {' '.join(str(error).split())[:100]}")
        else:
            functional.reset_net(model)
            return how
    raise AdoptError(f"{type(model).__name__} does not run on images {'; '.join(said)}")
