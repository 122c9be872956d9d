"""Methods at equal size, seed by seed along each one's own curve: against NumPy on numbers made by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from lib.report import equal_size, findings, results
from lib.settings import config

LABELS = {"sca": "SCA", "random": "random", "sca-plus": "sca+", "dense": "dense"}
SYNOPS = {  # of the dense network, of random channels at ratio 0.5 and 0.7, of SCA at 0.7, a seed each
    0: (8000.0, 2400.0, 800.0, 1900.0),
    1: (8200.0, 1900.0, 860.0, 2000.0),
    2: (7800.0, 2300.0, 820.0, 1850.0),
}
ACCURACY = {0: (60.0, 57.0, 48.0, 52.0), 1: (61.0, 53.0, 47.0, 47.5), 2: (60.5, 56.0, 36.0, 50.0)}
NAMES = [("dense", ""), ("random", "ratio 0.5"), ("random", "ratio 0.7"), ("sca", "ratio 0.7")]


def trainings(sizes=SYNOPS) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"task": "a", "method": method, "at": at, "seed": seed, "accuracy (%)": accuracy, "AC": size}
            for seed in sizes
            for (method, at), size, accuracy in zip(NAMES, sizes[seed], ACCURACY[seed], strict=True)
        ]
    )


def by_hand(seeds) -> list[float]:
    """SCA's accuracy minus that of random's curve, a line over log size, at its size in the same seed."""
    found = []
    for seed in seeds:
        dense, half, most, ours = SYNOPS[seed]
        whole, at_half, at_most, accuracy = ACCURACY[seed]
        found.append(
            accuracy - np.interp(np.log2(ours), np.log2([most, half, dense]), [at_most, at_half, whole])
        )
    return found


def compared(table: pd.DataFrame) -> dict:
    return {each.at: each for each in equal_size.matched(table, ["sca", "random"], "AC", LABELS)}


def test_ours_is_set_beside_the_other_curve_at_its_own_size_in_each_seed():
    made = compared(trainings())["ratio 0.7"]
    low, high = scipy_stats.ttest_1samp(by_hand(SYNOPS), 0).confidence_interval(0.95)
    assert (made.mean - made.half, made.mean + made.half) == pytest.approx((low, high))
    assert (made.ours, made.theirs, made.n) == ("SCA", "random", 3)


def test_pairs_of_mean_sizes_give_another_verdict():
    """The rule before: random at 0.5 counted as large as SCA at 0.7, its mean size being within 15 %."""
    ours, theirs = (np.array([SYNOPS[seed][place] for seed in SYNOPS]) for place in (3, 1))
    assert abs(ours.mean() / theirs.mean() - 1) < 0.15 and (abs(ours / theirs - 1) > 0.15).sum() == 2
    plain = [ACCURACY[seed][3] - ACCURACY[seed][1] for seed in ACCURACY]
    assert (
        scipy_stats.ttest_1samp(plain, 0).pvalue < 0.05 < scipy_stats.ttest_1samp(by_hand(SYNOPS), 0).pvalue
    )
    assert compared(trainings())["ratio 0.7"].verdict == "undecided"


def test_it_is_said_how_far_from_a_measured_network_the_size_is():
    """Nearest to SCA's 1.9, 2.0 and 1.85 K are random's 2.4, 1.9 and 2.3 K."""
    assert compared(trainings())["ratio 0.7"].note == "2 K AC, nearest -5 to +26 %"


def test_a_size_beyond_the_curve_is_left_out_and_said_to_be():
    beyond = SYNOPS | {1: (8200.0, 1900.0, 860.0, 850.0)}
    made = compared(trainings(beyond))["ratio 0.7"]
    assert made.mean == pytest.approx(np.mean(by_hand([0, 2])))
    assert (made.n, made.verdict) == (2, "undecided")
    smaller = {seed: (*sizes[:3], 700.0) for seed, sizes in SYNOPS.items()}
    made = compared(trainings(smaller))["ratio 0.7"]
    assert made.n == 0 and math.isnan(made.mean)
    assert made.verdict == "not compared" and made.note.endswith("outside the other's curve")


def test_theirs_is_set_beside_our_curve_too():
    """At random's 2.4 K in seed 0: SCA between 1.9 K (52 %) and dense (8 K, 60 %); random: 57 %."""
    one = trainings()
    made = compared(one[one["seed"] == 0])
    share = math.log(2400 / 1900) / math.log(8000 / 1900)
    assert made["ratio 0.5 of random"].mean == pytest.approx(52 + 8 * share - 57)
    assert made["ratio 0.7 of random"].n == 0  # smaller than SCA ever was


def test_the_small_study_at_equal_synops():
    """Against random channels at equal AC, ratio 0.7 of vgg9-cifar10: SCA's interval excludes 0, but not for
    as many differences as the question tries; that of sca+ does not."""
    study = config.load("small")
    tried = findings.differences(study, results.table(study))
    found = {
        each.ours: each
        for each in tried["At equal SynOps (AC a sample), along those curves?"]
        if each.task == "vgg9-cifar10" and each.at == "ratio 0.7" and each.theirs == "random"
    }
    shown = {name: (round(each.mean, 1), round(each.half, 1), each.verdict) for name, each in found.items()}
    assert shown["SCA (frozen)"] == (-10.5, 4.4, "undecided") and shown["sca+"] == (-5.9, 7.0, "undecided")
