"""A network in the formats of others: ONNX, which every network here becomes, and NIR,
where it has a node for each layer."""

import io
import warnings
from collections.abc import Iterable

import nir
import onnxruntime
import torch
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from spikingjelly.activation_based import layer, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir, import_from_nir
from torch import Tensor, nn
from torch.nn.modules.utils import _pair
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from lib import models
from lib.core.errors import ConfigError
from lib.models import SpikingNet
from lib.models.chains import INPUT
from lib.models.graph import GraphNet, SpreadSite
from lib.models.neurons import ReLUNode
from lib.models.vgg import VGG
from lib.pruning import compact, current_masks
from lib.settings import Fast

BATCH = 500  # images at a time
# seconds a time step, in which NIR gives its constants; what SpikingJelly and snnTorch read if told nothing
DT = 1e-4
OPSET = 18  # of ONNX; tried with onnxruntime 1.15, 1.17, 1.18, 1.19 and what constraints.txt pins
IR_VERSION = 8  # that which came with it; onnxruntime 1.17 refuses the one that the exporter writes
NO_LEAK = 2.0**64  # time constant, in steps: v / NO_LEAK is below the rounding of v, so that nothing leaks
CHAIN = (layer.Linear, layer.Flatten, nn.Linear)  # NIR has nodes for them, convolutions, pools and neurons


IDLE = (nn.Identity, layer.Dropout, nn.Dropout)  # do nothing in eval mode


class NoForm(ConfigError):
    """A format has no form for a layer; the message says which."""


def plain(net: SpikingNet, dtype: torch.dtype) -> SpikingNet:
    """A compact copy without masks, by SpikingJelly's operators: an exporter cannot look into the others."""
    copy = models.clone(compact(net, current_masks(net)), dtype).eval()
    for site in copy.sites.values():
        # masked, it would look whether its mask is whole, and a graph holds no such question
        site.state = "open"
    return copy.use(Fast(neurons="spikingjelly"))


def to_onnx(net: SpikingNet, batch: Tensor, dtype: torch.dtype = torch.float32) -> ModelProto:
    """The network, its T steps written out one after the other: `images` -> `logits` [N, classes], for any N.

    batch: two images or more that the network takes, [N, C, H, W] or [T, N, C, H, W]:
    the graph is made for this one of the two
    raises: NoForm for a network that the exporter cannot follow
    """
    if net.spec.get("selector") is not None:
        raise NoForm(
            f"{net.spec['name']}: ONNX: tokens sorted by score cannot be written; "
            "lib.models.sparse.load reads the network as it is"
        )
    free = ({batch.dim() - 4: torch.export.Dim("N")},)
    # the warnings are of memories that are no buffers: they are reset before each pass
    with warnings.catch_warnings(action="ignore"):
        # not optimised: the optimiser takes an addition to all channels of a stream for an assignment
        # (onnxscript 0.7.2)
        made = torch.onnx.export(
            fold_linear_bn(plain(net, dtype)),
            (batch.to(dtype),),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=free,
            opset_version=OPSET,
            optimize=False,
            verbose=False,
        )
    model = made.model_proto
    model.ir_version = IR_VERSION
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        # where in whose folders each operator was called: most of a small file
        part.ClearField("metadata_props")
    return model


def fold_linear_bn(net: SpikingNet) -> SpikingNet:
    """BN of fully connected layers goes into their weights, in place: the optimiser of onnxruntime 1.17 to
    1.19 takes such a pair for one on [N, features], and stops at the T that stands before it."""
    stack = getattr(net, "stack", ())
    for number, module in enumerate(stack):
        if isinstance(module, nn.BatchNorm1d):
            stack[number - 1] = fuse_linear_bn_eval(stack[number - 1], module)
            stack[number] = nn.Identity()
    return net


def run_onnx(model: bytes, batches: Iterable[Tensor]) -> Tensor:
    """Logits [N, classes] by onnxruntime, on the CPU, on as many threads as torch has.
    batches: float32, of any sizes"""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return torch.cat(
        [torch.from_numpy(session.run(["logits"], {"images": batch.numpy()})[0]) for batch in batches]
    )


def run_exact(model: ModelProto, batch: Tensor) -> Tensor:
    """Logits by ONNX's own reference, in float64, for which onnxruntime has no convolution."""
    return torch.from_numpy(ReferenceEvaluator(model).run(["logits"], {"images": batch.double().numpy()})[0])


def chain(net: SpikingNet) -> nn.Sequential:
    """The layers one after the other, BN in the weights before it: [T, N, C, H, W] -> [T, N, classes]. Their
    mean over T is the logits, as the last layer is linear. In the network's precision.

    raises: NoForm that names the layer for which NIR has no node
    """
    name = net.spec["name"]
    layers = []
    modules = in_order(net)
    if modules is None:
        raise NoForm(
            f"{name}: NIR: only a chain of layers can be written, "
            "no residual stream and no attention; take ONNX"
        )
    for part in parts_of([*modules, net.head]):
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d) and not (
            layers and isinstance(layers[-1], nn.Conv2d | nn.Linear)
        ):
            raise NoForm(f"{name}: NIR has no node for a batch normalisation by itself; take ONNX")
        if isinstance(part, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], part)
        elif isinstance(part, nn.BatchNorm1d):
            layers[-1] = fuse_linear_bn_eval(layers[-1], part)
        elif isinstance(part, neuron.BaseNode) and not isinstance(part, ReLUNode):
            layers.append(node(part))
        elif isinstance(part, layer.AvgPool2d):
            layers.append(pool(part))
        elif isinstance(part, layer.Conv2d):
            layers.append(conv(part))
        elif isinstance(part, layer.Flatten):
            layers.append(layer.Flatten(-3, -1, step_mode="m"))
        elif isinstance(part, CHAIN):
            layers.append(part)
        else:
            raise NoForm(f"{name}: NIR has no node for {type(part).__name__}; take ONNX")
    return nn.Sequential(*layers).eval()


