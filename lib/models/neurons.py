"""The spiking neurons of the study: SpikingJelly's IF and LIF with every default written out."""

from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor

V_THRESHOLD, V_RESET, ALPHA, TAU = 1.0, 0.0, 4.0, 2.0


def make_if() -> neuron.IFNode:
    """Integrate-and-fire, hard reset to 0, sigmoid surrogate of slope 4, reset path detached (SCA's code; methods A3-A4)."""
    return neuron.IFNode(
        v_threshold=V_THRESHOLD,
        v_reset=V_RESET,
        surrogate_function=surrogate.Sigmoid(alpha=ALPHA),
        detach_reset=True,
        step_mode="m",
    )


def make_lif() -> neuron.LIFNode:
    """Leaky integrate-and-fire, tau = 2 steps, input divided by tau; otherwise as `make_if`."""
    return neuron.LIFNode(
        tau=TAU,
        decay_input=True,
        v_threshold=V_THRESHOLD,
        v_reset=V_RESET,
        surrogate_function=surrogate.Sigmoid(alpha=ALPHA),
        detach_reset=True,
        step_mode="m",
    )


NEURONS = {"if": make_if, "lif": make_lif}


def charge(node: neuron.BaseNode, v_before: Tensor, x: Tensor) -> Tensor:
    """Membrane potential before firing, H[t], from V[t-1] and the input X[t] (SCA, eq. 2).

    IF:  H[t] = V[t-1] + X[t]
    LIF: H[t] = V[t-1] + (X[t] - (V[t-1] - V_reset)) / tau

    v_before, x: same shape, in units of the threshold
    """
    if isinstance(node, neuron.LIFNode):
        return v_before + (x - (v_before - node.v_reset)) / node.tau
    return v_before + x
