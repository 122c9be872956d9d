"""Steps side by side: training and inference, whole and pruned; what they cost against T, batch and width; a
profile."""

import plain
import torch
from nets import BATCH, LARGE, T, batch, neurons, small, vgg16
from timing import amx, interleaved, ratio
from torch.profiler import ProfilerActivity, profile

from lib import measure, training
from lib.core.collectives import device
from lib.pruning import ScoreMeter
from lib.settings import Fast

SGD = {"lr": 0.01, "momentum": 0.9}
# at most so much of plain SpikingJelly's dense step: with AMX, without
TARGETS = {0.0: (0.25, 0.45), 0.5: (0.10, 0.15), 0.7: (0.06, 0.08), 0.8: (0.04, 0.05)}
RATIOS = (0.5, 0.7, 0.8)
AXES = {"T": (1, 2, 4, 8), "batch": (1, 4, 16, 64, 128), "width": (0.25, 0.5, 1.0, 2.0)}
LADDER = {  # what each option adds
    "fused neurons, static image once": Fast(),
    "the same, channels last": Fast(channels_last=True),
    "the same, bf16": Fast(channels_last=True, bf16=True),
}


def plain_step(size: int = BATCH, steps: int = T, width: float = 1.0):
    net = plain.vgg16(width).to(device())
    x, y = (each.to(device()) for each in batch(size))
    optimizer = torch.optim.SGD(net.parameters(), **SGD)
    return lambda: plain.train_step(net, x, y, steps, optimizer)


def our_step(
    net=None,
    size: int = BATCH,
    steps: int = T,
    width: float = 1.0,
    fast: Fast | None = None,
    scored: bool = False,
):
    net = (net or vgg16(width, steps, fast)).to(device())
    one = tuple(each.to(device()) for each in batch(size))
    optimizer = torch.optim.SGD(net.parameters(), **SGD)
    meter = ScoreMeter(net, "spike_abs_v") if scored else None
    return lambda kept=meter: training.train_epoch(net, [one], optimizer)


def training_rows() -> dict:
    """Ratios to the plain step, at the papers' batch."""
    whole = vgg16()
    size = {"size": LARGE}
    variants = {
        "plain": plain_step(**size),
        "fast": our_step(**size),
        "scored": our_step(**size, scored=True),
    }
    variants |= {f"at {r}": our_step(small(whole, r), **size) for r in RATIOS}
    variants |= {name: our_step(**size, fast=fast) for name, fast in LADDER.items()}
    seconds = interleaved(variants, rounds=7)
    at_most = {r: pair[not amx()] for r, pair in TARGETS.items()}
    rows = {
        "dense train step, fastest here / plain": (ratio(seconds, "fast", "plain"), at_most[0.0]),
        "the same with SCA's bookkeeping on / off": (ratio(seconds, "scored", "fast"), 1.03),
    }
    for r in RATIOS:
        what = f"compact train step at ratio {r}, odd widths / plain dense"
        rows[what] = (ratio(seconds, f"at {r}", "plain"), at_most[r])
    for name in LADDER:
        rows[f"dense train step, {name} / plain"] = (ratio(seconds, name, "plain"), None)
    return rows


def inference_rows() -> dict:
    """Latency ratio of the small network, against what its operations and neurons would say."""
    whole = vgg16()
    x, _ = batch()
    nets = {"whole": whole} | {str(r): small(whole, r) for r in RATIOS[:2]}
    seconds = interleaved({name: lambda net=net: measure.predict(net, x) for name, net in nets.items()})
    rows = {}
    for r in RATIOS[:2]:
        by = expected(nets[str(r)], whole)
        rows[f"compact inference at {r}: latency ratio / {by:.3f}"] = (
            ratio(seconds, str(r), "whole", by),
            1.2,
        )
    return rows


def expected(net, whole) -> float:
    """0.75 x the ratio of MACs + 0.25 x the ratio of neurons."""
    macs = [measure.count_synapses(one)["all"] for one in (net, whole)]
    return 0.75 * macs[0] / macs[1] + 0.25 * neurons(net) / neurons(whole)


def against() -> list[dict]:
    """Seconds a dense step when one of T, batch and width changes and the others stay."""
    found = []
    for axis, values in AXES.items():
        for value in values:
            asked = {"T": {"steps": value}, "batch": {"size": value}, "width": {"width": value}}[axis]
            seconds = interleaved({"plain": plain_step(**asked), "fast": our_step(**asked)}, rounds=7)
            found += [
                {"axis": axis, "value": value, "variant": name, "seconds": each}
                for name, each in seconds.items()
            ]
    return found


def profiled(r: float = 0.7, count: int = 3) -> str:
    """Where the time of a dense and of a compact step goes, plain and ours."""
    slow = Fast(neurons="spikingjelly", static_once=False)
    steps = {
        "dense, plain SpikingJelly": plain_step(LARGE),
        "dense, fastest here": our_step(size=LARGE),
        f"compact at ratio {r}, no option": our_step(small(vgg16(fast=slow), r), size=LARGE),
        f"compact at ratio {r}, fastest here, with SCA's scores": our_step(
            small(vgg16(), r), size=LARGE, scored=True
        ),
    }
    found = []
    for name, step in steps.items():
        step()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(count):
                step()
        table = profiler.key_averages().table(
            sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=60
        )
        found.append(f"{name}, {count} steps of batch {LARGE}\n{table}")
    return "\n".join(found)
