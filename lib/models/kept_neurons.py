"""Neurons of a user's own constants: SpikingJelly's, run by its operators over all T steps, and watched.

A network that `lib.models.adopt` takes over keeps its neurons. Those of the study's own constants are the
study's (`lib.models.neurons`), which run faster.
"""

import inspect

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor

from lib.core.errors import AdoptError
from lib.models.dynamics import ALPHA, TAU, V_RESET, V_THRESHOLD, Activity, precise
from lib.models.neurons import NEURONS, Switchable

OURS = {  # what a neuron of `lib.models.neurons` says of itself
    name: {"v_threshold": V_THRESHOLD, "v_reset": V_RESET, "detach_reset": True, **more}
    for name, more in {"if": {}, "lif": {"tau": TAU, "decay_input": True}}.items()
}


class Kept(Switchable):
    """A SpikingJelly neuron of any constants."""

    kernel = "spikingjelly"

    def run_by(self, kernel: str) -> None:
        """By SpikingJelly's operators, whatever the others are run by."""

    def activity(self, x: Tensor, spikes: Tensor) -> Activity:
        """H from the potentials after the reset, which SpikingJelly gives; in units of the threshold."""
        rest = self.v_reset or 0.0
        after = self.v_seq.detach()
        before = torch.cat([torch.full_like(after[:1], rest), after[:-1]])
        h = self.charged(before, precise(x), rest)
        return Activity(spikes, h / self.v_threshold, after / self.v_threshold)

    def spikes(self, x: Tensor) -> Tensor:
        self.store_v_seq = self.watching() is not None
        return super().spikes(x)

    def charged(self, v: Tensor, x: Tensor, rest: float) -> Tensor:
        """H[t] from V[t-1], for all t at once"""
        return leak(v, x, rest, 1 / self.tau, self.decay_input)


def leak(v: Tensor, x: Tensor, rest: float, rate: float | Tensor, decay_input: bool) -> Tensor:
    """A leaky neuron's H (SpikingJelly's LIFNode); rate: 1 / tau"""
    return v + (x - (v - rest)) * rate if decay_input else v - (v - rest) * rate + x


class KeptIF(Kept, neuron.IFNode):
    """Integrate-and-fire."""

    def charged(self, v: Tensor, x: Tensor, rest: float) -> Tensor:
        return v + x


class KeptLIF(Kept, neuron.LIFNode):
    """Leaky integrate-and-fire."""


class KeptPLIF(Kept, neuron.ParametricLIFNode):
    """Leaky integrate-and-fire with a learned time constant (Fang et al., ICCV 2021)."""

    def charged(self, v: Tensor, x: Tensor, rest: float) -> Tensor:
        return leak(v, x, rest, self.w.detach().sigmoid(), self.decay_input)


KINDS = {
    "if": (neuron.IFNode, KeptIF),
    "lif": (neuron.LIFNode, KeptLIF),
    "plif": (neuron.ParametricLIFNode, KeptPLIF),
}


def described(node: neuron.BaseNode, where: str) -> dict:
    """What `make` makes the same neuron of, as JSON takes it.
    raises: AdoptError for a neuron of another kind"""
    kind = next((kind for kind, (theirs, _) in KINDS.items() if type(node) is theirs), None)
    if kind is None:
        known = ", ".join(theirs.__name__ for theirs, _ in KINDS.values())
        raise AdoptError(f"{where}: a neuron of type {type(node).__name__}; {known} can be taken over")
    slope = node.surrogate_function
    if getattr(surrogate, type(slope).__name__, None) is not type(slope) or not slope.spiking:
        raise AdoptError(
            f"{where}: surrogate {type(slope).__name__}; one of spikingjelly's surrogate module that spikes "
            "can be taken over"
        )
    found = {"kind": kind, "surrogate": [type(slope).__name__, constants(slope)], **constants(node)}
    if kind == "plif":
        found["init_tau"] = TAU  # the learned one is a tensor of the state
    return found


def constants(module) -> dict:
    """The plain values that its constructor took."""
    names = inspect.signature(type(module).__init__).parameters
    values = {name: getattr(module, name, None) for name in names if hasattr(module, name)}
    plain = {name: value for name, value in values.items() if value is None or isinstance(value, int | float)}
    return {name: value for name, value in plain.items() if name not in ("store_v_seq", "spiking")}


def make(about: dict) -> neuron.BaseNode:
    """The neuron that `described` told of."""
    about = dict(about)
    kind = about.pop("kind")
    name, slope = about.pop("surrogate")
    if name == "Sigmoid" and slope == {"alpha": ALPHA} and about == OURS.get(kind):
        return NEURONS[kind]()
    _, kept = KINDS[kind]
    return kept(**about, surrogate_function=getattr(surrogate, name)(**slope), step_mode="m")
