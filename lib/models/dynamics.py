"""What a layer of neurons computes over T steps, forward and back, and what it did.

charge    H[t] = V[t-1] + (X[t] - V[t-1]) / tau       LIF, its input divided by tau;  IF: H[t] = V[t-1] + X[t]
fire      S[t] = 1 where H[t] >= 1, else 0
reset     V[t] = H[t] (1 - S[t])                      hard, to 0; no gradient goes through S here

backward  dL/dH[t] = dL/dS[t] sigma'(H[t] - 1) + (1 - S[t]) (1 - 1/tau) dL/dH[t+1],  dL/dX[t] = dL/dH[t] / tau
          (IF: without the two factors of tau), with sigma' the slope of a sigmoid of steepness 4
"""

from typing import NamedTuple

import torch
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
    after: Tensor | None = None  # V[t], where it is not H[t] reset to 0

    @property
    def v_post(self) -> Tensor:
        """V[t], the membrane potential after the reset."""
        return below(self.h_pre, self.h_pre) if self.after is None else self.after


def rectified(h: Tensor) -> Activity:
    """Of rectified units, which pass on max(H, 0) in the place of spikes and keep nothing: V = 0."""
    return Activity(h.clamp(min=0), h, torch.zeros_like(h))


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
