"""A layer of neurons over all T steps in one node of the graph, eager or compiled."""

from functools import cache

import torch
from torch import Tensor

from lib.models.dynamics import Activity, bptt, fire, potentials, precise


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
        back = inverse(order)
        if kernels := by_hand(x):
            spikes, h = kernels.neurons(x.permute(order).contiguous(), tau, watch is not None)
            seen = None
            if watch is not None:
                seen = watch(Activity(fire(h, h.dtype).permute(back), h.permute(back)))
        else:
            spikes, seen = compiled(node_forward)(x.permute(order).contiguous(), tau, watch, back)
        if seen is not None:
            ctx.mark_non_differentiable(seen)
        return spikes.permute(back), seen

    @staticmethod
    def backward(ctx, grad, _):
        [x] = ctx.saved_tensors
        order = memory_order(x)
        kernels = by_hand(x)
        found = (kernels.neurons_backward if kernels else compiled(node_backward))(
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


def by_hand(x: Tensor):
    """The kernels of a GPU (`lib.models.cuda`) where x lies on one, else None; they compute in float32."""
    if not x.is_cuda or x.dtype == torch.float64:
        return None
    from lib.models import cuda  # Triton, which they are written in, comes with torch where torch has GPUs

    return cuda


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
