"""A trace read as a list of layers. Time is taken out: whether a tensor is [T, N, ...], [T*N, ...] or, step
by step, [N, ...], what stands here is said of [N, ...]. What is not known is refused by name."""

import math
import operator
from typing import NamedTuple

import torch
from torch import fx

from lib.core.errors import AdoptError
from lib.models.chains import INPUT, Layer
from lib.models.known_layers import STATELESS, described, pooled

SAME = {  # for a tensor whose dimensions but time and images stay, or become one
    "flatten", "unflatten", "view", "reshape", "unsqueeze", "squeeze", "repeat", "expand", "contiguous",
    "mean", "to", "type_as", "float", "double",
}  # fmt: skip
ADD = {operator.add, operator.iadd, torch.add, "add", "add_"}
MULTIPLY = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
MINUS = {operator.sub, torch.sub, torch.rsub}
CONCATENATE = {torch.cat, torch.concat, torch.concatenate}
LOOP = "a loop over T is left out: adopt what runs one step, or all steps at once"


class Example(NamedTuple):
    """How a network was run: images [N, ...] a step, or all T steps at once."""

    T: int
    N: int
    steps: bool  # the input has all T steps, [T, N, C, H, W]
    repeats: bool  # the input has none, and the network makes T of it

    def rest(self, shape) -> tuple[int, ...] | None:
        """What is left of a tensor's shape without time and images; None if they do not lead it."""
        shape = tuple(shape)
        if shape[:2] == (self.T, self.N):
            return shape[2:]
        if shape[:2] == (1, self.N):
            return shape[2:]
        return shape[1:] if shape[:1] in ((self.N,), (self.T * self.N,)) else None


