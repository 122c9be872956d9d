"""Primary hypotheses against numbers by hand."""

import math

import pandas as pd
import pytest
from scipy import stats as scipy_stats

from lib.report import frontier, primary
from lib.report.equal_size import beside_curve
from lib.settings import config
from lib.settings.primary import Hypothesis

TASK = "digits-vgg"
OTHER = "digits-speedrun"


def row(method, ratio, seed, accuracy, parameters=1000, stage="channels"):
    at = f"ratio {ratio:g}" if ratio else ""
    size = {"parameters": parameters, "AC": 10 * parameters}
    where = {"stage": stage, "task": TASK, "method": method, "label": method, "at": at}
    return {**where, "ratio": ratio, "seed": seed, "accuracy (%)": accuracy, **size}


def study(**primary_):
    found = config.load("smoke")
    return found.model_copy(update={"primary": primary_, "frontier": ()})


def asked(**other):
    given = {"says": "SCA wins", "task": TASK, "ours": "sca", "theirs": "random", "ratios": (0.5, 0.7)}
    return Hypothesis.model_validate({**given, **other})


def pairs(gaps):
    """One row a seed and ratio: `sca` lies a seed's gap above `random` at 0.5, a point more at 0.7."""
    rows = []
    for seed, gap in enumerate(gaps):
        for ratio, more in ((0.5, 0.0), (0.7, 1.0)):
            rows += [row("random", ratio, seed, 60.0), row("sca", ratio, seed, 60.0 + gap + more)]
    return pd.DataFrame(rows)


def test_a_seed_gives_one_number_the_mean_over_ratios():
    gaps = [1.0, 2.0, 4.0]
    assert primary.differences(asked(), study(), pairs(gaps)) == [1.5, 2.5, 4.5]


def test_a_seed_that_has_not_trained_all_ratios_does_not_count():
    table = pairs([1.0, 2.0, 4.0]).iloc[:-1]
    assert primary.differences(asked(), study(), table) == [1.5, 2.5]


def test_p_values_are_those_of_t_tests_corrected_for_all_hypotheses():
    gaps = [1.0, 2.0, 4.0]
    both = {"one": asked(), "other": asked(ratios=(0.5,))}
    one, other = primary.tried(study(**both), pairs(gaps))
    raw = [scipy_stats.ttest_1samp(values, 0).pvalue for values in ([1.5, 2.5, 4.5], gaps)]
    assert (one.n, one.mean) == (3, pytest.approx(8.5 / 3))
    assert one.p == pytest.approx(2 * raw[0]) and other.p == pytest.approx(max(2 * raw[0], raw[1]))


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        ([2.5, 2.6, 2.4], "holds"),
        ([-3.5, -3.6, -3.4], "the contrary holds"),
        ([-0.5, -0.45, -0.55], "within 0.5 points"),  # with the point at ratio 0.7: a mean of 0
        ([-0.3, -0.31, -0.29], "holds, within 0.5 points"),
        ([-3.0, 0.0, 3.0], "undecided"),
    ],
)
def test_verdicts(gaps, words):
    [found] = primary.tried(study(one=asked()), pairs(gaps))
    assert found.verdict == words


def test_what_ours_has_of_the_size_of_theirs_is_told_at_equal_ratio_alone():
    """Of 1,000 parameters 500 and 700 at ratio 0.5, 2,000 at 0.7."""
    table = pairs([1.0, 2.0])
    ours = table["method"].eq("sca")
    table.loc[ours, ["parameters", "AC"]] = [[500, 9000], [2000, 9000], [700, 9000], [2000, 9000]]
    same, apart = primary.tried(study(same=asked(), apart=asked(at="AC")), table)
    assert same.sizes == {"parameters": "60 to 200", "AC": "90"}
    assert apart.sizes == {"parameters": "", "AC": ""}


