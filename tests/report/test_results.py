"""Results: written whole or not at all, rounded, and refused as long as one run of the grid cannot be had."""

import json

import pytest
import torch

from lib.core import files
from lib.core.errors import ConfigError
from lib.report import results
from lib.report.results import ResultsError
from lib.settings import config

IDENTITY = {"study": "smoke", "stage": "channels", "cell": "digits-vgg", "method": "sca", "seed": 0}


@pytest.fixture
def study(tmp_path):
    """The smoke study with two seeds, and a folder of its own."""
    settings = config.load("smoke")
    grid = settings.grid.model_copy(update={"seeds": (0, 1), "tasks": ("digits-vgg",)})
    return settings.model_copy(update={"out": str(tmp_path), "grid": grid})


def fill(study, stage="channels", methods=None) -> list:
    """Writes every run of a stage; returns their paths."""
    paths = []
    for task, method, seed in results.expected(study, stage, methods or study.methods):
        identity = IDENTITY | {"method": method, "seed": seed, "recipe": results.recipe(study, stage, task)}
        paths.append(study.result_path(stage, task, method, seed))
        results.write(
            paths[-1],
            identity,
            [trial | {"accuracy": 0.5 + seed} for trial in asked(study, stage, task, method)],
        )
    return paths


def asked(study, stage, task, method) -> list[dict]:
    """What a run's trials say of themselves, as the notebooks write it."""
    if stage == "dense":
        return [{"ratio": 0.0}]
    return [trial.record for trial in study.trials(task, method)]


def named(path) -> str:
    """What a refusal calls a run."""
    return f"{path.parent.name}/{path.name}"


def test_a_complete_grid_becomes_one_row_a_training(study):
    fill(study)
    table = results.load(study, "channels", study.methods)
    ratios = study.tasks["digits-vgg"].ratios
    assert len(table) == len(study.methods) * 2 * len(ratios)
    assert set(table.columns) == {"cell", "method", "seed", "ratio", "variant", "settings", "accuracy"}
    assert (table["accuracy"] == 0.5 + table["seed"]).all()


def test_a_recipe_names_its_devices_where_there_are_several(study):
    """A result of one device is what it was before there could be more."""
    one = results.recipe(study, "dense", "digits-vgg")
    assert "devices" not in one["train"] and study.tasks["digits-vgg"].train.devices == 1
    task = study.tasks["digits-vgg"]
    two = task.model_copy(update={"train": task.train.model_copy(update={"devices": 2})})
    recipe = results.recipe(study.model_copy(update={"tasks": {"digits-vgg": two}}), "dense", "digits-vgg")
    assert recipe == {**one, "train": {**one["train"], "devices": 2}}


def test_the_stages_are_kept_apart(study):
    fill(study, "dense", ["dense"])
    fill(study, "ablate", study.ablations)
    fill(study, "weights", study.weights)
    assert set(results.load(study, "dense", ["dense"])["ratio"]) == {0.0}
    assert len(results.load(study, "ablate", study.ablations)) == 2 * sum(
        len(a.variants) for a in study.ablations.values()
    )
    table = results.load(study, "weights", study.weights)
    assert len(table) == 2 * len(study.weights) * len(study.tasks["digits-vgg"].densities)
    assert set(table["asked"]) == set(study.tasks["digits-vgg"].densities)


def test_every_run_that_is_missing_is_named(study):
    paths = fill(study)
    paths[1].unlink()
    paths[3].unlink()
    with pytest.raises(ResultsError) as error:
        results.load(study, "channels", study.methods)
    line = str(error.value)
    assert (
        line.startswith("results/smoke/channels: ")
        and line.endswith("; run `make repro`")
        and "\n" not in line
    )
    assert f"{named(paths[1])} is missing" in line and f"{named(paths[3])} is missing" in line
    assert [path for path in paths if named(path) in line] == [paths[1], paths[3]]


def test_an_empty_folder_is_refused(study):
    with pytest.raises(ResultsError, match="is missing"):
        results.load(study, "channels", study.methods)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[1, 2]",
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "trials": [{}]}',
        '{"schema": 1, "trials": 3}',
        '{"schema": 1, "trials": []}',
    ],
)
def test_an_unreadable_run_is_named(study, text):
    path = fill(study)[0]
    path.write_text(text)
    with pytest.raises(ResultsError, match=f"{named(path)} is unreadable"):
        results.load(study, "channels", study.methods)


