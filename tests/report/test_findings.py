"""The answers of the committed studies: each question that their results can answer, and no other."""

import pandas as pd
import pytest

from lib.report import claims, findings, published, questions, results, stats
from lib.settings import config


@pytest.fixture(scope="module")
def quick():
    return config.load("quick")


@pytest.mark.parametrize(
    "left_out",
    [("ablations", "tokens"), ("baselines", "weights"), ("ablations", "baselines", "weights", "tokens")],
)
def test_a_study_without_a_group_is_told_too(quick, left_out):
    study = quick.model_copy(update=dict.fromkeys(left_out, {}))
    answered = findings.answers(study, results.table(study))
    assert "Does only-prune beat random channels? (A32)" in answered


@pytest.mark.parametrize("study", ["quick", "small"])
def test_the_committed_answers_are_those_of_the_committed_results(study):
    settings = config.load(study)
    text = findings.as_text(findings.answers(settings, results.table(settings)))
    assert (settings.tables / "claims.md").read_text() == text.rstrip() + "\n"


def test_an_answer_is_what_the_results_say(quick):
    rows = results.table(quick)
    runs = rows.query("stage == 'channels' and task == 'digits-vgg' and ratio == 0.7").sort_values("seed")
    ours, theirs = (runs.loc[runs["method"] == name, "accuracy (%)"].to_numpy() for name in ("sca", "random"))
    mean, half = stats.interval(ours - theirs)
    answered = findings.answers(quick, rows)
    said, table, _ = answered["Does prune-and-regrow beat random channels? (A32)"]
    there = (
        (table["network and data"] == "digits-vgg")
        & (table["at"] == "ratio 0.7")
        & (table["ours"] == "SCA (frozen)")
    )
    shown = f"{mean:+.1f} ± {half:.1f}"
    assert table.loc[there, "difference (95 %)"].tolist() == [f"{shown} points"] and shown in said


NEVER = [
    "set",
    "rigl",
    "granet",
    "grad-r",
    "stds",
    "pq-constant",
    "pq-shrink",
    "pq-gradual",
]  # now in no grid
ONLY_QUICK = ["esl", "one-shot", "lottery", "pq-neuron", *NEVER]
ONLY_SMALL = ["attention", "stop", "score firing_rate", "score bn_gamma", *NEVER]


@pytest.mark.parametrize("study", ["quick", "small"])
def test_every_setting_that_is_varied_is_asked_about(study):
    """A slip of the pen in a name would silently drop an answer."""
    settings = config.load(study)
    variants = {
        ", ".join(f"{key} {value}" for key, value in variant.items())
        for one in settings.ablations.values()
        for variant in one.variants
    }
    named = {name for asked in questions.QUESTIONS.values() for claim in asked for name in claim[:2]}
    for variant in variants:
        assert {variant, variant.split()[0]} & named and claims.label(variant, {})
    known = {"dense", *settings.methods, *settings.baselines, *settings.weights, *settings.tokens, *variants}
    keys = {variant.split()[0] for variant in variants}
    unrun = {
        "quick": {"normalise", "uniform-longer", "score relu_h", *ONLY_SMALL},
        "small": {"score relu_h", "score filter_l1", *ONLY_QUICK},
    }[study]
    assert named - known - keys == unrun


def test_differences_are_counted_once_and_those_not_compared_never():
    made = [
        claims.Difference("a", "b", "c", "d", 1.0, 0.5, 3, "points", words)
        for words in ("above", "undecided at n=3", "not compared: x")
    ]
    assert "2 differences are tried, each by itself at 95 %, and 1 are decided" in findings.as_text(
        {"Q?": findings.Answer("x", claims.as_table(made), made)}
    )


def test_papers_are_named_only_where_they_compare():
    """methods A32; 3.6. sca+ is ours, and no paper shows PQ's baselines."""
    named = {
        (claim.ours, claim.theirs, claim.says)
        for asked in questions.QUESTIONS.values()
        for claim in asked
        if claim.says
    }
    beside = {(name, other, "SCA") for name in ("sca", "sca-soft") for other in ("only-prune", "random")}
    assert named == beside | {
        ("only-prune", "random", "SCA"),
        ("only-prune", "sca", "SCA"),
        ("random", "sca", "SCA"),
        ("only-prune", "sca-soft", "SCA"),
        ("random", "sca-soft", "SCA"),
        ("sca", "anew", "Liu et al. (2019)"),
        ("learned", "random-tokens", "SparseSpikformer"),
        ("tickets-learned", "tickets-all", "SparseSpikformer"),
    }


def test_published_channels_are_those_of_scas_network():
    marks = published.by_channel("cifar10")
    assert (91.67, 28.39) in set(zip(marks["accuracy"], marks["connectivity"], strict=True))
    assert set(marks["network"]) == {"VGG16"} and set(marks["method"]) == {
        "SCA",
        "Network slimming SNN",
        "SPEAR",
    }
    assert published.by_channel("digits").empty


def test_a_bar_in_a_name_does_not_end_its_column():
    table = pd.DataFrame({"method": ["SCA by |V|"], "n": [3]})
    assert results.as_rows(table).splitlines()[-1].replace(r"\|", "").count("|") == 3


def test_places_are_named_once_a_task_and_nothing_is_named_where_nothing_was_asked():
    made = [
        claims.Difference("a", "b", task, at, 1.0, 0.5, 3, "points", "above")
        for task, at in [("x", "ratio 0.5"), ("y", "")]
    ]
    assert claims.where([made[0], made[0]._replace(at="ratio 0.7"), made[1]]) == "ratio 0.5, 0.7 of x; y"
