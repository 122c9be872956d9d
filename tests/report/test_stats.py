"""Intervals against another route."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from lib.report.stats import along, best_within, ends, farness, interval, p_equal, p_value, shown, span


@pytest.mark.parametrize("values", [[0.9, 0.92, 0.95], list(np.random.default_rng(0).normal(size=20))])
def test_the_interval_equals_that_of_a_t_test(values):
    mean, half = interval(values)
    low, high = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean == pytest.approx(np.mean(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_the_interval_of_three_by_hand():
    """Student's t at 0.975 with 2 degrees of freedom is 4.3027; the standard deviation of 1, 2, 3 is 1."""
    assert interval([1, 2, 3]) == pytest.approx((2, 4.302653 / np.sqrt(3)))


@pytest.mark.parametrize("values", [[0.5], [0.4, 0.6]])
def test_fewer_than_three_values_have_no_interval_and_no_p(values):
    """Two that agree by chance would make it narrow: of 3.0 and 3.1 p would be 0.01."""
    mean, half = interval(values)
    assert mean == pytest.approx(0.5) and np.isnan(half)
    assert np.isnan(p_value(values)) and np.isnan(p_equal(values, 10))


def test_of_networks_of_one_size_the_best_is_the_line():
    """Fewer time steps leave the parameters as they are; below that size the better of the two is read."""
    sizes, best = best_within([200, 100, 200, 300], [84, 80, 85, 82])
    assert list(sizes) == [100, 200, 300] and list(best) == [80, 85, 85]
    assert along(sizes, best, 200 * (1 - 1e-9)) == pytest.approx(85)
    sizes, best = best_within([], [])
    assert len(sizes) == len(best) == 0


def test_equal_values_have_an_interval_of_zero():
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0)


def test_a_curve_is_straight_between_its_points_in_log_size():
    """From 100 to 400 it goes from 40 to 60: at 200, half the way in log size, it is at 50. In any order."""
    assert along([400, 100], [60, 40], 200) == pytest.approx(50)
    assert along([1600, 100, 400], [20, 40, 60], 800) == pytest.approx(40)
    assert (along([400, 100], [60, 40], 400), along([400, 100], [60, 40], 100)) == (60, 40)


@pytest.mark.parametrize("size", [99, 401])
def test_nothing_is_extrapolated(size):
    assert np.isnan(along([400, 100], [60, 40], size))


def test_the_nearest_size_is_the_nearest_by_its_ratio():
    """250 / 150 is 1.67: 100 is nearer to 150; 80 is farther, though its distance is the smaller one."""
    assert farness([250, 100], 150) == pytest.approx(-100 / 3)
    assert farness([250, 80], 150) == pytest.approx(200 / 3)


def test_a_span_is_one_number_where_its_ends_round_to_one():
    assert (span([45, 77, 72]), span([10.2, 9.8]), span([-5.2, 26], "+")) == ("45 to 77", "10", "-5 to +26")


def test_an_interval_shows_which_is_the_larger():
    assert shown(-3.88, 3.87) == "-3.88 ± 3.87" and shown(3.9, 3.86) == "+3.90 ± 3.86"
    assert (shown(3.88, 1.2), shown(0.0, 0.0)) == ("+3.9 ± 1.2", "+0.0 ± 0.0")


def test_what_rounds_to_zero_has_no_minus():
    assert shown(-0.01, 3.5) == "+0.0 ± 3.5" and shown(-0.04, float("nan")) == "+0.0"
    assert span([-0.2, 0.3]) == "0" and span([-0.2, 3.1], "+") == "+0 to +3"


def test_equal_values_are_within_a_margin_or_not():
    assert p_equal([0.2, 0.2, 0.2], 0.5) < 1e-9 and p_equal([0.6, 0.6, 0.6], 0.5) == 1


def test_the_ends_of_a_series_are_named():
    values = pd.Series({"conv1": 93.6, "conv2": float("nan"), "conv3": 12.2, "conv4": 50.0})
    assert ends(values) == "94 (conv1) to 12 % (conv3)"
    assert ends(values[:1] - 100, " points", "+.1f") == "-6.4 points (conv1)"
    assert ends(values[:0]) == "nothing yet"


def test_one_value_is_shown_without_an_interval():
    assert shown(4.04, float("nan")) == "+4.0" and shown(-1.0, 0.5) == "-1.0 ± 0.5"
