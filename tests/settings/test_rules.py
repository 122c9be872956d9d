"""What the parts of a params.yaml must agree on: each rule refuses its cases in one line."""

import pytest
from example import GONE, assert_one_line, changed, document, read

from lib.core.errors import ConfigError
from lib.settings import rules

EVENTS = {"digits-dvs-sim": 4}
EVENT_TASK = {
    **document()["tasks"]["digits-vgg"],
    "data": "digits-dvs-sim",
    "train": {**document()["tasks"]["digits-vgg"]["train"], "phases": [{"epochs": 1, "units": "relu"}]},
}
ASKED = {"says": "SCA beats random", "task": "digits-vgg", "ours": "sca", "theirs": "random", "ratios": [0.5]}
REFUSED = [
    (rules.frontier_is_alike, "frontier", ["digits-vg"], ["frontier", "'digits-vg'", "digits-vgg"]),
    (
        rules.hypotheses_name_trials,
        "primary",
        {"h1": ASKED | {"ours": "scaa"}},
        ["primary.h1.ours", "'scaa'", "known are only-prune, random, sca"],
    ),
    (
        rules.hypotheses_name_trials,
        "primary",
        {"h1": ASKED | {"theirs": "L1"}},
        ["primary.h1.theirs", "'L1'", "anew, dense, frontier"],
    ),
    (
        rules.hypotheses_name_trials,
        "primary",
        {"h1": ASKED | {"ratios": [0.6]}},
        ["primary.h1.ratios: 0.6", "pruned at [0.5, 0.7, 0.8]", "take one"],
    ),
    (
        rules.hypotheses_name_trials,
        "primary",
        {"h1": ASKED | {"theirs": "frontier"}},
        ["primary.h1.at: ratio", "nothing of the frontier is pruned", "take parameters or AC"],
    ),
    (
        rules.rectified_units_have_no_time,
        "tasks.digits-vgg.neuron",
        "relu",
        ["tasks.digits-vgg.T: 4", "rectified units have no time", "give 1"],
    ),
    (
        rules.rectified_units_have_no_time,
        "tasks.spikformer",
        document()["tasks"]["spikformer"] | {"neuron": "relu", "T": 1},
        ["tasks.spikformer.net: spikformer-digits", "VGG alone", "take one"],
    ),
    (
        rules.rectified_units_have_no_time,
        "tasks.rectified",
        EVENT_TASK | {"data": "digits", "neuron": "relu", "T": 1},
        ["tasks.rectified.train.phases", "have no phases", "take them out"],
    ),
    (
        rules.phases_fit,
        "tasks.digits-vgg.train.phases",
        [{"T": 4, "epochs": 1, "units": "spiking"}],
        ["tasks.digits-vgg.train.phases: T: 4", "T = 4", "give fewer"],
    ),
    (
        rules.phases_fit,
        "tasks.spikformer.train.phases",
        [{"epochs": 1, "units": "relu"}],
        ["tasks.spikformer.train.phases: units relu", "attention", "take spiking"],
    ),
    (
        rules.phases_fit,
        "tasks.spikformer.train.phases",
        [{"epochs": 1, "units": "rate"}],
        ["tasks.spikformer.train.phases: units rate", "attention", "take spiking"],
    ),
    (
        rules.phases_fit,
        "tasks.digits-vgg.train.phases",
        [{"epochs": 14, "units": "relu"}, {"epochs": 1, "units": "spiking", "T": 1}],
        ["tasks.digits-vgg.prune.warmup", "the first 15 are without T = 4 steps", "raise warmup"],
    ),
    (
        rules.phases_fit,
        "tasks.digits-vgg.train.phases",
        [{"epochs": 2, "units": "relu"}, {"epochs": 1, "units": "rate"}],
        ["tasks.digits-vgg.rewire.warmup: 2", "after epoch 0", "the first 2 are", "raise warmup"],
    ),
    (
        rules.phases_fit,
        "tasks.events",
        EVENT_TASK,
        ["tasks.events.train.phases", "digits-dvs-sim has a frame for each of T = 4 steps", "take phases"],
    ),
    (
        rules.limits_are_of_data_in_use,
        "data.images",
        {"cifar10": 10},
        ["data.images: 'cifar10'", "no task", "digits"],
    ),
    (
        rules.limits_are_of_data_in_use,
        "data.frames",
        EVENTS,
        ["data.frames: 'digits-dvs-sim' is the data of no task"],
    ),
    (
        rules.frames_are_steps,
        "data.frames",
        {"digits": 7},
        ["tasks.digits-vgg.T: 4", "7 frames", "make them equal"],
    ),
    (rules.grids_hold, "grid.matched", ["spikformer"], ["'spikformer'", "known are digits-vgg"]),
    (rules.grids_hold, "grid.tasks", ["digits-vg"], ["'digits-vg'", "digits-vgg"]),
    (rules.grids_hold, "grid.pruned", ["digits-vg"], ["'digits-vg'", "known are digits-vgg"]),
    (rules.grids_hold, "grid.rewired", ["digits-vg"], ["'digits-vg'", "known are digits-vgg, spikformer"]),
    (rules.grids_hold, "grid.pruned", [], ["grid.ablated", "'digits-vgg'", "not known"]),
    (
        rules.grids_hold,
        "tasks.spikformer.rhos",
        GONE,
        ["grid.selected: task spikformer has no rhos", "add what is missing"],
    ),
    (
        rules.grids_hold,
        "tasks.spikformer.student",
        GONE,
        ["grid.selected: task spikformer has no student", "add what is missing"],
    ),
    (
        rules.grids_hold,
        "grid.selected",
        ["digits-vgg"],
        ["grid.selected: task digits-vgg has no student and no rhos"],
    ),
    (
        rules.grids_hold,
        "grid.pruned",
        ["digits-vgg", "spikformer"],
        ["grid.pruned: task spikformer has no prune and no ratios"],
    ),
    (
        rules.grids_hold,
        "tasks.digits-vgg.rewire",
        GONE,
        ["grid.rewired: task digits-vgg has no rewire", "add what is missing"],
    ),
    (
        rules.grids_hold,
        "tasks.digits-vgg.densities",
        GONE,
        ["grid.rewired: task digits-vgg has no densities", "add what is missing"],
    ),
    (rules.grids_hold, "grid.tasks", [], ["empty", "at least one"]),
    (
        rules.grids_hold,
        "tasks.digits-vgg.ratios",
        [],
        ["grid.pruned: task digits-vgg has no ratios", "add what is missing"],
    ),
    (
        rules.fewer_name_something,
        "grid.fewer",
        {"digits-vg": 1},
        ["grid.fewer: 'digits-vg'", "digits-vgg, spikformer, only-prune, random"],
    ),
    (
        rules.fewer_name_something,
        "grid.fewer",
        {"ablations": 2},
        ["grid.fewer.ablations: 2", "there are 2 seeds", "give fewer, or take it out"],
    ),
    (rules.headline_is_first, "headline", "digits-vg", ["headline: 'digits-vg'", "known are digits-vgg"]),
    (rules.headline_is_first, "headline", "spikformer", ["headline: spikformer", "digits-vgg"]),
    (
        rules.names_differ,
        "methods.ablations",
        {"label": "mine"},
        ["ablations", "two of methods, ablations, baselines, weights and tokens", "rename one"],
    ),
    (
        rules.names_differ,
        "methods.pq",
        {"label": "mine"},
        ["pq", "two of methods, ablations, baselines, weights and tokens", "rename one"],
    ),
    (
        rules.baselines_match,
        "baselines.anew.matches",
        "scaa",
        ["'scaa'", "known are only-prune, random, sca"],
    ),
    (rules.baselines_match, "baselines.anew.matches", "pq", ["'pq'", "known are only-prune, random, sca"]),
    (
        rules.baselines_match,
        "baselines.anew.ratios",
        [0.6],
        ["baselines.anew.ratios: 0.6", "[0.5, 0.7, 0.8]", "take of them"],
    ),
    (rules.data_are_needed, "grid.data", ["cifar10"], ["cifar10", "exactly digits"]),
    (rules.data_are_needed, "grid.data", ["digits", "cifar10"], ["cifar10", "exactly digits"]),
    (
        rules.images_suffice,
        "data.images",
        {"digits": 30},
        ["data.validation: 0.125: holds out none of 3 images a class", "raise"],
    ),
    (
        rules.images_suffice,
        "tasks.digits-vgg.train.batch",
        1300,
        ["tasks.digits-vgg.train.batch: 1300", "about 1258 images", "lower it"],
    ),
    (
        rules.something_stays,
        "ablations.ablations.base",
        "scaa",
        ["'scaa'", "known are only-prune, random, sca"],
    ),
    (
        rules.something_stays,
        "ablations.ablations.variants",
        [{"score": "spik"}],
        ["ablations.ablations.variants: score", "'spik'", "spike_abs_v"],
    ),
    (
        rules.something_stays,
        "ablations.ablations.variants",
        [{"scor": "random"}],
        ["unknown key scor", "score"],
    ),
    (
        rules.something_stays,
        "ablations.ablations.variants",
        [{"regrow": "0.1"}],
        ["ablations.ablations.variants: regrow", "'0.1'", "number"],
    ),
    (
        rules.something_stays,
        "tasks.digits-vgg.ratios",
        [0.5, 0.9],
        ["task digits-vgg, method sca", "ratio 0.9 + regrow 0.1 >= 1", "lower one"],
    ),
    (
        rules.something_stays,
        "methods.sca.regrow",
        0.3,
        ["task digits-vgg, method sca", "+ regrow 0.3 >= 1", "lower one"],
    ),
    (
        rules.something_stays,
        "tasks.digits-vgg.ratios",
        [0.5, 0.95],
        ["task digits-vgg, method sca", "ratio 0.95 + regrow 0.1 >= 1", "lower one"],
    ),
    (
        rules.something_stays,
        "ablations.ablations.variants",
        [{"regrow": 0.5}],
        ["ablation ablations", "ratio 0.7 + regrow 0.5 >= 1", "lower one"],
    ),
    (
        rules.something_stays,
        "ablations.ablations.ratio",
        0.6,
        ["ablations.ablations.ratio: 0.6", "task digits-vgg has no training at it", "(0.5, 0.7, 0.8)"],
    ),
    (
        rules.tickets_rewind,
        "tokens.tickets-learned.rewind",
        5,
        ["tokens.tickets-learned.rewind: 5", "trains 5 epochs", "rewind to an earlier one"],
    ),
    (
        rules.tickets_rewind,
        "weights.tickets.rewind",
        20,
        ["weights.tickets.rewind: 20", "trains 20 epochs", "rewind to an earlier one"],
    ),
]


