"""Means over seeds with 95 % intervals."""

import numpy as np
from scipy.stats import t


def interval(values) -> tuple[float, float]:
    """Mean and half width of its 95 % interval (Student's t, n - 1); the half width of a single value is nan."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return values.mean(), float("nan")
    return values.mean(), t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)
