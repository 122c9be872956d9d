"""What we found: an interval decides, a paper is named only where it compares, and nothing is said of what was not run."""

import math

import pandas as pd
import pytest

from lib import claims, config, findings, published, results, stats
from lib.claims import Claim

LABELS = {
    "sca": "SCA (gated)",
    "sca-plus": "sca+",
    "random": "random",
    "dense": "dense",
    "pq": "PQ",
    "esl": "ESL",
    "t": "tickets",
}


def rows(method: str, accuracies, at: str = "ratio 0.5", cell: str = "a", **more) -> pd.DataFrame:
    """One training a seed."""
    numbers = {"density": 100.0, "parameters": 50.0, "synops": 20.0, "asked": math.nan, **more}
    return pd.DataFrame(
        [
            {"cell": cell, "method": method, "at": at, "seed": seed, "accuracy": value, **numbers}
            for seed, value in enumerate(accuracies)
        ]
    )


def told(claim: Claim, *tables: pd.DataFrame) -> list[str]:
    return [claims.shown(each) for each in claims.compare(claim, pd.concat(tables), LABELS)]


@pytest.mark.parametrize(
    ("difference", "says", "above", "words"),
    [
        (3.0, "SCA", True, "agrees with SCA"),
        (-3.0, "SCA", True, "disagrees with SCA"),
        (-3.0, "SCA", False, "agrees with SCA"),
        (0.5, "SCA", True, "undecided at n=3"),
        (0.5, "", True, "undecided at n=3"),
        (2.0, "", True, "above"),
        (-2.0, "", True, "below"),
    ],
)
def test_an_interval_that_holds_zero_decides_nothing(difference, says, above, words):
    assert claims.verdict(difference, 1.0, 3, says, above) == words


def test_an_interval_of_no_width_at_zero_is_undecided():
    assert claims.verdict(0.0, 0.0, 3, "SCA") == "undecided at n=3"


def test_one_seed_has_no_interval():
    assert told(Claim("sca", "random"), rows("sca", [3.0]), rows("random", [1.0])) == [
        "+2.0 (one seed) points at ratio 0.5 of a (undecided at n=1, 100 % of the parameters, 100 % of the SynOps)"
    ]


def test_trainings_are_paired_by_seed_whatever_their_order():
    ours, theirs = rows("sca", [10.0, 20.0, 30.0]), rows("random", [9.0, 19.0, 29.0], parameters=100.0)
    assert told(Claim("sca", "random", "SCA"), ours, theirs[::-1]) == [
        "+1.0 ± 0.0 points at ratio 0.5 of a (agrees with SCA, 50 % of the parameters, 100 % of the SynOps)"
    ]


def test_sizes_are_compared_in_percent_of_theirs():
    made = told(
        Claim("sca", "random", "SCA", False, "parameters"), rows("sca", [1, 2, 3]), rows("random", [1, 2, 3], parameters=100.0)
    )
    assert made == ["-50.0 ± 0.0 % parameters at ratio 0.5 of a (agrees with SCA)"]


def test_the_dense_network_stands_beside_every_ratio():
    made = told(
        Claim("sca", "dense"),
        rows("sca", [1, 2, 3]),
        rows("sca", [1, 2, 4], at="ratio 0.7"),
        rows("dense", [5, 5, 5], at="", synops=40.0),
    )
    assert len(made) == 2 and "at ratio 0.7 of a" in made[1] and "50 % of the SynOps" in made[0]


def test_each_value_of_a_setting_is_compared_and_named():
    made = claims.compare(
        Claim("l1", "sca"), pd.concat([rows("sca", [1, 2, 3]), rows("l1 0.0", [2, 3, 4]), rows("l1 0.1", [0, 1, 2])]), LABELS
    )
    assert [(each.ours, each.mean) for each in made] == [("SCA with L1 0.0", 1.0), ("SCA with L1 0.1", -1.0)]


def test_only_equal_densities_are_compared():
    ours = rows("pq", [50, 60, 70], at="density 10 %", density=10.0, asked=0.1)
    same, apart = (rows("esl", [1, 2, 3], at="density 10 %", density=density, asked=0.1) for density in (10.05, 12.0))
    assert claims.compare(Claim("pq", "esl"), pd.concat([ours, same]), LABELS)[0].words == "above"
    assert claims.compare(Claim("pq", "esl"), pd.concat([ours, apart]), LABELS)[0].words == "not compared: at other densities"
    missed = rows("pq", [50, 60, 70], at="density 10 %", density=18.0, asked=0.1)
    assert claims.compare(Claim("pq", "dense"), pd.concat([missed, rows("dense", [1, 2, 3], at="")]), LABELS)[
        0
    ].more.startswith("18 %")


def test_nothing_is_said_of_what_was_not_run():
    assert claims.compare(Claim("sca", "anew"), rows("sca", [1, 2, 3]), LABELS) == [] and claims.answer([]) == ""


def test_an_answer_begins_with_the_range_and_the_verdicts():
    table = [rows("sca", [1, 2, 3], at=at) for at in ("ratio 0.5", "ratio 0.7")] + [rows("random", [0, 1, 2])]
    made = claims.compare(Claim("sca", "random", "SCA"), pd.concat([*table, rows("random", [9, 0, 6], at="ratio 0.7")]), LABELS)
    assert claims.answer(made).startswith(
        "*SCA (gated) against random -3.0 to +1.0 points, agrees with SCA (1 of 2), undecided at n=3 (1 of 2).* "
    )