@pytest.mark.parametrize(
    ("rule", "path", "value", "words"), REFUSED, ids=[f"{rule.__name__}-{path}" for rule, path, *_ in REFUSED]
)
def test_a_rule_refuses_its_case_in_one_line(rule, path, value, words, tmp_path, monkeypatch):
    content = changed(path, value)
    with pytest.raises(ConfigError) as in_file:
        read(tmp_path, content)
    line = str(in_file.value)
    assert_one_line(line)
    assert not [word for word in words if word not in line], line
    monkeypatch.setattr(rules, "RULES", ())
    study = read(tmp_path, content)
    with pytest.raises((ValueError, ConfigError)) as alone:
        rule(study)
    assert line == f"params.yaml: {alone.value}"


def test_the_frontier_classifies_the_headlines_images(tmp_path):
    content = changed("frontier", ["events"])
    content["tasks"]["events"] = {**document()["tasks"]["digits-vgg"], "data": "digits-dvs-sim"}
    with pytest.raises(
        ConfigError, match="frontier: events classifies digits-dvs-sim, the headline digits-vgg"
    ):
        read(tmp_path, content)


def test_every_rule_has_a_case():
    assert {rule for rule, *_ in REFUSED} == set(rules.RULES)


@pytest.mark.parametrize("ratio", [0.5, 0.8])
def test_an_ablation_may_stand_at_each_of_the_ratios(ratio, tmp_path):
    read(tmp_path, changed("ablations.ablations.ratio", ratio))


def test_what_is_planned_is_held_to_the_same_rules(tmp_path):
    content = document()
    content["planned"] = {**document()["grid"], "tasks": ["digits-vg"]}
    with pytest.raises(ConfigError, match="planned.tasks: 'digits-vg' is not known; known are digits-vgg"):
        read(tmp_path, content)
