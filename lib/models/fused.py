"""One layer in one node of the graph: BN, neuron over all T steps and 2x2 max pooling, compiled.

forward   one pass over the convolution's output z for its mean and variance, one for
          X = gamma (z - mean) / sqrt(var + eps) + beta, H, S (`lib.models.dynamics`) and the maximum of S
backward  one pass for dL/dX and its sums, in which H is computed again from z, and one for dL/dz

What is kept in between is z and, if the layer pools, which of four neurons the maximum came from: the first
that fired, or the first of all, as in PyTorch.
"""

import torch
from torch import Tensor

from lib.models.dynamics import Activity, bptt, fire, potentials, precise, rectified
from lib.models.kernels import by_hand, compiled

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # of a 2x2 window, in PyTorch's order


def statistics(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance [C] of rows [n, C], in one pass: about the first row, lest large means eat the
    digits of a small variance."""
    first = precise(z[0])
    off = precise(z) - first
    mean = off.mean(0)
    return first + mean, (off.square().mean(0) - mean.square()).clamp(min=0)


def forward(z: Tensor, scale: Tensor, shift: Tensor, T: int, tau, units: str, pool: bool, watch):
    """z: [T or 1, N, H, W, C] -> spikes [T, N, H, W, C] of z's type, halved in H and W by pooling, the place
    of each maximum among CORNERS (None without pooling), and what `watch` makes of the activity."""
    seen = None
    h = None
    if watch is not None or not pool:
        h = potentials(steps(z, scale, shift, T), tau)
    if watch is not None:
        seen = watch(activity(torch.stack(h), units))
    if not pool:
        return torch.stack(outputs(h, units)).to(z.dtype), None, seen
    four = [outputs(potentials(steps(each, scale, shift, T), tau), units) for each in corners(z)]
    found = [highest(list(each)) for each in zip(*four, strict=True)]
    spikes, places = (torch.stack(each).to(z.dtype) for each in zip(*found, strict=True))
    return spikes, places, seen


def activity(h: Tensor, units: str) -> Activity:
    """Of H [T, N, H, W, C], channels first."""
    h = h.permute(0, 1, 4, 2, 3)
    return rectified(h) if units == "relu" else Activity(fire(h, h.dtype), h)


def outputs(h: list[Tensor], units: str) -> list[Tensor]:
    """What the next layer reads: the spikes of each step, or one value in their place (`Switchable`)."""
    if units == "relu":
        return [h[0].clamp(min=0)]
    spikes = [fire(each, each.dtype) for each in h]
    return [sum(spikes) / len(h)] if units == "rate" else spikes


def inputs(grad: Tensor, h: list[Tensor], tau: float | None, units: str) -> list[Tensor]:
    """dL/dX of each step from dL/d(what the next layer reads)."""
    if units == "relu":
        return [grad[0] * h[0].clamp(min=0).sign()]
    return bptt([grad[0] / len(h)] * len(h) if units == "rate" else grad, h, tau)


def highest(values: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The maximum and which of them it is, the first of several."""
    best = values[0]
    place = torch.zeros_like(best)
    for number, value in enumerate(values[1:], 1):
        # in floating point: masks of bools cost three times as much on a CPU
        better = (value - best).clamp(min=0).sign()
        place = place + better * (number - place)
        best = torch.maximum(best, value)
    return best, place


def steps(z: Tensor, scale: Tensor, shift: Tensor, T: int) -> list[Tensor]:
    """X of each of T steps, of z [T or 1, ...]."""
    x = precise(z) * scale + shift
    return list(x) if len(x) == T else [x[0]] * T


def backward(grad: Tensor, place: Tensor | None, z: Tensor, *about):
    """dL/dX, summed over T where z is the same at each step, and its sums [C], alone and times z - mean.

    Of a layer that pools and puts out one step, dL/dX is that of the neurons that the maxima came from, a
    quarter of all. about: what `through_neurons` takes
    """
    if place is None:
        return through_neurons(grad, z, *about)
    if len(place) == 1:
        chosen = sum(torch.where(place == number, corner, 0.0) for number, corner in enumerate(corners(z)))
        return through_neurons(grad, chosen, *about)
    # corner by corner: a kernel that spreads `grad` over the map takes up to twice as long on a CPU
    each = [
        through_neurons(torch.where(place == number, grad, 0.0), corner, *about)
        for number, corner in enumerate(corners(z))
    ]
    found, total, with_z = zip(*each, strict=True)
    return merged(found), sum(total), sum(with_z)


def through_neurons(
    grad: Tensor, z: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, T: int, tau, units: str
):
    """dL/dX as z's shape and type, and its sums."""
    h = potentials(steps(z, scale, shift, T), tau)
    found = inputs(precise(grad), h, tau, units)
    found = torch.stack(found) if len(z) == T else sum(found[1:], found[0])[None]
    all_but_last = tuple(range(z.dim() - 1))
    sums = found.sum(all_but_last), (found * (precise(z) - mean)).sum(all_but_last)
    return found.to(z.dtype), *sums


def corners(x: Tensor) -> list[Tensor]:
    """[T, N, H, W, C] -> four of [T, N, H/2, W/2, C], as CORNERS has them"""
    return [x[:, :, i::2, j::2] for i, j in CORNERS]


def merged(four: tuple[Tensor, ...]) -> Tensor:
    """The inverse of `corners`: four of [T, N, H/2, W/2, C] -> [T, N, H, W, C]"""
    rows = [torch.stack(four[:2], 4), torch.stack(four[2:], 4)]
    return torch.stack(rows, 3).flatten(4, 5).flatten(2, 3)


def windows(x: Tensor) -> Tensor:
    """[..., H, W, C] -> [..., H/2, 2, W/2, 2, C]"""
    return x.unflatten(-2, (-1, 2)).unflatten(-4, (-1, 2))


def spread(x: Tensor) -> Tensor:
    """[..., H/2, W/2, C] -> [..., H/2, 1, W/2, 1, C]"""
    return x.unsqueeze(-2).unsqueeze(-4)


def through_bn(grad: Tensor, place: Tensor | None, z: Tensor, mean, along, off, down):
    """dL/dz = dL/dX along + (z - mean) off + down; mean and these three [C]; dL/dX as `backward` gives it."""
    shape = z.shape
    if place is not None and len(place) == 1:
        corner = torch.arange(4, device=z.device, dtype=place.dtype).view(2, 1, 2, 1)
        grad = torch.where(spread(place) == corner, spread(grad), 0.0)
        z = windows(z)
    return (precise(grad) * along + (precise(z) - mean) * off + down).to(z.dtype).view(shape)


class Layer(torch.autograd.Function):
    """z [T or 1, N, H, W, C], gamma, beta [C] -> spikes, batch mean and variance [C], what `watch` saw."""

    @staticmethod
    def forward(ctx, z, gamma, beta, eps, T, tau, units, pool, watch):
        kernels = by_hand(z)
        mean, variance = (kernels.statistics if kernels else compiled(statistics))(z.flatten(0, -2))
        inverse = (variance + eps).rsqrt()
        scale = gamma * inverse
        shift = beta - mean * scale
        if kernels:
            spikes, place, h = kernels.forward(z, scale, shift, T, tau, units, pool, watch is not None)
            seen = None if watch is None else watch(activity(h, units))
        else:
            spikes, place, seen = compiled(forward)(z, scale, shift, T, tau, units, pool, watch)
        ctx.save_for_backward(z, place, mean, inverse, scale, shift)
        ctx.T = T
        ctx.tau = tau
        ctx.units = units
        ctx.mark_non_differentiable(mean, variance, *([] if seen is None else [seen]))
        return spikes, mean, variance, seen

    @staticmethod
    def backward(ctx, grad, *_):
        z, place, mean, inverse, scale, shift = ctx.saved_tensors
        kernels = by_hand(z)
        about = mean, scale, shift, ctx.T, ctx.tau, ctx.units
        found, total, with_z = (kernels.backward if kernels else compiled(backward))(
            grad.contiguous(), place, z, *about
        )
        n = z.shape[:-1].numel()
        factors = mean, scale, -scale * inverse.square() * with_z / n, -scale * total / n
        if kernels:
            dz = kernels.through_bn(found, z, *factors)
        else:
            dz = compiled(through_bn)(found, place, z, *factors)
        return dz, with_z * inverse, total, *[None] * 6


def layer(z: Tensor, bn, T: int, tau: float | None, units: str, pool: bool, watch=None):
    """Spikes [T, N, C, H, W] of one layer in training mode, H and W halved if it pools, and what `watch` saw
    of the activity before pooling. BN's running statistics move on as after T equal steps.

    z: [T or 1, N, C, H, W], its channels best last in memory; bn: nn.BatchNorm2d with running statistics
    units: of `Switchable`; of rates one step comes out
    """
    rows = z.permute(0, 1, 3, 4, 2).contiguous()
    tau = None if units == "relu" else tau  # a rectified unit has no leak
    spikes, mean, variance, seen = Layer.apply(rows, bn.weight, bn.bias, bn.eps, T, tau, units, pool, watch)
    with torch.no_grad():
        n = T * rows.shape[1:-1].numel()
        bn.num_batches_tracked += 1
        share = 1 / bn.num_batches_tracked.item() if bn.momentum is None else bn.momentum
        bn.running_mean.lerp_(mean, share)
        bn.running_var.lerp_(variance * (n / (n - 1)), share)
    return spikes.permute(0, 1, 4, 2, 3), seen
