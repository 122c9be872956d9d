"""One update of a weight mask: how many weights of each scope go, which,
and which come back (methods B8-B10).

Everything works on rows [R, E], one for each scope: an output neuron, a layer, or the whole network.
"""

import torch
from torch import Tensor

from lib.pruning.compressibility import index, rewiring_ratio, whole_bound
from lib.settings import Rewiring

Rows = list[Tensor]

SCOPES = {
    "neuron": lambda tensors: [tensor.flatten(1) for tensor in tensors],
    "layer": lambda tensors: [tensor.reshape(1, -1) for tensor in tensors],
    "global": lambda tensors: [torch.cat([tensor.flatten() for tensor in tensors])[None]],
}

# c: share that goes; d: active weights; x: share of what is left that is exchanged
# -> how many go for good, how many are exchanged
REWIRE = {
    "shrink+exchange": lambda c, d, x: (c * d, x * (1 - c) * d),
    "constant_density": lambda c, d, x: (0 * c, x * d),
    "shrink_only": lambda c, d, x: (c * d, 0 * c),
}


def momentum(weight: Tensor, state: dict, generator: torch.Generator) -> Tensor:
    """|M| of the optimiser, which hears the dense gradient: SGD's buffer or Adam's first moment (PQ, B11)."""
    return state.get("momentum_buffer", state.get("exp_avg")).abs()


def gradient(weight: Tensor, state: dict, generator: torch.Generator) -> Tensor:
    """|dL / dw| of the last batch, removed weights included (RigL)."""
    return weight.grad.abs()


def random(weight: Tensor, state: dict, generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1) (SET)."""
    return torch.rand(weight.shape, generator=generator).to(weight)


WEIGHT_GROWTH = {"momentum": momentum, "gradient": gradient, "random": random}


def unrows(rows: Rows, like: list[Tensor]) -> list[Tensor]:
    """What `SCOPES` took apart, in the shapes of `like`."""
    flat = torch.cat([row.flatten() for row in rows]).split([tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(flat, like, strict=True)]


def protected(weights) -> list[Tensor]:
    """The weights, with the largest of each layer beyond all others:
    no layer is ever cut off, whatever the scope."""
    shown = [weight.detach().clone(memory_format=torch.contiguous_format) for weight in weights]
    for weight in shown:
        weight.view(-1)[weight.abs().argmax()] = torch.inf
    return shown


def lowest(score: Tensor, among: Tensor, count: Tensor) -> Tensor:
    """Bool [R, E]: in each row the `count` [R] entries of lowest score, of those `among`;
    ties go to the earlier one."""
    order = torch.where(among, score.double(), torch.inf).argsort(dim=1, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return (rank < count[:, None]) & among


def shares(weights: Rows, active: Rows, method: Rewiring, share: float | None) -> tuple[Rows, list[dict]]:
    """c of each scope, and what was seen: PQ reads it from the weights,
    every schedule gives all scopes the same `share`."""
    ratios = []
    seen = []
    for w, mask in zip(weights, active, strict=True):
        found = index(w, mask, method.p, method.q)
        least = whole_bound(found, mask.sum(1), method.p, method.q, method.eta)
        read = rewiring_ratio(least, method.gamma, method.beta)
        ratios.append(read if share is None else torch.full_like(read, share))
        seen.append({"index": found, "bound": least, "ratio": ratios[-1]})
    return ratios, seen


def whole(counts: Rows, room: Rows, total: int, exact: bool) -> Rows:
    """Whole counts [R] for all scopes, none above its `room`: each rounded down, or, if exact or if they
    exceed it, `total` in all, in proportion, the largest remainders rounded up."""
    most = torch.cat(room).double()
    if total == 0 or not most.any():
        return [torch.zeros_like(count) for count in counts]
    flat = torch.minimum(torch.cat(counts) + 1e-9, most)
    if exact and flat.sum() < total:  # what one scope cannot give, the others do
        left = most - flat
        flat = flat + left * min(1.0, ((total - flat.sum()) / left.sum().clamp(min=1e-12)).item()) + 1e-9
    if flat.sum() >= total and (exact or flat.floor().sum() > total):
        share = flat * (total / flat.sum())
        flat = share.floor()
        flat[(share - flat).argsort(descending=True, stable=True)[: int(total - flat.sum())]] += 1
    return list(torch.minimum(flat, most).floor().split([len(count) for count in counts]))


def rewired(
    weights: Rows,
    active: Rows,
    growth: Rows | None,
    ratios: Rows,
    method: Rewiring,
    exchange: float | None,
    total: int,
):
    """New masks after one update: the smallest |w| go, the largest growth scores come back,
    where `method.grows` allows.

    exchange: share of what is left that is exchanged; None: each scope's own ratio
    total: weights that go for good: at most so many if PQ asks for them, exactly so many if a schedule does
    returns: masks, and bool rows of what went and of what starts anew; a scope never loses its last weight.
    What one exchange takes and gives back has not moved at all: it is in neither, and keeps value and
    momentum (RigL's and GraNet's code)
    """
    left = [mask.sum(1) for mask in active]
    pairs = [
        REWIRE[method.rewire](c, d, c if exchange is None else torch.full_like(c, exchange))
        for c, d in zip(ratios, left, strict=True)
    ]
    room = [(d - 1).clamp(min=0) for d in left]
    gone = whole([g for g, _ in pairs], room, total, exact=method.ratio != "pq")
    masks = []
    went = []
    came = []
    for number, (w, mask) in enumerate(zip(weights, active, strict=True)):
        shrunk = removed = lowest(w.abs(), mask, gone[number])
        grown = torch.zeros_like(mask)
        if growth is not None:
            swap = torch.minimum((pairs[number][1] + 1e-9).floor(), room[number] - gone[number])
            if method.grows == "elsewhere":
                swap = torch.minimum(swap, (~mask).sum(1))
            removed = lowest(w.abs(), mask, gone[number] + swap)
            free = ~mask | removed if method.grows == "anywhere" else ~mask
            grown = lowest(-growth[number], free, swap)
        stays = removed & ~shrunk & grown
        masks.append(mask & ~removed | grown)
        went.append(removed & ~stays)
        came.append(grown & ~stays)
    return masks, went, came