def in_order(net: SpikingNet) -> list[nn.Module] | None:
    """The layers before the head, if each reads the one before it."""
    if isinstance(net, VGG):
        return list(net.stack)
    if not isinstance(net, GraphNet):
        return None
    names = [INPUT, *(each.name for each in net.plan)]
    chained = all(each.reads == [before] for each, before in zip(net.plan, names, strict=False))
    whole = all(len(site.mask) == site.full for site in net.sites.values() if isinstance(site, SpreadSite))
    return list(net.layers.values()) if chained and whole else None


def parts_of(modules: list[nn.Module]) -> list[nn.Module]:
    """BN, neurons and pooling one by one."""
    parts = []
    for module in modules:
        inside = [getattr(module, name, None) for name in ("bn", "node", "pool")]
        parts += [part for part in inside if part is not None] or [module]
    return [part for part in parts if not isinstance(part, IDLE)]


def conv(mine: layer.Conv2d) -> layer.Conv2d:
    """SpikingJelly's own class, the one that its exporter looks up; a subclass computes the same."""
    keys = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    copy = layer.Conv2d(
        **{key: getattr(mine, key) for key in keys}, bias=mine.bias is not None, step_mode="m"
    )
    copy.load_state_dict(mine.state_dict())
    return copy.to(mine.weight.dtype).train(mine.training)


def pool(mine: layer.AvgPool2d) -> layer.AvgPool2d:
    """The same with (height, width) throughout, as NIR defines its sizes: a bare number stops snnTorch."""
    if mine.ceil_mode or mine.divisor_override or any(_pair(mine.padding)) and not mine.count_include_pad:
        raise NoForm("NIR: no average pooling that cuts windows off at the border; take ONNX")
    sizes = (_pair(size) for size in (mine.kernel_size, mine.stride, mine.padding))
    return layer.AvgPool2d(*sizes, step_mode="m")


def node(mine: neuron.IFNode | neuron.LIFNode) -> neuron.LIFNode:
    """SpikingJelly's LIF of the same constants, the one neuron that all readers take alike: snnTorch 1.0.0
    refuses an IF of any dt, and where it does not, it adds a leak. An IF is a LIF that does not leak."""
    if mine.v_reset is None:
        raise NoForm("NIR: no neuron that subtracts its threshold (v_reset: None); take ONNX")
    shared = {"v_threshold": mine.v_threshold, "v_reset": mine.v_reset, "step_mode": "m"}
    if isinstance(mine, neuron.ParametricLIFNode):
        tau = 1 / mine.w.sigmoid().item()
        return neuron.LIFNode(tau=tau, decay_input=mine.decay_input, **shared)
    if isinstance(mine, neuron.LIFNode):
        return neuron.LIFNode(tau=mine.tau, decay_input=mine.decay_input, **shared)
    return neuron.LIFNode(tau=NO_LEAK, decay_input=False, **shared)


def to_nir(net: SpikingNet, dtype: torch.dtype = torch.float32) -> bytes:
    """The file of a chain of layers; BN goes into the weights in float64, which are then rounded to `dtype`.

    raises: NoForm that names the layer for which NIR has no node
    """
    layers = chain(plain(net, torch.float64)).to(dtype)
    file = io.BytesIO()
    nir.write(file, export_to_nir(layers, torch.zeros(net.T, 1, *net.in_shape, dtype=dtype), dt=DT))
    return file.getvalue()


@torch.no_grad()
def run_nir(file: bytes, batches: Iterable[Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
    """Logits [N, classes] of what SpikingJelly reads back. batches: [T, N, C, H, W]"""
    net = import_from_nir(nir.read(io.BytesIO(file)), dt=DT, dtype=dtype, step_mode="m").eval()
    return torch.cat([net(batch.to(dtype))[0].mean(0) for batch in batches])


def with_onnx(net: SpikingNet, images, few: Tensor) -> tuple[bytes, Tensor, Tensor]:
    """The file, its logits of `few` in float64 by ONNX's reference,
    and those of all images in float32 by onnxruntime."""
    file = to_onnx(net, images[:2]).SerializeToString()
    exact = run_exact(to_onnx(net, images[:2], torch.float64), few)
    return file, exact, run_onnx(file, images.split(BATCH))


def with_nir(net: SpikingNet, images, few: Tensor) -> tuple[bytes, Tensor, Tensor]:
    """The file, and the same logits as `with_onnx` by what SpikingJelly reads back."""
    file = to_nir(net)
    return file, run_nir(to_nir(net, torch.float64), [few], torch.float64), run_nir(file, images.split(BATCH))


FORMATS = {  # how to make and run a file, and how its user does
    "onnx": (with_onnx, "input `images`, output `logits` [N, classes]"),
    "nir": (
        with_nir,
        f"dt = {DT}; input [T, N, C, H, W], a frame a step; "
        "its output [T, N, classes], averaged over T, is the logits",
    ),
}
