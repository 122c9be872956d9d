"""What we found: an interval decides, the paper is named only where it compares, and nothing is said of what was not run."""

import pandas as pd
import pytest

from lib import claims, config, found, results, stats
from lib.claims import Claim

LABELS = {"sca": "SCA (gated)", "random": "random"}


def rows(method: str, accuracies, at: str = "ratio 0.5", cell: str = "a", **more) -> pd.DataFrame:
    """One training a seed."""
    numbers = {"density": 100.0, "parameters": 50.0, "synops": 20.0, **more}
    return pd.DataFrame(
        [
            {"cell": cell, "method": method, "at": at, "seed": seed, "accuracy": value, **numbers}
            for seed, value in enumerate(accuracies)
        ]
    )


@pytest.mark.parametrize(
    ("difference", "above", "words"),
    [
        (3.0, True, "agrees with SCA"),
        (-3.0, True, "disagrees with SCA"),
        (-3.0, False, "agrees with SCA"),
        (3.0, None, "disagrees with SCA"),
        (0.5, True, "undecided at n=3"),
        (0.5, None, "undecided at n=3"),
    ],
)
def test_an_interval_that_holds_zero_decides_nothing(difference, above, words):
    assert claims.verdict(difference, 1.0, 3, Claim("sca", "random", "SCA", above)) == words


def test_a_paper_that_does_not_compare_is_not_named():
    assert [claims.verdict(d, 1.0, 3, Claim("sca", "random")) for d in (2.0, -2.0)] == ["above", "below"]


def test_an_interval_of_no_width_at_zero_is_undecided():
    assert claims.verdict(0.0, 0.0, 3, Claim("sca", "random", "SCA")) == "undecided at n=3"


def test_trainings_are_paired_by_seed_whatever_their_order():
    ours, theirs = rows("sca", [10.0, 20.0, 30.0]), rows("random", [9.0, 19.0, 29.0])
    told, verdicts = claims.compare(Claim("sca", "random", "SCA"), pd.concat([ours, theirs[::-1]]), LABELS)
    assert told == "SCA (gated) against random +1.0 ± 0.0 points at ratio 0.5 of a (agrees with SCA)"
    assert verdicts == ["agrees with SCA"]


def test_the_dense_network_stands_beside_every_ratio():
    table = pd.concat(
        [rows("sca", [1, 2, 3]), rows("sca", [1, 2, 4], at="ratio 0.7"), rows("dense", [5, 5, 5], at="", parameters=100.0)]
    )
    told, verdicts = claims.compare(Claim("sca", "dense"), table, LABELS | {"dense": "dense"})
    assert len(verdicts) == 2 and "at ratio 0.7 of a" in told and "50 % of its parameters, 100 % of its SynOps" in told


def test_only_equal_densities_are_compared():
    ours = rows("pq", [50, 60, 70], at="density 10 %", density=10.0)
    same, apart = (rows("esl", [1, 2, 3], at="density 10 %", density=density) for density in (10.05, 12.0))
    assert claims.compare(Claim("pq", "esl"), pd.concat([ours, same]), {})[1] == ["above"]
    assert claims.compare(Claim("pq", "esl"), pd.concat([ours, apart]), {})[1] == ["not compared, -2.0 points of density apart"]


def test_nothing_is_said_of_what_was_not_run():
    assert claims.answer((Claim("sca", "random"), Claim("sca", "anew")), rows("sca", [1, 2, 3]), LABELS) == ""


def test_a_short_answer_counts_the_verdicts():
    table = pd.concat([rows("sca", [1, 2, 3], at=at) for at in ("ratio 0.5", "ratio 0.7")] + [rows("random", [0, 1, 2])])
    table = pd.concat([table, rows("random", [9, 0, 5], at="ratio 0.7")])
    assert claims.answer((Claim("sca", "random", "SCA"),), table, LABELS).startswith(
        "*Agrees with SCA (1), undecided at n=3 (1).* "
    )


def test_networks_of_other_sizes_are_not_matched():
    sizes = {"sca": 100.0, "near": 109.0, "far": 111.0}
    table = pd.concat(
        [rows(name, [3, 4, 5], at=name, parameters=size) for name, size in sizes.items()]
        + [rows("random", [1, 2, 3], parameters=100.0)]
    )
    said = found.matched(table, "parameters", LABELS)
    assert said.count("points at") == 2 and "far" not in said and "+2.0 ± 0.0 points at 0 K of a (above)" in said


@pytest.fixture(scope="module")
def quick():
    return config.load("quick")


def test_the_committed_answers_are_those_of_the_committed_results(quick):
    assert (quick.results / "claims.md").read_text() == found.as_text(found.answers(quick))


def test_an_answer_is_what_the_results_say(quick):
    runs = results.load(quick, "channels", ["sca", "random"]).query("cell == 'digits-vgg' and ratio == 0.7")
    ours, theirs = (100 * runs[runs["method"] == name].sort_values("seed")["accuracy"].to_numpy() for name in ("sca", "random"))
    mean, half = stats.interval(ours - theirs)
    said = found.answers(quick)["Does prune-and-regrow beat random channels? (A32)"]
    assert f"{mean:+.1f} ± {half:.1f} points at ratio 0.7 of digits-vgg" in said


@pytest.mark.parametrize("study", ["quick", "small"])
def test_what_a_claim_names_is_in_the_study_that_answers_it(study):
    """A slip of the pen in a name would silently drop an answer."""
    settings = config.load(study)
    variants = {found.varied(variant) for one in settings.ablations.values() for variant in one.variants}
    known = {"dense", *settings.methods, *settings.controls, *settings.weights, *settings.tokens, *variants}
    named = {name for several in claims.QUESTIONS.values() for claim in several for name in claim[:2]}
    missing = {"quick": {"normalise True", "interval 2", "uniform-longer"}, "small": set()}[study]
    assert named - known == missing
