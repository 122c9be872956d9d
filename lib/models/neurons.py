"""The spiking neurons of the study: SpikingJelly's IF and LIF with every default written out,
and faster ways to run them.

charge    H[t] = V[t-1] + (X[t] - V[t-1]) / tau       LIF, its input divided by tau;  IF: H[t] = V[t-1] + X[t]
fire      S[t] = 1 where H[t] >= 1, else 0
reset     V[t] = H[t] (1 - S[t])                      hard, to 0; no gradient goes through S here

backward  dL/dH[t] = dL/dS[t] sigma'(H[t] - 1) + (1 - S[t]) (1 - 1/tau) dL/dH[t+1],  dL/dX[t] = dL/dH[t] / tau
          (IF: without the two factors of tau), with sigma' the slope of a sigmoid of steepness 4
"""

from functools import cache
from typing import NamedTuple

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor

V_THRESHOLD = 1.0
V_RESET = 0.0
ALPHA = 4.0
TAU = 2.0


class Activity(NamedTuple):
    """What a layer of neurons did in one forward pass; both [T, N, C, H, W],
    potentials in units of the threshold."""

    spikes: Tensor  # S[t], 0 or 1
    h_pre: Tensor  # H[t], membrane potential before firing

    @property
    def v_post(self) -> Tensor:
        """V[t], the membrane potential after the reset."""
        return below(self.h_pre, self.h_pre)


def charge(v_before: Tensor, x: Tensor, tau: float | None) -> Tensor:
    """H[t] from V[t-1] and the input X[t] (SCA, eq. 2). tau: None for IF"""
    return v_before + x if tau is None else v_before + (x - v_before) / tau


def below(h: Tensor, values: Tensor) -> Tensor:
    """`values` where H < 1, 0 elsewhere: one vectorised pass;
    through a mask of bools it takes three times as long on a CPU."""
    return torch.ops.aten.threshold_backward(values, -h, -V_THRESHOLD)


def precise(x: Tensor) -> Tensor:
    """In float32 where x has fewer bits."""
    return x if x.dtype == torch.float64 else x.float()


def potentials(x, tau: float | None) -> list[Tensor]:
    """H of each of the T steps, at rest before the first. x: the input of each, [T, ...] or T tensors"""
    h = []
    for current in x:
        v = below(h[-1], h[-1]) if h else torch.zeros_like(current)
        h.append(charge(v, current, tau))
    return h


def fire(h: Tensor, dtype: torch.dtype) -> Tensor:
    return h.clone().ge_(V_THRESHOLD).to(dtype)  # in place: no mask of bools, which is slow to convert


def bptt(grad, h: list[Tensor], tau: float | None) -> list[Tensor]:
    """dL/dX of each of the T steps from dL/dS and H. Lists, not [T, ...]: what is compiled of them takes half
    the time."""
    found = []
    for given, potential in zip(reversed(list(grad)), reversed(h), strict=True):
        slope = torch.ops.aten.sigmoid_backward(
            ALPHA * given, torch.sigmoid(ALPHA * (potential - V_THRESHOLD))
        )
        if found:
            later = found[-1] if tau is None else found[-1] * (1 - 1 / tau)
            slope = slope + below(potential, later)
        found.append(slope)
    return [each if tau is None else each / tau for each in reversed(found)]


class Fused(torch.autograd.Function):
    """All T steps forward and all T steps back in one node of the graph.
    Returns the spikes and H, which it keeps anyway."""

    @staticmethod
    def forward(ctx, x, tau):
        h = torch.stack(potentials(precise(x), tau))
        ctx.save_for_backward(h)
        ctx.mark_non_differentiable(h)
        ctx.tau = tau
        return fire(h, x.dtype), h

    @staticmethod
    def backward(ctx, grad, _):
        [h] = ctx.saved_tensors
        return torch.stack(bptt(precise(grad), list(h), ctx.tau)).to(grad.dtype), None


class Compiled(torch.autograd.Function):
    """As `Fused`, each pass one kernel: H lives in registers, and is computed again on the way back.

    Returns the spikes and what `watch` reads off them and H in the same pass.
    """

    @staticmethod
    def forward(ctx, x, tau, watch):
        ctx.save_for_backward(x)
        ctx.tau = tau
        order = memory_order(x)
        spikes, seen = compiled(node_forward)(x.permute(order).contiguous(), tau, watch, inverse(order))
        if seen is not None:
            ctx.mark_non_differentiable(seen)
        return spikes.permute(inverse(order)), seen

    @staticmethod
    def backward(ctx, grad, _):
        [x] = ctx.saved_tensors
        order = memory_order(x)
        found = compiled(node_backward)(
            grad.permute(order).contiguous(), x.permute(order).contiguous(), ctx.tau
        )
        return found.permute(inverse(order)), None, None


def node_forward(x: Tensor, tau: float | None, watch, back: tuple[int, ...]):
    """back: the order of dimensions in which `watch` takes them"""
    h = torch.stack(potentials(precise(x), tau))
    spikes = fire(h, h.dtype)
    seen = None if watch is None else watch(Activity(spikes.permute(back), h.permute(back)))
    return spikes.to(x.dtype), seen


def node_backward(grad: Tensor, x: Tensor, tau: float | None) -> Tensor:
    return torch.stack(bptt(precise(grad), potentials(precise(x), tau), tau)).to(grad.dtype)


@cache
def compiled(function):
    """Compiling takes ten seconds in each process, more the first time."""
    # one version each for what is watched, the order and number of dimensions, precision, neuron and T;
    # beyond it, eager
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    # else those of whichever process compiled and cached it first:
    # two of two threads each halve each other on two cores
    torch._inductor.config.cpp.threads = torch.get_num_threads()
    return torch.compile(function, dynamic=True)


def memory_order(x: Tensor) -> tuple[int, ...]:
    """The dimensions of x as they lie in memory: channels last or as they are."""
    last = x.dim() == 5 and not x.is_contiguous() and x[0].is_contiguous(memory_format=torch.channels_last)
    return (0, 1, 3, 4, 2) if last else tuple(range(x.dim()))


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(dim) for dim in range(len(order)))


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
        if self.kernel == "compiled" and not self.store_v_seq:
            spikes, self.seen = Compiled.apply(x, tau, watch)
            return spikes
        if self.kernel == "spikingjelly":
            spikes = super().multi_step_forward(x if x.dtype == torch.float64 else x.float()).to(x.dtype)
            h = None
            if watch is not None:
                with torch.no_grad():
                    h = torch.stack(potentials(precise(x), tau))
        else:
            spikes, h = Fused.apply(x, tau)
            if self.store_v_seq:
                self.v_seq = Activity(spikes, h).v_post
        with torch.no_grad():
            self.seen = None if watch is None else watch(Activity(spikes.detach().to(h.dtype), h))
        return spikes


class IFNode(Switchable, neuron.IFNode):
    """Integrate-and-fire."""


class LIFNode(Switchable, neuron.LIFNode):
    """Leaky integrate-and-fire."""


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


NEURONS = {"if": make_if, "lif": make_lif}
