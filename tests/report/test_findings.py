"""The answers of the committed studies: each question that their results can answer, and no other."""

import math

import numpy as np
import pandas as pd
import pytest

from lib.report import claims, equal_size, findings, forest, published, questions, results, stats
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
    found = findings.differences(study, results.table(study))
    assert "Does only-prune beat random channels? (A32)" in found


@pytest.mark.parametrize("name", ["sca-plus", "random"])
def test_a_study_without_a_method_is_told_too(quick, name):
    study = quick.model_copy(
        update={"methods": {key: each for key, each in quick.methods.items() if key != name}}
    )
    rows = results.table(study)
    label = quick.methods[name].label
    for question in equal_size.QUESTIONS:
        told = findings.differences(study, rows[rows["method"] != name])[question]
        assert told and label not in {each for one in told for each in one[:2]}


def test_an_ablation_of_another_method_is_not_told_as_scas(quick):
    rows = results.table(quick)
    asked = "What does |V|, which the text prints, change against S + |V|, which the code uses? (A10-A12)"
    assert asked in findings.differences(quick, rows)
    [(name, one)] = quick.ablations.items()
    study = quick.model_copy(update={"ablations": {name: one.model_copy(update={"base": "sca-plus"})}})
    assert asked not in findings.differences(study, rows)


@pytest.mark.parametrize("study", ["quick", "small"])
def test_the_committed_answers_are_those_of_the_committed_results(study):
    settings = config.load(study)
    table = results.table(settings)
    text = findings.as_text(findings.differences(settings, table), findings.shares(settings, table))
    assert (settings.tables / "claims.md").read_text() == text.rstrip() + "\n"


def test_an_answer_is_what_the_results_say(quick):
    rows = results.table(quick)
    runs = rows.query("stage == 'channels' and task == 'digits-vgg' and ratio == 0.7").sort_values("seed")
    ours, theirs = (runs.loc[runs["method"] == name, "accuracy (%)"].to_numpy() for name in ("sca", "random"))
    mean, half = stats.interval(ours - theirs)
    found = findings.differences(quick, rows)
    table = claims.as_table(found["Does prune-and-regrow beat random channels? (A32)"])
    there = (table["task"] == "digits-vgg") & (table["at"] == "ratio 0.7") & (table["A"] == "SCA (frozen)")
    shown = f"{mean:+.1f} ± {half:.1f} points"
    assert table.loc[there, "A - B (95 % interval)"].tolist() == [shown]
    assert shown in findings.as_text(found, {})


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
ONLY_CIFAR = ["sca-plus-divided", "members", "mode", "score singular_values"]
ONLY_QUICK = ["esl", "one-shot", "lottery", "pq-neuron", *NEVER]
ONLY_SMALL = ["attention", "stop", "score firing_rate", "score bn_gamma", *NEVER]


@pytest.mark.parametrize("study", ["quick", "small", "cifar"])
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
        "quick": {"normalise", "uniform-longer", "score relu_h", *ONLY_SMALL, *ONLY_CIFAR},
        "small": {"score relu_h", "score filter_l1", *ONLY_QUICK, *ONLY_CIFAR},
        "cifar": {"score relu_h", "l1", "stop", "sca-soft", *ONLY_QUICK},
    }[study]
    assert named - known - keys == unrun


def test_differences_are_counted_once_and_those_not_compared_never():
    made = [
        claims.Difference("a", "b", "c", "d", 1.0, 0.5, 3, "points", verdict, p=p)
        for verdict, p in (("higher", 0.01), ("undecided", math.nan), (claims.APART, math.nan))
    ]
    assert findings.counts({"Q?": made}).startswith("2 differences are compared, 1 are decided")


def test_a_question_stands_once_in_the_table_with_a_link_to_its_figure():
    made = claims.Difference("a", "b", "c", "d", 1.0, 0.5, 3, "points", "higher", p=0.01)
    asked = "What do sparse weights cost? (2.6)"
    table = findings.in_one_table({asked: [made, made]}, "../figures/small")
    assert table["question"].tolist() == [f"**{asked}** [figure](../figures/small/density.png)", ""]


def test_every_question_that_names_a_figure_is_asked():
    asked = {*questions.QUESTIONS, *equal_size.QUESTIONS, questions.PLACES}
    assert set(questions.FIGURES) <= asked
    drawn = {path.stem.split("_fig_")[1] for path in (config.ROOT / "notebooks").glob("*_fig_*.ipynb")}
    assert set(questions.FIGURES.values()) | {"effects"} <= drawn


def test_the_forest_fills_what_is_decided_and_leaves_out_other_units():
    made = claims.Difference("a", "b", "c", "ratio 0.5", 1.0, 0.5, 3, "points", "higher", p=0.01)
    tried = [made, made._replace(at="ratio 0.7", mean=-2.0, verdict="undecided"), made._replace(unit="%")]
    [ax] = forest.forest({"Q?": tried, "R?": [made._replace(unit="%")]}).axes
    marks = [line for line in ax.lines if line.get_marker() in ("o", "s") and len(line.get_xdata()) == 1]
    assert [mark.get_xdata()[0] for mark in marks] == [1.0, -2.0]
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [False, True]
    assert [text.get_text() for text in ax.texts] == [" Q?"]
    assert ax.get_legend_handles_labels()[1] == [
        "ratio 0.5",
        "ratio 0.7",
    ]  # of one task, places are told apart


def test_whose_ratio_an_equal_size_is_can_be_told_in_the_forest():
    made = claims.Difference("a", "b", "c", "ratio 0.5", 1.0, 0.5, 3, "points", "higher", p=0.01)
    [ax] = forest.forest({"Q?": [made, made._replace(at="ratio 0.5 of b")]}).axes
    assert ax.get_legend_handles_labels()[1] == ["ratio 0.5", "ratio 0.5, of B"]


def test_two_seeds_have_no_bar_in_the_forest():
    made = claims.Difference(
        "a", "b", "c", "ratio 0.5", *stats.interval([0.4, 1.6]), 2, "points", "undecided"
    )
    [ax] = forest.forest({"Q?": [made]}).axes
    [bar] = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 0.6]
    assert np.isnan(bar.get_xdata()).all()  # which is not drawn


def test_the_forest_tells_tasks_apart_where_there_are_several():
    made = claims.Difference("a", "b", "c", "ratio 0.5", 1.0, 0.5, 3, "points", "higher", p=0.01)
    outside = made._replace(verdict=claims.APART, n=0)
    [ax] = forest.forest({"Q?": [made, made._replace(task="d"), outside]}).axes
    assert ax.get_legend_handles_labels()[1] == ["c", "d"]


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