def test_networks_of_other_sizes_or_equal_ratios_are_not_matched():
    sizes = {"ratio 0.3": 100.0, "ratio 0.4": 109e3, "ratio 0.6": 111e3, "ratio 0.5": 100e3}
    table = [rows("sca", [3, 4, 5], at=at, parameters=size) for at, size in sizes.items()]
    made = findings.matched(pd.concat([*table, rows("random", [1, 2, 3], parameters=100e3)]), "parameters", LABELS)
    assert [(each.ours, each.theirs, each.mean, each.at) for each in made] == [
        ("SCA (gated) (ratio 0.4)", "random (ratio 0.5)", 2.0, "109 K parameters")
    ]


def test_the_mlp_is_set_beside_the_attention():
    kinds = {"q": [1, 10], "k": [1, 10], "v": [1, 10], "projection": [5, 10], "MLP": [10, 100], "head": [9, 10]}
    table = rows("t", [1, 2, 3], at="density 10 %").assign(kinds=[kinds] * 3)
    kept, [made] = findings.places(table, LABELS)
    assert kept == "tickets keep q 10, k 10, v 10, projection 50, MLP 10, head 90 % at density 10 % of a"
    assert (made.mean, made.words) == (-10.0, "agrees with SparseSpikformer")


def test_what_an_update_takes_is_read_at_the_first_one():
    log = [{"validation": 0.9}, {"before_update": 0.8, "validation": 0.1}, {"before_update": 0.7, "validation": 0.6}]
    table = rows("sca", [1.0]).assign(log=[log], updates=[[{"ratio": 0.61}]])
    after = findings.after_updates(pd.concat([table, rows("random", [1.0]).assign(log=[[{"validation": 0.5}]], updates=[[]])]))
    assert after[["method", "at", "before", "after"]].values.tolist() == [["sca", "ratio 0.61", 80.0, 10.0]]


def test_differences_are_counted_once_and_those_not_compared_never():
    made = [
        claims.Difference("a", "b", "c", "d", 1.0, 0.5, "points", words)
        for words in ("above", "undecided at n=3", "not compared: x")
    ]
    assert "2 differences are tried, each by itself at 95 %, and 1 are decided" in findings.as_text({"Q?": "x"}, made)


def test_papers_are_named_only_where_they_compare():
    """methods A32; 3.6. sca+ is ours, and no paper shows PQ's controls."""
    named = {(claim.ours, claim.theirs, claim.says) for asked in claims.QUESTIONS.values() for claim in asked if claim.says}
    beside = {(name, other, "SCA") for name in ("sca", "sca-literal") for other in ("only-prune", "random")}
    assert named == beside | {
        ("only-prune", "random", "SCA"),
        ("only-prune", "sca", "SCA"),
        ("random", "sca", "SCA"),
        ("learned", "random-tokens", "SparseSpikformer"),
        ("tickets-learned", "tickets-all", "SparseSpikformer"),
    }


def test_published_channels_are_those_of_scas_network():
    marks = published.by_channel("cifar10")
    assert (91.67, 28.39) in set(zip(marks["accuracy"], marks["connectivity"], strict=True))
    assert set(marks["network"]) == {"VGG16"} and set(marks["method"]) == {"SCA", "Network slimming SNN", "SPEAR"}
    assert published.by_channel("digits").empty


@pytest.fixture(scope="module")
def quick():
    return config.load("quick")


@pytest.mark.parametrize(
    "left_out", [("ablations", "tokens"), ("controls", "weights"), ("ablations", "controls", "weights", "tokens")]
)
def test_a_study_without_a_group_is_told_too(quick, left_out):
    answered, _ = findings.answers(quick.model_copy(update=dict.fromkeys(left_out, {})))
    assert "Does only-prune beat random channels? (A32)" in answered


def test_the_committed_answers_are_those_of_the_committed_results(quick):
    assert (quick.results / "claims.md").read_text() == findings.as_text(*findings.answers(quick))


def test_an_answer_is_what_the_results_say(quick):
    runs = results.load(quick, "channels", ["sca", "random"]).query("cell == 'digits-vgg' and ratio == 0.7")
    ours, theirs = (100 * runs[runs["method"] == name].sort_values("seed")["accuracy"].to_numpy() for name in ("sca", "random"))
    mean, half = stats.interval(ours - theirs)
    answered, _ = findings.answers(quick)
    assert (
        f"{mean:+.1f} ± {half:.1f} points at ratio 0.7 of digits-vgg"
        in answered["Does prune-and-regrow beat random channels? (A32)"]
    )


@pytest.mark.parametrize("study", ["quick", "small"])
def test_every_setting_that_is_varied_is_asked_about(study):
    """A slip of the pen in a name would silently drop an answer."""
    settings = config.load(study)
    variants = {findings.varied(variant) for one in settings.ablations.values() for variant in one.variants}
    named = {name for asked in claims.QUESTIONS.values() for claim in asked for name in claim[:2]}
    for variant in variants:
        assert {variant, variant.split()[0]} & named and claims.label(variant, {})
    known = {"dense", *settings.methods, *settings.controls, *settings.weights, *settings.tokens, *variants}
    keys = {variant.split()[0] for variant in variants}
    unrun = {"quick": {"normalise", "uniform-longer", "score relu_h"}, "small": {"score relu_h"}}[study]
    assert named - known - keys == unrun
