"""Spiking networks by name: `build` makes one, `save` and `load` keep it without its maker's history."""

from pathlib import Path

import torch

from lib.core.tensors import load_tensors, save_tensors
from lib.models import resnet, spikformer, vgg
from lib.models.adopt import adopt
from lib.models.dynamics import Activity
from lib.models.graph import GraphNet
from lib.models.neurons import NEURONS
from lib.models.sites import Edge, Site, SpikingNet, known
from lib.models.tokens import make_selector
from lib.settings import Fast

__all__ = [
    "NAMES", "Activity", "Edge", "Site", "SpikingNet", "adopt", "build", "clone", "known", "load", "save",
]  # fmt: skip

FAMILIES = (
    {name: vgg.VGG for name in vgg.LAYOUTS}
    | {name: resnet.PreResNet if name.startswith("pre") else resnet.ResNet for name in resnet.LAYOUTS}
    | {name: spikformer.Spikformer for name in spikformer.LAYOUTS}
)
NAMES = tuple(FAMILIES)


def build(
    name: str,
    num_classes: int,
    in_shape: tuple[int, int, int],
    T: int,
    neuron: str = "if",
    width: float = 1.0,
    widths: dict[str, int] | None = None,
    selector: dict | None = None,
    events: bool = False,
    graph: list | None = None,
) -> SpikingNet:
    """An untrained network.

    name: one of NAMES; in_shape: (C, H, W); T: time steps, >= 1
    neuron: 'if', 'lif', or 'relu', a rectified unit: in a VGG, with T = 1
    selector: of a transformer's tokens, rho and rule of `lib.models.tokens.make_selector`;
    None: all tokens go on
    events: whether the data set holds event counts, not images (`lib.data.Splits.events`): then an event
    costs ACs in the first layer, too
    width: multiplies every width; widths: {site: channels} replaces single ones (that is how a compact
    network is built)
    graph: the layers of a network named 'adopted', as `adopt` has read them
    raises: ValueError that names the value and what is allowed
    """
    if name not in FAMILIES and graph is None:
        raise ValueError(f"network {name!r}: known are {', '.join(NAMES)}")
    if neuron not in NEURONS:
        raise ValueError(f"neuron {neuron!r}: known are {', '.join(NEURONS)}")
    if neuron == "relu" and (T != 1 or FAMILIES[name] is not vgg.VGG):
        raise ValueError(f"neuron 'relu' in {name}, T = {T}: rectified units stand in a VGG, with T = 1")
    if T < 1:
        raise ValueError(f"T = {T}: at least 1 time step is needed")
    spec = {
        "name": name,
        "num_classes": num_classes,
        "in_shape": list(in_shape),
        "T": T,
        "neuron": neuron,
        "width": width,
        "widths": dict(widths or {}),
        "selector": selector,
        "events": events,
    }
    net = FAMILIES[name](spec) if graph is None else GraphNet(spec | {"graph": graph})
    unknown = sorted(set(spec["widths"]) - set(net.sites))
    if unknown:
        raise ValueError(f"widths of {', '.join(unknown)}: the sites of {name} are {', '.join(net.sites)}")
    if selector is not None:
        if not isinstance(net, spikformer.Spikformer):
            raise ValueError(f"selector: {name} has no tokens; known are {', '.join(spikformer.LAYOUTS)}")
        net.selector = make_selector(net, **selector)
    return net.use(Fast())


def clone(net: SpikingNet, dtype: torch.dtype) -> SpikingNet:
    """A copy in another precision, masks, site states and train/eval mode included (deepcopy fails after a
    training step)."""
    copy = build(**net.spec).to(next(net.parameters()).device, dtype)
    copy.load_state_dict(net.state_dict())
    for name, site in copy.sites.items():
        site.state = net.sites[name].state
    if net.spec["selector"] is not None:
        copy.selector.gathered = net.selector.gathered
    return copy.train(net.training).set_step_mode(net.step_mode).use(net.fast)


def save(net: SpikingNet, path: Path) -> None:
    """Writes spec and tensors; `load` needs nothing else."""
    save_tensors({"spec": known(net).spec, "state": net.state_dict()}, Path(path))


def load(path: Path) -> SpikingNet:
    """The network that `save` wrote, in eval mode, on the CPU, in the precision it had.
    Nothing is unpickled but tensors.

    raises: ValueError for a damaged file or one of another kind
    """
    path = Path(path)
    if path.suffix != ".pt":
        raise ValueError(
            f"{path}: no .pt file; "
            "what lib.models.sparse wrote (.safetensors) is read by lib.models.sparse.load"
        )
    kept = load_tensors(path)
    net = build(**kept["spec"]).to(next(iter(kept["state"].values())).dtype)
    net.load_state_dict(kept["state"])
    return net.eval()