def test_equivalence_is_two_one_sided_tests():
    [found] = primary.tried(study(one=asked()), pairs([-0.4, -0.5, -0.7]))
    values = [0.1, 0.0, -0.2]
    above = scipy_stats.ttest_1samp(values, -0.5, alternative="greater").pvalue
    below = scipy_stats.ttest_1samp(values, 0.5, alternative="less").pvalue
    assert found.equal == pytest.approx(max(above, below))


def test_what_has_not_run_is_said_to_be_so():
    table = pairs([1.0, 2.0])
    [found] = primary.tried(study(one=asked(ours="anew")), table)
    assert (found.n, found.verdict) == (0, "not run yet") and math.isnan(found.p)
    assert primary.as_table([found])["verdict"].tolist() == ["not run yet"]


def test_ours_that_stands_beside_nothing_yet_is_told_from_what_has_not_run():
    """Two seeds of each, none of which is the other's."""
    table = pairs([1.0, 2.0, 3.0, 4.0])
    apart = table[table["method"].eq("sca") == table["seed"].lt(2)]
    [found] = primary.tried(study(one=asked()), apart)
    assert (found.n, found.verdict) == (0, "no seed can be compared yet")
    [found] = primary.tried(study(one=asked(theirs="anew")), table)
    assert (found.n, found.verdict) == (0, "not run yet")


def test_a_seed_whose_frontier_is_unfinished_does_not_count():
    """Of two seeds, the second without the narrower network, beside which ours looks 10 points better."""
    whole = study().model_copy(update={"frontier": (OTHER,)})
    rows = []
    for seed in (0, 1):
        rows.append(row("dense", 0.0, seed, 90.0, 1600, "dense"))
        rows.append(row("uniform", 0.5, seed, 60.0, 400, "baselines"))
        rows.append(row("sca", 0.5, seed, 77.0, 800))
    rows.append(row("dense", 0.0, 0, 85.0, 700, "dense") | {"task": OTHER})
    against = asked(ratios=(0.5,), theirs="frontier", at="parameters")
    [one] = primary.differences(against, whole, pd.DataFrame(rows))
    assert one < 0  # 85 % with 700 parameters, between it and 90 % with 1,600 more


def test_at_equal_size_theirs_is_read_off_its_curve_from_the_dense_network_on():
    """Half the way in log size between 400 and 1,600 parameters, at 60 and 90 %: 75 %."""
    table = pd.DataFrame(
        [
            row("dense", 0.0, 0, 90.0, 1600, "dense"),
            row("random", 0.5, 0, 60.0, 400),
            row("sca", 0.5, 0, 77.0, 800),
        ]
    )
    assert primary.differences(asked(ratios=(0.5,), at="parameters"), study(), table) == [pytest.approx(2)]


def test_the_frontier_is_the_best_dense_network_that_is_no_larger():
    """A narrower network at 80 % beats a larger one at 70 %: at 800 parameters the frontier is at 80 %."""
    table = pd.DataFrame(
        [
            row("dense", 0.0, 0, 70.0, 1600, "dense"),
            row("uniform", 0.5, 0, 80.0, 400, "baselines"),
            row("sca", 0.5, 0, 77.0, 800),
        ]
    )
    against = asked(ratios=(0.5,), theirs="frontier", at="AC")
    assert primary.differences(against, study(), table) == [pytest.approx(-3)]
    pruned = table[table["method"] == "sca"]
    curves = frontier.envelope(frontier.dense_networks(study(), table), "AC")
    gain = beside_curve(pruned, curves, "AC")["gap"]
    assert gain.tolist() == [pytest.approx(-3)]


