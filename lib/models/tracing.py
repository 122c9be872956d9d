"""A user's network traced by torch.fx, SpikingJelly's and torch's layers as leaves."""

import inspect
import operator

import torch
from spikingjelly.activation_based import base, functional, layer
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

    @property
    def dtype(self) -> torch.dtype:
        return self.value.dtype

    @property
    def device(self) -> torch.device:
        return self.value.device

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
        if isinstance(module, base.MemoryModule):  # of a subclass of a user's, too
            return True
        known = type(module).__module__.startswith(LEAVES) and not isinstance(module, CONTAINERS)
        return known and not isinstance(module, nn.Sequential | nn.ModuleList)

    def call_module(self, module: nn.Module, forward, args, kwargs):
        """Containers only say how their layers go through time."""
        if self.inside:
            return forward(*args, **kwargs)
        if not isinstance(module, CONTAINERS):
            return super().call_module(module, forward, args, kwargs)
        [x] = args
        outside = self.a_step
        self.a_step = outside or getattr(module, "step_mode", "m") == "m"
        for each in module:
            x = each(x)
        self.a_step = outside
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
    model: in eval mode, float64, on the CPU
    raises: AdoptError that names what cannot be taken over"""
    how = taken(model, in_shape, T)
    tracer = Tracer(zeros(how, in_shape))
    _, *others = inspect.signature(model.forward).parameters.values()
    usual = {each.name: each.default for each in others if each.default is not each.empty}
    try:
        graph = fx.GraphModule(model, tracer.trace(model, concrete_args=usual))
    except Exception as error:  # whatever a user's forward may raise
        raise AdoptError(
            f"{type(model).__name__}.forward cannot be traced: {brief(error)}; "
            "leave branches on what tensors hold, and loops over T, out of it"
        ) from error
    functional.reset_net(model)
    reader = Reader(graph, tracer.shapes, how)
    return reader.read(), reader.classes, how


def brief(error: Exception) -> str:
    """What it says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]


def zeros(how: Example, in_shape: tuple[int, int, int]) -> Tensor:
    """Images as the model takes them."""
    shape = (how.T, how.N, *in_shape) if how.steps else (how.N, *in_shape)
    return torch.zeros(shape, dtype=torch.float64)


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
            model(zeros(how, in_shape))
        except Exception as error:  # whatever a user's forward may raise
            said.append(f"{'[T, N' if steps else '[N'}, C, H, W]: {brief(error)}")
        else:
            functional.reset_net(model)
            return how
    raise AdoptError(
        f"{type(model).__name__} does not run on images of in_shape {in_shape}, T = {T}; {'; '.join(said)}"
    )