def test_a_run_of_another_schema_is_named(study):
    path = fill(study)[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 0}))
    with pytest.raises(ResultsError, match=f"{named(path)} has schema 0, not {results.SCHEMA}"):
        results.load(study, "channels", study.methods)


@pytest.mark.parametrize("trials", [[], [{"ratio": 0.123}], [{"ratio": 0.5, "variant": {"l1": 0.0}}]])
def test_a_run_of_other_ratios_or_variants_is_named(study, trials):
    """The recipe and the settings are those that are asked: nothing else is wrong."""
    path = fill(study)[0]
    [right] = asked(study, "channels", "digits-vgg", "sca")
    identity = IDENTITY | {"recipe": results.recipe(study, "channels", "digits-vgg")}
    results.write(path, identity, [right])
    assert len(results.load(study, "channels", study.methods))
    results.write(path, identity, [right | trial for trial in trials])
    refused(study, path)


def refused(study, path, stage="channels", methods=None):
    with pytest.raises(ResultsError) as error:
        results.load(study, stage, methods or study.methods)
    other = [name for name in error.value.args[0].split(": ", 1)[1].split(", ") if named(path) not in name]
    assert f"{named(path)} was made with other settings than params.yaml asks for now" in str(error.value)
    assert not other, "another run is named too"


def edited(study, **groups):
    """The study with some settings of its only task replaced: train=..., prune=..., or a value of the task itself."""
    task = study.tasks["digits-vgg"]
    update = {
        key: getattr(task, key).model_copy(update=value) if isinstance(value, dict) else value
        for key, value in groups.items()
    }
    return study.model_copy(update={"tasks": {"digits-vgg": task.model_copy(update=update)}})


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


@pytest.mark.parametrize("stage", ["dense", "channels", "baselines", "weights", "tokens"])
@pytest.mark.parametrize("change", OTHER, ids=str)
def test_results_of_another_recipe_are_refused(study, stage, change):
    """An edit of params.yaml, and the results that were committed before it."""
    methods = {
        "dense": ["dense"],
        "channels": ["only-prune"],
        "baselines": ["anew"],
        "weights": ["pq"],
        "tokens": ["learned"],
    }[stage]
    if stage == "tokens":
        if "train" in change:
            change = {"student": change["train"]}
        study = study.model_copy(update={"grid": study.grid.model_copy(update={"selected": ("digits-vgg",)})})
        task = config.load("smoke").tasks["digits-spikformer"]
        study = study.model_copy(
            update={"tasks": {"digits-vgg": task.model_copy(update={"neuron": "if", "T": 4, "width": 1.0})}}
        )
    study = study.model_copy(update={"grid": study.grid.model_copy(update={"seeds": (0,)})})
    [path] = fill(study, stage, methods)
    assert len(results.load(study, stage, methods)) == 1
    refused(edited(study, **change), path, stage, methods)


@pytest.mark.parametrize("stage, part", [("channels", "prune"), ("weights", "rewire")])
def test_the_dense_network_depends_on_no_setting_of_pruning(study, stage, part):
    """Nor do channels on when weights are rewired, nor weights on when channels are pruned."""
    groups = {"channels": ["only-prune"], "weights": ["pq"]}
    dense = fill(study, "dense", ["dense"])
    written = {name: fill(study, name, methods) for name, methods in groups.items()}
    pruned = written.pop(stage)
    other = edited(study, **{part: {"warmup": 2}})
    assert len(results.load(other, "dense", ["dense"])) == len(dense) == 2
    for name, paths in written.items():
        assert len(results.load(other, name, groups[name])) == len(paths) == 2
    with pytest.raises(ResultsError) as error:
        results.load(other, stage, groups[stage])
    assert all(f"{named(path)} was made with other settings" in str(error.value) for path in pruned)


@pytest.mark.parametrize(
    "change", [{"score": "abs_v"}, {"growth": "random"}, {"regrow": 0.2}, {"stop": 0.5}, {"l1": 0.5}]
)
def test_results_of_other_settings_of_a_method_are_refused(study, change):
    study = study.model_copy(update={"grid": study.grid.model_copy(update={"seeds": (0,)})})
    path = fill(study)[list(study.methods).index("sca")]
    methods = study.methods | {"sca": study.methods["sca"].model_copy(update=change)}
    refused(study.model_copy(update={"methods": methods}), path)


