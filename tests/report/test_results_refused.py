"""Records that are not what params.yaml asks for now: each is refused, by name, in one line."""

import json

import pytest
from filling import fill, named

from lib.core.errors import ConfigError
from lib.report import results
from lib.settings import records
from lib.settings.records import ResultsError


def refused(study, path):
    """One line says which run it is, and names no other."""
    with pytest.raises(ResultsError) as error:
        results.table(study)
    line = str(error.value)
    assert f"{named(path)} was made with other settings than params.yaml asks for now" in line
    assert line.count(".json") == 1 and "\n" not in line and line.endswith("; run `make repro`")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1, 2]", "{}", '{"schema": 1, "trials": [{}]}', '{"schema": 1, "trials": 3}']
)
def test_an_unreadable_run_is_named(study, text):
    path = fill(study, "channels")[0]
    path.write_text(text)
    with pytest.raises(ResultsError, match=f"{named(path)} is unreadable"):
        results.table(study)


def test_a_run_of_another_schema_is_named(study):
    path = fill(study, "channels")[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 0}))
    with pytest.raises(ResultsError, match=f"{named(path)} has schema 0, not {records.SCHEMA}"):
        results.table(study)


@pytest.mark.parametrize("trials", [[], [{"ratio": 0.123}], [{"ratio": 0.5, "variant": {"l1": 0.0}}]])
def test_a_run_of_other_ratios_or_variants_is_named(study, trials):
    """The recipe and the settings are those that are asked: nothing else is wrong."""
    path = fill(study, "channels")[0]
    record = json.loads(path.read_text())
    [right] = record["trials"]
    path.write_text(json.dumps(record | {"trials": [right | trial for trial in trials]}))
    refused(study, path)


def edited(study, **groups):
    """The study with settings of its only task replaced: train=..., prune=..., or one of its own."""
    task = study.tasks["digits-vgg"]
    update = {
        key: getattr(task, key).model_copy(update=value) if isinstance(value, dict) else value
        for key, value in groups.items()
    }
    return study.model_copy(update={"tasks": {"digits-vgg": task.model_copy(update=update)}})


def read_all(study, stage: str) -> int:
    """How many records of a stage can be read."""
    runs = [run for run in results.expected(study) if run[0] == stage]
    return len([records.read(study, *run) for run in runs])


OTHER = [
    dict(train={"epochs": 4}),
    dict(train={"lr": 0.01}),
    dict(train={"lr_schedule": "step"}),
    dict(T=8),
    dict(neuron="lif"),
    dict(width=0.5),
    dict(augment="crop_flip"),
    dict(fast={"static_once": False}),
]


@pytest.mark.parametrize("stage", ["dense", "channels", "baselines", "weights"])
@pytest.mark.parametrize("change", OTHER, ids=str)
def test_results_of_another_recipe_are_refused(study, stage, change):
    """An edit of params.yaml, and the results that were committed before it."""
    fill(study, stage)
    assert read_all(study, stage)
    with pytest.raises(ResultsError, match="was made with other settings than params.yaml asks for now"):
        read_all(edited(study, **change), stage)


@pytest.mark.parametrize("stage, part", [("channels", "prune"), ("weights", "rewire")])
def test_the_dense_network_depends_on_no_setting_of_pruning(study, stage, part):
    """Nor do channels on when weights are rewired, nor weights on when channels are pruned."""
    fill(study, "dense", "channels", "weights")
    other = edited(study, **{part: {"warmup": 2}})
    for name in {"dense", "channels", "weights"} - {stage}:
        assert read_all(other, name)
    with pytest.raises(ResultsError, match="was made with other settings"):
        read_all(other, stage)


@pytest.mark.parametrize(
    ("group", "name", "change"),
    [
        *(("methods", "sca", each) for each in ({"score": "abs_v"}, {"growth": "random"}, {"l1": 0.5})),
        *(("methods", "sca", each) for each in ({"regrow": 0.2}, {"stop": 0.5})),
        *(("weights", "pq", each) for each in ({"growth": "random"}, {"start": 0.75}, {"gamma": 1.5})),
        *(("weights", "pq", each) for each in ({"densities": (0.45,)}, {"interval": 2})),
    ],
    ids=str,
)
def test_results_of_other_settings_of_a_method_are_refused(study, group, name, change):
    study = study.model_copy(update={"grid": study.grid.model_copy(update={"seeds": (0,)})})
    stage = {"methods": "channels", "weights": "weights"}[group]
    fill(study, stage)
    methods = getattr(study, group)
    other = study.model_copy(update={group: methods | {name: methods[name].model_copy(update=change)}})
    refused(other, study.result_path(stage, "digits-vgg", name, 0))


def test_a_recipe_names_its_devices_where_there_are_several(study):
    """A result of one device is what it was before there could be more."""
    one = records.recipe(study, "dense", "digits-vgg")
    assert "devices" not in one["train"] and study.tasks["digits-vgg"].train.devices == 1
    two = records.recipe(edited(study, train={"devices": 2}), "dense", "digits-vgg")
    assert two == {**one, "train": {**one["train"], "devices": 2}}


def test_a_record_of_which_one_setting_or_its_recipe_differs_is_named_and_no_other(study):
    paths = fill(study, "channels")
    for path, place in zip(paths[1:3], ("recipe", "settings"), strict=True):
        record = json.loads(path.read_text())
        changed = record["recipe"]["train"] if place == "recipe" else record["trials"][0]["settings"]
        changed["l1"] = 0.123
        path.write_text(json.dumps(record))
    with pytest.raises(ResultsError) as error:
        results.table(study)
    line = str(error.value)
    assert [path for path in paths if named(path) in line] == paths[1:3] and "\n" not in line


def test_a_refusal_is_one_line_in_a_notebook():
    assert issubclass(ResultsError, ConfigError)
    assert ResultsError("one line")._render_traceback_() == ["ResultsError: one line"]
