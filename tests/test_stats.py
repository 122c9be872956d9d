"""Intervals against another route."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lib.stats import interval


@pytest.mark.parametrize("values", [[0.9, 0.92], [0.9, 0.92, 0.95], list(np.random.default_rng(0).normal(size=20))])
def test_the_interval_equals_that_of_a_t_test(values):
    mean, half = interval(values)
    low, high = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean == pytest.approx(np.mean(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_the_interval_of_three_by_hand():
    """Student's t at 0.975 with 2 degrees of freedom is 4.3027; the standard deviation of 1, 2, 3 is 1."""
    assert interval([1, 2, 3]) == pytest.approx((2, 4.302653 / np.sqrt(3)))


def test_a_single_value_has_no_interval():
    mean, half = interval([0.5])
    assert mean == 0.5 and np.isnan(half)


def test_equal_values_have_an_interval_of_zero():
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0)
