"""The kernels of `lib.models.cuda`, in Triton.

Each works on tiles of rows x channels of z [steps, rows, C]; rows are positions of a batch, or, where a
layer pools, 2x2 windows of them. Sums over rows are summed within a tile, then over tiles, always in the same
order: the same numbers give the same bits.
"""

import triton
import triton.language as tl

from lib.models.dynamics import ALPHA

VARYING = ["rows", "width"]  # no kernels of their own for numbers that are 1 or a multiple of 16
RELU = tl.constexpr(0)
SPIKING = tl.constexpr(2)
SLOPE = tl.constexpr(ALPHA)


@triton.jit
def tile(rows, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """This program's rows and channels, and which of them there are."""
    r = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None]
    c = (tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS))[None, :]
    return r, c, (r < rows) & (c < channels)


@triton.jit
def corner(r, c, channels, width, number: tl.constexpr, POOL: tl.constexpr):
    """Where in a map [rows, C] the corner of a window lies; of a layer that does not pool, the position."""
    if POOL:
        half = width // 2
        r = (r // half) * 2 * width + (r % half) * 2 + (number // 2) * width + number % 2
    return r * channels + c


@triton.jit
def charged(v, x, TAU: tl.constexpr):
    if TAU == 0.0:
        return v + x
    else:
        return v + (x - v) / TAU


@triton.jit
def reset(h):
    return tl.where(h >= 1.0, 0.0, h)


@triton.jit
def current(z, at, there, scale, shift, step, size, MOVES: tl.constexpr):
    """X of a step: BN of z, which may be the same at each."""
    if MOVES:
        at = at + step * size
    return tl.load(z + at, mask=there, other=0.0).to(tl.float32) * scale + shift


@triton.jit
def potential(z, at, there, scale, shift, size, last: tl.constexpr, MOVES: tl.constexpr, TAU: tl.constexpr):
    """H of step `last`, from rest on: computed anew, which costs less than to keep it."""
    h = charged(0.0, current(z, at, there, scale, shift, 0, size, MOVES), TAU)
    for step in tl.static_range(1, last + 1):
        h = charged(reset(h), current(z, at, there, scale, shift, step, size, MOVES), TAU)
    return h


@triton.jit
def output(
    z, at, there, scale, shift, size, step: tl.constexpr,
    T: tl.constexpr, MOVES: tl.constexpr, UNITS: tl.constexpr, TAU: tl.constexpr,
):  # fmt: skip
    """What the next layer reads at a step."""
    if UNITS == RELU:
        return tl.maximum(current(z, at, there, scale, shift, 0, size, MOVES), 0.0)
    elif UNITS == SPIKING:
        return (potential(z, at, there, scale, shift, size, step, MOVES, TAU) >= 1.0).to(tl.float32)
    else:
        h = charged(0.0, current(z, at, there, scale, shift, 0, size, MOVES), TAU)
        fired = (h >= 1.0).to(tl.float32)
        for later in tl.static_range(1, T):
            h = charged(reset(h), current(z, at, there, scale, shift, later, size, MOVES), TAU)
            fired += (h >= 1.0).to(tl.float32)
        return fired / T


@triton.jit(do_not_specialize=VARYING)
def forward_kernel(
    z, scale, shift, out, place, h, rows, channels, width, size, made,
    T: tl.constexpr, MOVES: tl.constexpr, UNITS: tl.constexpr, POOL: tl.constexpr, WATCHED: tl.constexpr,
    TAU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    r, c, there = tile(rows, channels, ROWS, CHANNELS)
    a = tl.load(scale + c, mask=c < channels, other=0.0)
    b = tl.load(shift + c, mask=c < channels, other=0.0)
    steps: tl.constexpr = T if UNITS == SPIKING else 1
    for step in tl.static_range(steps):
        at = corner(r, c, channels, width, 0, POOL)
        best = output(z, at, there, a, b, size, step, T, MOVES, UNITS, TAU)
        where = tl.zeros_like(best)
        if POOL:
            for number in tl.static_range(1, 4):
                at = corner(r, c, channels, width, number, POOL)
                value = output(z, at, there, a, b, size, step, T, MOVES, UNITS, TAU)
                where = tl.where(value > best, number, where)
                best = tl.maximum(value, best)
            tl.store(place + step * made + r * channels + c, where, mask=there)
        tl.store(out + step * made + r * channels + c, best, mask=there)
    if WATCHED:
        for number in tl.static_range(4 if POOL else 1):
            at = corner(r, c, channels, width, number, POOL)
            for step in tl.static_range(T):
                seen = potential(z, at, there, a, b, size, step, MOVES, TAU)
                tl.store(h + step * size + at, seen, mask=there)


@triton.jit(do_not_specialize=VARYING)
def backward_kernel(
    grad, place, z, mean, scale, shift, found, total, with_z, rows, channels, width, size, made,
    T: tl.constexpr, MOVES: tl.constexpr, UNITS: tl.constexpr, POOL: tl.constexpr,
    TAU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    r, c, there = tile(rows, channels, ROWS, CHANNELS)
    a = tl.load(scale + c, mask=c < channels, other=0.0)
    b = tl.load(shift + c, mask=c < channels, other=0.0)
    middle = tl.load(mean + c, mask=c < channels, other=0.0)
    alone = tl.zeros((ROWS, CHANNELS), tl.float32)
    product = tl.zeros((ROWS, CHANNELS), tl.float32)
    for number in tl.static_range(4 if POOL else 1):
        at = corner(r, c, channels, width, number, POOL)
        all_steps = tl.zeros((ROWS, CHANNELS), tl.float32)
        later = tl.zeros((ROWS, CHANNELS), tl.float32)
        for step in tl.static_range(T - 1, -1, -1):
            to = r * channels + c
            if UNITS == SPIKING:
                to = to + step * made
            given = tl.load(grad + to, mask=there, other=0.0).to(tl.float32)
            if POOL:
                chosen = tl.load(place + to, mask=there, other=0.0)
                given = tl.where(chosen.to(tl.float32) == number, given, 0.0)
            if UNITS == RELU:
                dx = tl.where(current(z, at, there, a, b, 0, size, MOVES) > 0.0, given, 0.0)
            else:
                if UNITS != SPIKING:
                    given = given / T
                potential_ = potential(z, at, there, a, b, size, step, MOVES, TAU)
                near = 1.0 / (1.0 + tl.exp(-SLOPE * (potential_ - 1.0)))
                if TAU != 0.0:
                    later = later * (1.0 - 1.0 / TAU)
                later = SLOPE * given * near * (1.0 - near) + tl.where(potential_ >= 1.0, 0.0, later)
                dx = later
                if TAU != 0.0:
                    dx = later / TAU
            if MOVES:
                value = tl.load(z + at + step * size, mask=there, other=0.0).to(tl.float32)
                tl.store(found + at + step * size, dx, mask=there)
                product += tl.where(there, dx * (value - middle), 0.0)
                alone += tl.where(there, dx, 0.0)
            else:
                all_steps += dx
        if not MOVES:
            value = tl.load(z + at, mask=there, other=0.0).to(tl.float32)
            tl.store(found + at, all_steps, mask=there)
            product += tl.where(there, all_steps * (value - middle), 0.0)
            alone += tl.where(there, all_steps, 0.0)
    at = tl.program_id(0) * channels + c
    tl.store(total + at, tl.sum(alone, 0)[None, :], mask=c < channels)
    tl.store(with_z + at, tl.sum(product, 0)[None, :], mask=c < channels)


@triton.jit(do_not_specialize=VARYING[:1])
def statistics_kernel(z, total, squares, rows, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    r, c, there = tile(rows, channels, ROWS, CHANNELS)
    first = tl.load(z + c, mask=c < channels, other=0.0).to(tl.float32)
    off = tl.load(z + r * channels + c, mask=there, other=0.0).to(tl.float32) - first
    off = tl.where(there, off, 0.0)
    at = tl.program_id(0) * channels + c
    tl.store(total + at, tl.sum(off, 0)[None, :], mask=c < channels)
    tl.store(squares + at, tl.sum(off * off, 0)[None, :], mask=c < channels)


@triton.jit(do_not_specialize=VARYING[:1])
def through_bn_kernel(
    grad, z, mean, along, off, down, out, rows, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr
):
    r, c, there = tile(rows, channels, ROWS, CHANNELS)
    at = r * channels + c
    g = tl.load(grad + at, mask=there, other=0.0).to(tl.float32)
    x = tl.load(z + at, mask=there, other=0.0).to(tl.float32)
    middle = tl.load(mean + c, mask=c < channels, other=0.0)
    slope = tl.load(along + c, mask=c < channels, other=0.0)
    lean = tl.load(off + c, mask=c < channels, other=0.0)
    level = tl.load(down + c, mask=c < channels, other=0.0)
    tl.store(out + at, g * slope + (x - middle) * lean + level, mask=there)
