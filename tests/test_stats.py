"""Intervals against another route, and sentences that claim no winner without one."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lib.stats import compare, interval


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


def test_a_winner_needs_an_interval_without_zero():
    assert compare([0.9, 0.91, 0.92], [0.8, 0.81, 0.82], ("sca", "random")).startswith("sca above random (+10.0 ± 0.0 points")
    assert compare([0.8, 0.81, 0.82], [0.9, 0.91, 0.92], ("sca", "random")).startswith("sca below random (-10.0 ± 0.0 points")


def test_undecided_when_zero_is_inside():
    text = compare([0.90, 0.95, 0.85], [0.88, 0.80, 0.90], ("sca", "random"))
    assert text.startswith("sca against random: undecided at n=3 (") and text.endswith("n=3)")


@pytest.mark.parametrize("n", [1, 3])
def test_undecided_when_nothing_differs_or_one_seed_is_all_there_is(n):
    assert "undecided" in compare([0.9] * n, [0.9] * n, ("a", "b"))
    assert "undecided" in compare([0.9], [0.1], ("a", "b"))


def test_the_seeds_are_paired():
    """Seeds that differ much from each other, methods that differ little but always: only the paired comparison sees it."""
    theirs = np.array([0.5, 0.7, 0.9])
    assert "above" in compare(theirs + [0.010, 0.011, 0.009], theirs, ("a", "b"))


def test_the_decision_equals_that_of_a_paired_t_test():
    rng = np.random.default_rng(0)
    for _ in range(50):
        ours, theirs = rng.normal(0.1, 0.1, 5), rng.normal(0, 0.1, 5)
        decided = scipy_stats.ttest_rel(ours, theirs).pvalue < 0.05
        assert ("undecided" in compare(ours, theirs, ("a", "b"))) != decided