class Reader:
    """Reads a traced graph, node by node; `names`: {node: the layer whose output it is}"""

    def __init__(self, graph: fx.GraphModule, shapes: dict, how: Example):
        self.graph = graph
        self.shapes = shapes
        self.how = how
        self.names: dict[str, str] = {}
        self.classes = 0
        self.layers: list[Layer] = []

    def read(self) -> list[Layer]:
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                if INPUT in self.names.values():
                    if node.name in self.shapes:
                        raise AdoptError(f"forward takes a second input, {node.name}; one can be taken over")
                    continue
                self.names[node.name] = INPUT
            elif node.op == "output":
                return self.ended(node)
            elif node.name in self.shapes:  # others are numbers, such as a size
                self.names[node.name] = self.layer(node)
        raise AdoptError("forward returns nothing")

    def ended(self, node: fx.Node) -> list[Layer]:
        """Without what the output does not depend on; the layer that it is stands last."""
        [out] = node.args
        if not isinstance(out, fx.Node) or out.name not in self.names:
            raise AdoptError("forward must return one tensor of logits [N, classes]")
        if len(self.rest(out)) != 1:
            shape = ", ".join(map(str, ("N", *self.rest(out))))
            raise AdoptError(f"forward returns [{shape}]; it must return logits [N, classes]")
        [self.classes] = self.rest(out)
        wanted = {self.names[out.name]}
        kept = []
        for each in reversed(self.layers):
            if each.name in wanted:
                wanted |= set(each.reads)
                kept.append(each)
        if not kept or kept[0].name != self.names[out.name]:
            raise AdoptError("forward returns its input")
        if not any(each.kind == "neuron" for each in kept):
            raise AdoptError("no layer of spiking neurons stands between input and output")
        return kept[::-1]

    def rest(self, node: fx.Node) -> tuple[int, ...]:
        found = self.how.rest(self.shapes[node.name])
        if found is None:
            raise AdoptError(
                f"{node.name}: a tensor {list(self.shapes[node.name])} that time and images do not lead"
            )
        return found

    def layer(self, node: fx.Node) -> str:
        """The name of what a node makes."""
        if node.op == "call_module":
            return self.module(node)
        if node.op == "get_attr":
            raise AdoptError(f"{node.target}: a tensor of the network's own; only layers can be taken over")
        function = node.target
        tensors = self.tensors((node.args, node.kwargs))
        name = getattr(function, "__name__", function)
        if node.kwargs.get("alpha", 1) != 1:
            raise AdoptError(f"{node.name}: {name} with alpha = {node.kwargs['alpha']} cannot be taken over")
        if name == "getitem":
            raise AdoptError(f"{node.name}: a part of a tensor cannot be taken over; {LOOP}")
        if name in SAME and len(tensors) == 1:
            return self.reshaped(node, tensors[0], name)
        if function in ADD | MULTIPLY and len(tensors) == 2:
            return self.add(node, "add" if function in ADD else "multiply", tensors)
        if function in MINUS and len(tensors) == 1 and self.from_one(node):
            return self.add(node, "complement", tensors)
        if function in CONCATENATE:
            return self.concatenation(node, tensors)
        told = f"{name} of {len(tensors)} tensors"
        raise AdoptError(f"{node.name}: {told} cannot be taken over; use a layer for it, if there is one")

    def tensors(self, given) -> list[fx.Node]:
        """Those among the arguments, each as often as it is given."""
        found = []
        fx.node.map_arg(given, lambda each: found.append(each) if each.name in self.names else None)
        return found

    def from_one(self, node: fx.Node) -> bool:
        """Whether a difference is 1 - x."""
        first, second = node.args[:2] if node.target is not torch.rsub else node.args[1::-1]
        return first == 1 and isinstance(second, fx.Node)

    def add(self, node: fx.Node, kind: str, tensors: list[fx.Node], **options) -> str:
        shapes = {self.rest(each) for each in tensors}
        if kind != "concatenate" and len(shapes) > 1:
            raise AdoptError(f"{node.name}: {kind} of tensors {sorted(shapes)}; they must be of one shape")
        name = f"{node.name}()"  # no path of a module
        self.layers.append(Layer(name, kind, [self.names[each.name] for each in tensors], options))
        return name

    def concatenation(self, node: fx.Node, tensors: list[fx.Node]) -> str:
        """Along the channels."""
        dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        ranks = len(self.shapes[node.name])
        counted = dim - ranks if dim >= 0 else dim  # from the end
        if counted != -len(self.rest(node)):
            raise AdoptError(f"{node.name}: a concatenation along dimension {dim}; it must be the channels'")
        return self.add(node, "concatenate", tensors, dim=counted)

    def reshaped(self, node: fx.Node, read: fx.Node, name: str) -> str:
        """What changes time alone changes nothing; [C, H, W] -> [C H W] is a layer."""
        before = self.rest(read)
        after = self.rest(node)
        came = self.names[read.name]
        if name == "mean" and len(before) == 3 and after in (before[:1], (before[0], 1, 1)):
            pool = f"{node.name}() over the map"
            self.layers.append(Layer(pool, "adaptive_pool", [came], pooled(before[1:], (1, 1))))
            came = pool
            before = (before[0], 1, 1)
        if after == before:
            return came
        if after == (math.prod(before),):
            self.layers.append(Layer(f"{node.name}()", "flatten", [came], {}))
            return f"{node.name}()"
        raise AdoptError(f"{node.name}: {name} {list(before)} -> {list(after)} cannot be taken over")

    def module(self, node: fx.Node) -> str:
        path = node.target
        module = self.graph.get_submodule(path)
        if len(node.all_input_nodes) != 1:
            raise AdoptError(f"{path}: {type(module).__name__} is called with several inputs")
        [read] = node.all_input_nodes
        found = described(path, module, self.rest(read))
        if found is None:
            return self.names[read.name]
        kind, options = found
        if any(each.name == path for each in self.layers):
            if kind not in STATELESS:
                kind = type(module).__name__
                raise AdoptError(
                    f"{path} ({kind}) is called more than once; give each call its own, and {LOOP}"
                )
            path = f"{node.name}()"
        self.layers.append(Layer(path, kind, [self.names[read.name]], options))
        return path
