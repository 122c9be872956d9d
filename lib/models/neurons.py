"""The neurons of the study: SpikingJelly's IF and LIF with every default written out, a choice of how
they are run, and their rectified twin."""

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor

from lib.models.dynamics import ALPHA, TAU, V_RESET, V_THRESHOLD, Activity, potentials, precise, rectified
from lib.models.kernels import Compiled, Fused


class Switchable:
    """Gives a SpikingJelly node of this file's constants a choice of how all T steps are run.

    units: what stands in its place, for a network that is to spike later: "relu", a rectified unit; "rate",
    the neuron itself, the share of the steps with a spike passed on as one value; "spiking": nothing does
    kernel: "spikingjelly", which goes on from the last potential unless it is reset, or "fused" or
    "compiled", which start from rest; step by step a node is always SpikingJelly's
    watch: called with the Activity of each training pass from rest, but not of rectified units, which have
    none; seen: what it returned last
    """

    units = "spiking"
    kernel = "fused"
    watch = None
    seen = None

    def multi_step_forward(self, x: Tensor) -> Tensor:
        if self.units == "relu":
            return x.relu()
        if self.units == "rate":
            return self.spikes(x).mean(0, keepdim=True)
        return self.spikes(x)

    def watching(self):
        """`watch`, if there is something to be seen."""
        return self.watch if self.training and self.units != "relu" else None

    def spikes(self, x: Tensor) -> Tensor:
        """Of all T steps; x: [T, ...]"""
        tau = getattr(self, "tau", None)
        watch = self.watching()
        exact = x.is_cuda and x.dtype == torch.float64  # a GPU's kernels are of float32
        if self.kernel == "compiled" and not self.store_v_seq and not exact:
            spikes, self.seen = Compiled.apply(x, tau, watch)
            return spikes
        if self.kernel == "spikingjelly":
            spikes = super().multi_step_forward(precise(x)).to(x.dtype)
            with torch.no_grad():
                self.seen = None if watch is None else watch(self.activity(x, precise(spikes.detach())))
            return spikes
        spikes, h = Fused.apply(x, tau)
        if self.store_v_seq:
            self.v_seq = Activity(spikes, h).v_post
        with torch.no_grad():
            self.seen = None if watch is None else watch(Activity(spikes.detach().to(h.dtype), h))
        return spikes

    def activity(self, x: Tensor, spikes: Tensor) -> Activity:
        """What SpikingJelly's operators did with x from rest on."""
        return Activity(spikes, torch.stack(potentials(precise(x), getattr(self, "tau", None))))

    def run_by(self, kernel: str) -> None:
        """One of `kernel`."""
        self.kernel = kernel


class IFNode(Switchable, neuron.IFNode):
    """Integrate-and-fire."""


class LIFNode(Switchable, neuron.LIFNode):
    """Leaky integrate-and-fire."""


class ReLUNode(Switchable, neuron.IFNode):
    """A rectified unit for good, the twin of a neuron that spikes: no time, one value, no memory."""

    @property
    def units(self) -> str:
        return "relu"

    @units.setter
    def units(self, given: str) -> None:
        """Phases of a training leave it as it is."""

    def watching(self):
        return self.watch if self.training else None

    def multi_step_forward(self, x: Tensor) -> Tensor:
        out = x.relu()
        watch = self.watching()
        with torch.no_grad():
            self.seen = None if watch is None else watch(rectified(precise(x.detach())))
        return out

    def single_step_forward(self, x: Tensor) -> Tensor:
        return x.relu()


def make_relu() -> ReLUNode:
    """A rectified unit (`ReLUNode`)."""
    return ReLUNode(v_threshold=V_THRESHOLD, v_reset=V_RESET, step_mode="m")


def make_if() -> IFNode:
    """Integrate-and-fire, hard reset to 0, sigmoid surrogate of slope 4, reset path detached (SCA's code;
    methods A3-A4)."""
    return IFNode(
        v_threshold=V_THRESHOLD,
        v_reset=V_RESET,
        surrogate_function=surrogate.Sigmoid(alpha=ALPHA),
        detach_reset=True,
        step_mode="m",
    )


def make_lif() -> LIFNode:
    """Leaky integrate-and-fire, tau = 2 steps, input divided by tau; otherwise as `make_if`."""
    return LIFNode(
        tau=TAU,
        decay_input=True,
        v_threshold=V_THRESHOLD,
        v_reset=V_RESET,
        surrogate_function=surrogate.Sigmoid(alpha=ALPHA),
        detach_reset=True,
        step_mode="m",
    )


NEURONS = {"if": make_if, "lif": make_lif, "relu": make_relu}
