"""Results: what is written whole, rounded and checked, and the one table that is made of it."""

import json
import shutil

import pandas as pd
import pytest

from lib.core.errors import ConfigError
from lib.report import findings, results
from lib.settings import STAGES, config, records
from lib.settings.records import Missing, ResultsError

IDENTITY = {"study": "smoke", "stage": "channels", "task": "digits-vgg", "method": "sca", "seed": 0}
MEASURED = {
    "accuracy": 0.5,
    "validation": 0.5,
    "parameters": {"total": 1000},
    "synops": {"ac": 10.0, "mac": 1.0, "mac_x_T": 4.0},
    "flops": 40,
    "energy_pj": 13.6,
    "compact_difference": 0.0,
    "log": [{"epoch": 1, "validation": 0.5}],
}
SHARES = ["connectivity_all", "connectivity_prunable", "synapses_all", "synapses_prunable"]
MEASURED["parameters"] |= dict.fromkeys(SHARES, 0.25)


@pytest.fixture
def study(tmp_path):
    """The smoke study with two seeds, of one task, and a folder of its own."""
    settings = config.load("smoke")
    lists = dict.fromkeys(("tasks", "pruned", "ablated", "matched", "rewired"), ("digits-vgg",))
    grid = settings.grid.model_copy(update={"seeds": (0, 1), "selected": (), **lists})
    return settings.model_copy(update={"out": str(tmp_path), "grid": grid})


@pytest.fixture
def quick(tmp_path):
    """The quick study, and a copy of its committed results."""
    settings = config.load("quick")
    shutil.copytree(settings.results, tmp_path / "results" / "quick")
    return settings.model_copy(update={"out": str(tmp_path)})


def fill(study, *stages: str) -> list:
    """Writes every run of some stages; returns their paths."""
    paths = []
    for stage, task, method, seed in results.expected(study):
        if stage in stages:
            identity = IDENTITY | {"stage": stage, "method": method, "seed": seed}
            identity["recipe"] = records.recipe(study, stage, task)
            trials = [trial.record | MEASURED for trial in study.trials(task, method)]
            paths.append(study.result_path(stage, task, method, seed))
            records.write(paths[-1], identity, trials, 1)
    return paths


def named(path) -> str:
    """What a refusal calls a run."""
    return f"{path.parent.name}/{path.name}"


def refused(study, path):
    """One line says which run it is, and names no other."""
    with pytest.raises(ResultsError) as error:
        results.table(study)
    line = str(error.value)
    assert f"{named(path)} was made with other settings than params.yaml asks for now" in line
    assert line.count(".json") == 1 and "\n" not in line and line.endswith("; run `make repro`")


def test_a_complete_grid_becomes_one_row_a_trial(study):
    fill(study, *STAGES)
    table = results.table(study)
    trials = [trial for _, task, method, _ in results.expected(study) for trial in study.trials(task, method)]
    assert len(table) == len(trials) and results.progress(study, table) == "n = 2 seeds"
    assert list(table["stage"].unique()) == [name for name in STAGES if name != "tokens"]
    assert not table.duplicated(["stage", "task", "method", "variant", "at", "seed"]).any()


def test_a_row_holds_what_its_file_says_in_the_units_of_its_columns():
    """Typed once more from results/quick/channels/digits-vgg-sca/1.json, the trial at ratio 0.7."""
    study = config.load("quick")
    path = study.result_path("channels", "digits-vgg", "sca", 1)
    [trial] = [trial for trial in json.loads(path.read_text())["trials"] if trial["ratio"] == 0.7]
    chosen = "stage == 'channels' and task == 'digits-vgg' and method == 'sca' and ratio == 0.7 and seed == 1"
    [row] = results.table(study).query(chosen).to_dict("records")
    assert (row["label"], row["variant"], row["at"]) == ("SCA (frozen)", "", "ratio 0.7")
    assert row["accuracy (%)"] == pytest.approx(90.8078) == 100 * trial["accuracy"]
    assert row["parameters"] == 7428 == trial["parameters"]["total"]
    assert row["AC"] == 28484 == trial["synops"]["ac"]
    assert row["energy (nJ)"] == pytest.approx(43.4468) == trial["energy_pj"] / 1000
    assert row["parameters left (%)"] == pytest.approx(8.29888)
    assert row["epochs"] == len(trial["log"]) and row["log"] == trial["log"]
    assert pd.isna(row["density (%)"]) and pd.isna(row["target density (%)"])


def test_a_student_is_trained_as_long_as_its_teacher_and_itself():
    study = config.load("quick")
    rows = results.table(study).query("task == 'digits-spikformer' and seed == 0").set_index("method")
    own = len(rows.loc["all", "log"])
    assert rows.loc["all", "epochs"] == rows.loc["dense", "epochs"] + own > own


def test_what_is_not_trained_yet_is_a_missing_row_and_claims_are_still_made(quick):
    whole = results.table(quick)
    quick.result_path("channels", "digits-vgg", "sca", 2).unlink()
    table = results.table(quick)
    gone = "stage == 'channels' and task == 'digits-vgg' and method == 'sca' and seed == 2"
    assert len(whole) - len(table) == len(whole.query(gone)) == 3 and table.query(gone).empty
    assert results.progress(quick, table) == "n = 2 to 3 of 3 seeds"
    answered = findings.answers(quick, table)
    assert answered.keys() == findings.answers(quick, whole).keys()
    counts = {each.n for each in answered["Does prune-and-regrow beat only-prune? (A32)"].tried}
    assert counts == {2, 3}


def test_without_a_dense_network_the_rest_is_told(quick):
    shutil.rmtree(quick.results / "dense")
    table = results.table(quick)
    students = table["stage"].eq("tokens")
    assert table.loc[students, "epochs"].isna().all() and table.loc[~students, "epochs"].notna().all()
    answered = findings.answers(quick, table)
    assert "What does removing channels cost? (1.7)" not in answered
    assert "Does only-prune beat random channels? (A32)" in answered
    assert "nan" not in findings.as_text(answered)


def test_a_study_that_has_only_begun_answers_what_it_can(quick):
    for stage in STAGES:
        if stage != "dense":
            shutil.rmtree(quick.results / stage)
    assert list(findings.answers(quick, results.table(quick))) == [findings.SILENT]


def test_nothing_trained_is_refused_in_one_line(study):
    with pytest.raises(ResultsError, match="results/smoke: nothing has been trained yet; run `make repro`"):
        results.table(study)


def test_a_missing_record_is_told_apart_from_a_wrong_one(study):
    with pytest.raises(Missing, match="digits-vgg-sca/0.json is missing"):
        records.read(study, "channels", "digits-vgg", "sca", 0)


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
    """The study with settings of its only task replaced: train=..., prune=..., or a value of the task itself."""
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


def test_the_label_of_a_method_changes_no_result(study):
    fill(study, "channels")
    renamed = {name: method.model_copy(update={"label": "another"}) for name, method in study.methods.items()}
    other = results.table(study.model_copy(update={"methods": renamed}))
    assert set(other["label"]) == {"another"}
    assert other.drop(columns="label").equals(results.table(study).drop(columns="label"))


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
