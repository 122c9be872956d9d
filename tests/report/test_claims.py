"""What we found: an interval decides, a paper is named only where it compares."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from lib.report import claims, findings, questions
from lib.report.questions import Claim

LABELS = {
    "sca": "SCA (frozen)",
    "sca-plus": "sca+",
    "random": "random",
    "dense": "dense",
    "pq": "PQ",
    "esl": "ESL",
    "t": "tickets",
}


def rows(method: str, accuracies, at: str = "ratio 0.5", task: str = "a", **more) -> pd.DataFrame:
    """One training a seed."""
    numbers = {
        "density (%)": 100.0,
        "target density (%)": math.nan,
        "parameters": 50.0,
        "AC": 20.0,
        "energy (nJ)": 1.0,
        "epochs": 10,
        "last update (epoch)": 9.0,
        **more,
    }
    return pd.DataFrame(
        [
            {"task": task, "method": method, "at": at, "seed": seed, "accuracy (%)": value, **numbers}
            for seed, value in enumerate(accuracies)
        ]
    )


def told(claim: Claim, *tables: pd.DataFrame) -> list[tuple[str, ...]]:
    shown = claims.as_table(claims.compare(claim, pd.concat(tables), LABELS))
    columns = ["A - B (95 % interval)", "at", "verdict", "note"]
    return list(shown[columns].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("difference", "p", "says", "above", "words"),
    [
        (3.0, 0.04, "SCA", True, "agrees with SCA"),
        (-3.0, 0.04, "SCA", True, "disagrees with SCA"),
        (-3.0, 0.04, "SCA", False, "agrees with SCA"),
        (3.0, 0.05, "SCA", True, "undecided"),
        (3.0, math.nan, "", True, "undecided"),
        (2.0, 0.01, "", True, "higher"),
        (-2.0, 0.01, "", True, "lower"),
    ],
)
def test_what_chance_would_give_decides_nothing(difference, p, says, above, words):
    assert claims.verdict(difference, p, says, above) == words


def test_seeds_that_all_agree_on_no_difference_are_undecided():
    assert (
        told(Claim("sca", "random"), rows("sca", [1.0, 2.0]), rows("random", [1.0, 2.0]))[0][2] == "undecided"
    )


def test_verdicts_are_corrected_for_all_differences_of_their_question():
    """p of 0.012, 0.02 and 0.2: times 3, 2 and 1; what is not compared is not counted."""
    made = claims.Difference("a", "b", "x", "ratio 0.5", 1.0, 0.5, 3, "points", "higher", p=0.012)
    others = [made._replace(p=0.2, verdict="undecided"), made._replace(p=0.02), made._replace(p=0.03)]
    apart = made._replace(p=math.nan, verdict=claims.APART)
    found = claims.corrected([apart, *others, made])
    assert [each.verdict for each in found] == ["not compared", *["undecided"] * 3, "higher"]
    assert [each.p for each in found[1:]] == pytest.approx([0.2, 0.06, 0.06, 0.048])


def test_what_has_too_few_seeds_for_a_p_counts_in_the_correction():
    """Else a difference that is decided today is undecided as soon as another's third seed is there."""
    made = claims.Difference("a", "b", "c", "ratio 0.5", 1.0, 0.5, 3, "points", "higher", p=0.02)
    waiting = made._replace(n=2, p=math.nan, half=math.nan, verdict="undecided")
    apart = waiting._replace(n=0, verdict=claims.APART)
    assert claims.corrected([made, apart])[0] == made
    found = claims.corrected([made, waiting, apart, waiting])
    assert found[0].p == pytest.approx(0.06) and found[0].verdict == "undecided"
    assert found[1:] == [waiting, apart, waiting]


def test_one_seed_has_no_interval():
    sizes = "100 % of the parameters, 100 % of the SynOps"
    assert told(Claim("sca", "random"), rows("sca", [3.0]), rows("random", [1.0])) == [
        ("+2.0 (one seed) points", "ratio 0.5", "undecided", sizes)
    ]