def test_a_seed_stands_beside_the_frontier_of_its_own():
    """Of two seeds, whose dense networks are 10 points apart; a third has none and does not count."""
    rows = [row("sca", 0.5, 2, 77.0, 800)]
    for seed, dense in enumerate((70.0, 80.0)):
        rows.append(row("dense", 0.0, seed, dense, 1600, "dense"))
        rows.append(row("uniform", 0.5, seed, dense - 20, 400, "baselines"))
        rows.append(row("sca", 0.5, seed, dense - 10 + seed, 800))
    against = asked(ratios=(0.5,), theirs="frontier", at="parameters")
    assert primary.differences(against, study(), pd.DataFrame(rows)) == [pytest.approx(0), pytest.approx(1)]


def test_a_seed_with_few_dense_networks_is_compared_with_none():
    """Of eleven, seed 0 has all, seed 1 seven, seed 2 six: a line through few lies below those between."""
    cifar = config.load("cifar")
    tasks = [cifar.headline, *cifar.frontier]
    table = pd.DataFrame(
        {"stage": "dense", "task": task, "method": "dense", "at": "", "seed": seed}
        for seed, number in enumerate((11, 7, 6))
        for task in tasks[:number]
    )
    assert len(tasks) == 11
    assert set(frontier.trained(cifar, table, 1.0)["seed"]) == {0}
    assert set(frontier.trained(cifar, table, frontier.MOST)["seed"]) == {0, 1}
    twice = cifar.model_copy(update={"frontier": tuple(tasks)})  # the headline stands in it, too
    assert set(frontier.trained(twice, table, 1.0)["seed"]) == {0}


def test_the_frontier_is_averaged_over_ratios_that_lie_within_it_by_every_size_in_every_seed():
    def rows(gaps):
        each = [{"method": "sca", "ratio": ratio, "seed": seed, "gap": gap} for ratio, seed, gap in gaps]
        return pd.DataFrame(each).dropna()  # as `beside_curve` leaves out what lies outside

    sizes = rows([(0.5, 0, 1.0), (0.5, 1, 2.0), (0.7, 0, 3.0), (0.7, 1, math.nan), (0.8, 0, math.nan)])
    operations = rows([(0.5, 0, -1.0), (0.5, 1, -2.0), (0.7, 0, -3.0), (0.7, 1, -3.0), (0.8, 0, -9.0)])
    found = frontier.in_every_range({"parameters": sizes, "AC": operations})
    assert found["parameters"]["gap"].tolist() == [1.0, 2.0]
    assert found["AC"]["gap"].tolist() == [-1.0, -2.0]
    none = frontier.in_every_range({"parameters": sizes.iloc[3:], "AC": operations.iloc[4:]})
    assert none["AC"].empty and "gap" in none["AC"]


def test_beside_smaller_networks_a_cell_says_how_many_seeds_it_has():
    """Two seeds of ours; the second has no smaller dense network."""
    rows = []
    for seed in (0, 1):
        rows.append(row("dense", 0.0, seed, 90.0, 1600, "dense"))
        rows.append(row("sca", 0.5, seed, 77.0 + seed, 800))
    rows.append(row("uniform", 0.5, 0, 60.0, 400, "baselines"))
    table = pd.DataFrame(rows).assign(**{"energy (nJ)": lambda all_: all_["AC"]})
    [told] = frontier.beside(study(), table).to_dict("records")
    assert (told["n"], told["test accuracy (%)"][:4], told["beside dense"][:5]) == (2, "77.5", "-12.5")
    assert told["parameters left (%)"] == told["SynOps left (%)"] == told["energy left (%)"] == "50"
    assert told["at equal parameters"] == told["at equal energy"] == "+2.0 (n = 1)"  # 75 % lie half the way


def test_what_lies_outside_every_dense_network_has_an_empty_cell():
    rows = [row("dense", 0.0, 0, 90.0, 1600, "dense"), row("sca", 0.5, 0, 77.0, 800)]
    table = pd.DataFrame(rows).assign(**{"energy (nJ)": lambda all_: all_["AC"]})
    [told] = frontier.beside(study(), table).to_dict("records")
    assert told["at equal SynOps"] == "" and told["beside dense"] == "-13.0"
