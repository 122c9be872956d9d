"""Means over seeds with 95 % intervals; values between the measured points of a curve."""

import math

import numpy as np
import pandas as pd
from scipy.stats import sem, t

FEWEST = 3  # values that an interval needs: that of two is as wide as the axes, or narrow by chance


def interval(values) -> tuple[float, float]:
    """Mean, and half of its 95 % interval (Student's t, n - 1), which is nan of fewer than FEWEST values."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < FEWEST:
        return values.mean(), float("nan")
    return values.mean(), t.ppf(0.975, n - 1) * sem(values)


def p_value(values) -> float:
    """Two-sided, of a mean of 0 (Student's t, n - 1); nan of fewer than FEWEST values."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < FEWEST:
        return float("nan")
    spread = sem(values)
    if spread == 0:
        return float(values.mean() == 0)
    return float(2 * t.sf(abs(values.mean()) / spread, n - 1))


def p_equal(values, margin: float) -> float:
    """Of a mean that is `margin` or more from 0: the larger p of two one-sided tests (Schuirmann 1987;
    Student's t, n - 1). Under 0.05, the mean is within the margin. nan of fewer than
    FEWEST values."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < FEWEST:
        return float("nan")
    spread = sem(values)
    inside = margin - abs(values.mean())
    if spread == 0:
        return float(inside <= 0)
    return float(t.sf(inside / spread, n - 1))


def holm(values: list[float]) -> list[float]:
    """p values corrected for their number (Holm 1979): under 0.05 where the family-wise error is. nan, of too
    few seeds, counts as 1 and stays nan: else more would hold while it is waited for."""
    adjusted = list(values)
    highest = 0.0
    known = [place for place, value in enumerate(values) if not math.isnan(value)]
    for rank, place in enumerate(sorted(known, key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def shown(mean: float, half: float) -> str:
    """+1.0 ± 0.5, without an interval +1.0; with as many digits (3 at most) as it takes to see which is the
    larger: +3.88 ± 3.87"""
    if math.isnan(half):
        return f"{mean:+z.1f}"
    digits = next((n for n in (1, 2, 3) if f"{abs(mean):.{n}f}" != f"{half:.{n}f}"), 1)
    return f"{mean:+z.{digits}f} ± {half:.{digits}f}"


def span(values, sign: str = "") -> str:
    """Whole numbers from the smallest to the largest: "45 to 77"; "45" if they are one."""
    return " to ".join(dict.fromkeys(f"{end:{sign}z.0f}" for end in (min(values), max(values))))


def ends(values: pd.Series, unit: str = " %", form: str = ".0f") -> str:
    """The largest and the smallest, in words: "94 (conv2) to 12 % (conv6)"."""
    known = values.dropna().sort_values(ascending=False)
    if known.empty:
        return "nothing yet"
    last = f"{known.iloc[-1]:{form}}{unit} ({known.index[-1]})"
    return f"{known.iloc[0]:{form}} ({known.index[0]}) to {last}" if len(known) > 1 else last


def along(sizes, values, size: float) -> float:
    """The value at `size` of a curve through (sizes, values), linear in log size between its measured points.

    nan outside them: nothing is extrapolated. Sizes are above 0, in any order and one unit.
    """
    sizes = np.asarray(sizes, dtype=float)
    order = np.argsort(sizes)
    values = np.asarray(values, dtype=float)[order]
    return float(np.interp(np.log(size), np.log(sizes[order]), values, left=np.nan, right=np.nan))


def best_within(sizes, values) -> tuple[np.ndarray, np.ndarray]:
    """Sizes in order, and the best value of all that are no larger: what size can buy."""
    order = np.argsort(np.asarray(sizes, dtype=float), kind="stable")
    sizes = np.asarray(sizes, dtype=float)[order]
    best = np.maximum.accumulate(np.asarray(values, dtype=float)[order])
    last = np.append(np.diff(sizes) > 0, True)[: len(sizes)]  # of equal sizes the last holds the best
    return sizes[last], best[last]


def farness(sizes, size: float) -> float:
    """By how much the one of `sizes` nearest to `size` (by their ratio) differs from it, in percent."""
    return float(100 * (min(np.asarray(sizes) / size, key=lambda each: abs(np.log(each))) - 1))