def test_trainings_are_paired_by_seed_whatever_their_order():
    ours, theirs = rows("sca", [10.0, 20.0, 30.0]), rows("random", [9.0, 19.0, 29.0], parameters=100.0)
    sizes = "50 % of the parameters, 100 % of the SynOps"
    assert told(Claim("sca", "random", "SCA"), ours, theirs[::-1]) == [
        ("+1.0 ± 0.0 points", "ratio 0.5", "agrees with SCA", sizes)
    ]


def test_a_difference_is_decided_where_a_paired_t_test_decides():
    rng = np.random.default_rng(0)
    decided = []
    for _ in range(50):
        ours, theirs = rng.normal(10, 10, 5), rng.normal(0, 10, 5)
        [made] = claims.compare(
            Claim("sca", "random"), pd.concat([rows("sca", ours), rows("random", theirs)]), LABELS
        )
        decided.append(scipy_stats.ttest_rel(ours, theirs).pvalue < 0.05)
        assert claims.decided(made) == decided[-1]
        assert made.p == pytest.approx(scipy_stats.ttest_rel(ours, theirs).pvalue)
    assert 0 < sum(decided) < 50


def test_sizes_are_compared_in_percent_of_theirs():
    made = told(
        Claim("sca", "random", "SCA", False, "parameters"),
        rows("sca", [1, 2, 3]),
        rows("random", [1, 2, 3], parameters=100.0),
    )
    assert made == [("-50.0 ± 0.0 % parameters", "ratio 0.5", "agrees with SCA", "")]


def test_the_dense_network_stands_beside_every_ratio():
    made = told(
        Claim("sca", "dense"),
        rows("sca", [1, 2, 3]),
        rows("sca", [1, 2, 4], at="ratio 0.7"),
        rows("dense", [5, 5, 5], at="", AC=40.0),
    )
    assert [at for _, at, _, _ in made] == ["ratio 0.5", "ratio 0.7"] and "50 % of the SynOps" in made[0][3]


def test_each_value_of_a_setting_is_compared_and_named():
    made = claims.compare(
        Claim("l1", "sca"),
        pd.concat([rows("sca", [1, 2, 3]), rows("l1 0.0", [2, 3, 4]), rows("l1 0.1", [0, 1, 2])]),
        LABELS,
    )
    assert [(each.ours, each.mean) for each in made] == [("SCA with L1 0.0", 1.0), ("SCA with L1 0.1", -1.0)]


def test_only_equal_densities_are_compared():
    wanted = {"at": "density 10 %", "target density (%)": 10.0}
    ours = rows("pq", [50, 60, 70], **wanted, **{"density (%)": 10.0})
    same = rows("esl", [1, 2, 3], **wanted, **{"density (%)": 10.05})
    apart = rows("esl", [1, 2, 3], **wanted, **{"density (%)": 12.0})
    assert claims.compare(Claim("pq", "esl"), pd.concat([ours, same]), LABELS)[0].verdict == "higher"
    [other] = claims.compare(Claim("pq", "esl"), pd.concat([ours, apart]), LABELS)
    assert (other.verdict, other.note) == ("not compared", "at other densities")
    missed = rows("pq", [50, 60, 70], **wanted, **{"density (%)": 18.0})
    assert claims.compare(Claim("pq", "dense"), pd.concat([missed, rows("dense", [1, 2, 3], at="")]), LABELS)[
        0
    ].note.startswith("18 %")


def test_nothing_is_said_of_what_was_not_run():
    assert claims.compare(Claim("sca", "anew"), rows("sca", [1, 2, 3]), LABELS) == []


def test_as_many_digits_are_shown_as_tell_whether_the_interval_holds_zero():
    """As SCA's widths in the small study: 3.88 ± 3.87 must not read 3.9 ± 3.9."""
    ours = rows("sca", 3.88 + 3.87 / scipy_stats.t.ppf(0.975, 2) * np.sqrt(3) * np.array([-1.0, 0.0, 1.0]))
    assert told(Claim("sca", "random"), ours, rows("random", [0.0, 0.0, 0.0]))[0][::2] == (
        "+3.88 ± 3.87 points",
        "higher",
    )