@pytest.mark.parametrize(
    "change", [{"growth": "random"}, {"start": 0.75}, {"gamma": 1.5}, {"densities": (0.45,)}, {"interval": 2}]
)
def test_results_of_other_settings_of_a_method_for_weights_are_refused(study, change):
    study = study.model_copy(update={"grid": study.grid.model_copy(update={"seeds": (0,)})})
    path = fill(study, "weights", study.weights)[list(study.weights).index("pq")]
    weights = study.weights | {"pq": study.weights["pq"].model_copy(update=change)}
    refused(study.model_copy(update={"weights": weights}), path, "weights", weights)


def test_the_label_of_a_method_changes_no_result(study):
    for stage, group in (("channels", "methods"), ("weights", "weights")):
        methods = getattr(study, group)
        fill(study, stage, methods)
        renamed = {name: method.model_copy(update={"label": "another"}) for name, method in methods.items()}
        other = study.model_copy(update={group: renamed})
        assert results.load(other, stage, methods).equals(results.load(study, stage, methods))


def test_a_record_of_which_one_setting_or_its_recipe_differs_is_named_and_no_other(study):
    paths = fill(study)
    for path, place in zip(paths[1:3], ("recipe", "settings"), strict=True):
        record = json.loads(path.read_text())
        changed = record["recipe"]["train"] if place == "recipe" else record["trials"][0]["settings"]
        changed["l1"] = 0.123
        path.write_text(json.dumps(record))
    with pytest.raises(ResultsError) as error:
        results.load(study, "channels", study.methods)
    line = str(error.value)
    assert [path for path in paths if named(path) in line] == paths[1:3] and "\n" not in line


def test_a_refusal_is_one_line_in_a_notebook():
    assert issubclass(ResultsError, ConfigError)
    assert ResultsError("one line")._render_traceback_() == ["ResultsError: one line"]


def test_numbers_are_rounded_to_6_digits():
    given = {
        "a": 1 / 3,
        "b": [123456789.0, 1.23456789e-12],
        "c": torch.tensor([2 / 3]),
        "d": (1234567, True, None, "0.3333333333"),
        5: 0.0,
    }
    rounded = results.rounded(given)
    assert rounded["a"] == 0.333333
    assert rounded["b"] == [123457000.0, 1.23457e-12]
    assert rounded["c"] == [0.666667]
    assert rounded["d"] == [1234567, True, None, "0.3333333333"]  # whole numbers and text stay as they are
    assert rounded["5"] == 0.0


def test_writing_twice_gives_the_same_bytes_in_sorted_order(tmp_path):
    trials = [{"ratio": 0.5, "accuracy": 1 / 3, "b": {"z": 1, "a": torch.ones(2)}}]
    for name in "ab":
        results.write(tmp_path / name / "run.json", IDENTITY, trials)
    text = (tmp_path / "a/run.json").read_text()
    assert text == (tmp_path / "b/run.json").read_text() and text.endswith("}\n")
    record = json.loads(text)
    assert list(record) == sorted(record)
    assert {key: record[key] for key in IDENTITY} == IDENTITY and record["schema"] == results.SCHEMA


def test_a_result_holds_what_it_depends_on_but_no_time_host_or_path(tmp_path):
    results.write(tmp_path / "run.json", IDENTITY, [])
    made = json.loads((tmp_path / "run.json").read_text())["made_with"]
    assert {"python", "torch", "spikingjelly", "threads"} <= set(
        made
    )  # device, dtype and the like: lib.measure.numerics
    assert "/" not in json.dumps(made)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_what_is_not_a_number_is_refused_and_the_old_file_stays(value, tmp_path):
    path = tmp_path / "run.json"
    results.write(path, IDENTITY, [{"ratio": 0.5}])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="[Oo]ut of range float"):
        results.write(path, IDENTITY, [{"ratio": 0.5, "accuracy": value}])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.whole(path) as beside:
        beside.write_text("ne")
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_new_file_appears_whole_in_a_folder_that_was_not_there(tmp_path):
    path = tmp_path / "a" / "b" / "run.json"
    with files.whole(path) as beside:
        beside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]
