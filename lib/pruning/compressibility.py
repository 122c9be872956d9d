"""How much of a set of weights can go: the PQ index, the bound it gives, the rewiring ratio (PQ;
methods B1-B5).

All of it works on rows: w, active [R, E], a row for each scope; what is not active is not seen.
"""

import torch
from torch import Tensor


def pq_index(w: Tensor, p: float = 0.5, q: float = 1.0) -> float:
    """I = 1 - (mean |w|^p)^(1/p) / (mean |w|^q)^(1/q) of active weights, in [0, 1): 0 if all are equal in
    size, near 1 if the energy sits in few of them (B1). The scale of w does not matter.
    raises: ValueError unless 0 < p < q
    """
    flat = w.flatten()[None]
    return index(flat, torch.ones_like(flat, dtype=torch.bool), p, q).item()


def index(w: Tensor, active: Tensor, p: float, q: float) -> Tensor:
    """The PQ index of the active weights of each row, [R], in [0, 1);
    0 where a row has none, or only zeros."""
    if not 0 < p < q:
        raise ValueError(f"p = {p}, q = {q}: the PQ index needs 0 < p < q")
    if not w.shape[1]:
        return torch.zeros(len(w), dtype=torch.float64)
    size = (w.double() * active).abs()
    largest = size.amax(1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    size = size / largest  # no power under- or overflows
    d = active.sum(1).clamp(min=1)
    mean = [((size**power * active).sum(1) / d) ** (1 / power) for power in (p, q)]
    return torch.where(mean[1] > 0, 1 - mean[0] / mean[1], 0.0).clamp(min=0)


def bound(index: Tensor, p: float, q: float, eta: float) -> Tensor:
    """What share of active weights must remain (B2): (1 + eta)^(-q/(q-p)) (1 - I)^(pq/(q-p)) in (0, 1]."""
    return (1 + eta) ** (-q / (q - p)) * (1 - index) ** (p * q / (q - p))


def whole_bound(index: Tensor, d: Tensor, p: float, q: float, eta: float) -> Tensor:
    """m / d with m a whole number of the d active weights, rounded up as SAP's code does (B2);
    1 where d is 0.

    index, d: [R]
    """
    m = (d * bound(index, p, q, eta) - 1e-9).ceil()
    return torch.where(d > 0, m / d, 1.0)


def rewiring_ratio(least: Tensor, gamma: float, beta: float) -> Tensor:
    """c = min(gamma (1 - m/d), beta), at least 0: the share that an update takes away (B3). least: m/d"""
    return (gamma * (1 - least)).clamp(0, beta)