def test_trainings_of_unequal_length_are_said_to_be():
    theirs = pd.concat([rows("random", [1.0], epochs=45), rows("random", [1.0, 1.0, 1.0], epochs=61)[1:]])
    [(_, _, verdict, note)] = told(Claim("sca", "random"), rows("sca", [3, 4, 5]), theirs)
    assert verdict == "higher" and note.endswith(", 10 against 45 to 61 epochs")


def test_intervals_are_compared_only_where_the_last_update_falls_in_the_same_epoch():
    claim = questions.QUESTIONS[questions.INTERVAL]
    table = pd.concat(
        [
            rows("sca", [1, 2, 3]),
            rows("interval 2", [2, 3, 4], **{"last update (epoch)": 8.0}),
            rows("stop 0.8", [3, 4, 5], **{"last update (epoch)": 8.0}),
            rows("interval 3, stop 0.9", [5, 6, 7]),
        ]
    )
    made = [
        (each.ours, each.theirs, each.verdict, each.note.partition(", ")[0])
        for one in claim
        for each in claims.compare(one, table, LABELS)
    ]
    whole = "100 % of the parameters"
    assert made == [
        ("SCA, 2-epoch interval", "SCA, updates until 0.8", "lower", whole),
        (
            "SCA, 3-epoch interval, updates until 0.9",
            "SCA, updates until 0.8",
            "not compared",
            "last update after epoch 9 against 8",
        ),
        ("SCA, 2-epoch interval", "SCA (frozen)", "not compared", "last update after epoch 8 against 9"),
        ("SCA, 3-epoch interval, updates until 0.9", "SCA (frozen)", "higher", whole),
    ]


def test_what_was_measured_in_no_seed_has_no_number():
    made = claims.Difference("a", "b", "x", "ratio 0.5", 1.0, 0.5, 3, "points", "higher", p=0.01)
    none = made._replace(mean=math.nan, half=math.nan, n=0, verdict=claims.APART, p=math.nan)
    table = claims.as_table([none, made])
    assert table["A - B (95 % interval)"].tolist() == ["", "+1.0 ± 0.5 points"]
    assert table["p (Holm)"].tolist() == ["", "0.010"]


def test_the_mlp_is_set_beside_the_attention():
    kinds = {
        "q": [1, 10],
        "k": [1, 10],
        "v": [1, 10],
        "projection": [5, 10],
        "MLP": [10, 100],
        "head": [9, 10],
    }
    table = rows("t", [1, 2, 3], at="density 10 %").assign(kinds=[kinds] * 3)
    [made] = findings.places(table, LABELS)
    assert (made.mean, made.verdict) == (-10.0, "agrees with SparseSpikformer")
    left = findings.kept(table)
    assert [left[kind].iloc[0] for kind in ("q", "projection", "MLP", "head")] == [10.0, 50.0, 10.0, 90.0]
    assert left["selector"].isna().all()  # a network without one


def test_what_is_not_there_is_not_told():
    means = findings.over_seeds(
        rows("sca", [1, 2, 3]).assign(MLP=[9.0, 10.0, 11.0], selector=math.nan), ["MLP", "selector"]
    )
    told = findings.in_words(means, ["MLP", "selector"], LABELS).iloc[0]
    assert told["MLP (%, ± 95 %)"] == "10.0 ± 2.5" and told["selector (%, ± 95 %)"] == "" and told["n"] == 3


def test_what_an_update_takes_is_read_at_the_first_one():
    log = [
        {"validation": 0.9},
        {"before_update": 0.8, "validation": 0.1},
        {"before_update": 0.7, "validation": 0.6},
    ]
    table = rows("sca", [1.0]).assign(log=[log], updates=[[{"ratio": 0.61}]])
    after = findings.after_updates(
        pd.concat([table, rows("random", [1.0]).assign(log=[[{"validation": 0.5}]], updates=[[]])])
    )
    assert after[["method", "at", "before", "after"]].values.tolist() == [["sca", "ratio 0.61", 80.0, 10.0]]
