"""Means over seeds with 95 % intervals, and paired comparisons."""

import numpy as np
from scipy.stats import t


def interval(values) -> tuple[float, float]:
    """Mean and half width of its 95 % interval (Student's t, n - 1); the half width of a single value is nan."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return values.mean(), float("nan")
    return values.mean(), t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)


def compare(ours, theirs, names: tuple[str, str]) -> str:
    """A sentence on the paired differences (same seeds in the same order): a winner only if their interval excludes 0."""
    difference = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    mean, half = interval(difference)
    shown = f"{100 * mean:+.1f} ± {100 * half:.1f} points, n={len(difference)}"
    if not abs(mean) > half:
        return f"{names[0]} against {names[1]}: undecided at n={len(difference)} ({shown})"
    return f"{names[0]} {'above' if mean > 0 else 'below'} {names[1]} ({shown})"
