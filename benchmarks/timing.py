"""Side by side: every variant once a round, one round of warm-up, median and quartiles of the rounds."""

import os
import time
from pathlib import Path

import numpy as np

ROUNDS = 9


def interleaved(variants: dict, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """{name: seconds a call, one of each round}; variants: {name: function of nothing}"""
    seconds = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, call in variants.items():
            started = time.perf_counter()
            call()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def spread(values) -> dict[str, float]:
    """Median, quartiles and number of values."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": float(middle), "low": float(low), "high": float(high), "n": len(values)}


def ratio(seconds: dict[str, list[float]], ours: str, theirs: str, by: float = 1.0) -> dict[str, float]:
    """Of one variant's time to another's, round by round, divided by `by`."""
    return spread([a / b / by for a, b in zip(seconds[ours], seconds[theirs], strict=True)])


def amx() -> bool:
    """Whether the processor multiplies matrices of bf16 in hardware of their own."""
    cpus = Path("/proc/cpuinfo")  # Linux
    return cpus.exists() and "amx_bf16" in cpus.read_text()


def load() -> float:
    """Processes that ran or waited, mean of the last minute."""
    return round(os.getloadavg()[0], 2)
