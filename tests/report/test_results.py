"""The one table of a study: a row a trial, units in its columns, missing rows of what is not trained yet."""

import json
import shutil

import pandas as pd
import pytest
from filling import fill

from lib.report import findings, results
from lib.settings import STAGES, config, records
from lib.settings.records import Missing, ResultsError


def test_a_complete_grid_becomes_one_row_a_trial(study):
    fill(study, *STAGES)
    table = results.table(study)
    trials = [trial for _, task, method, _ in results.expected(study) for trial in study.trials(task, method)]
    assert len(table) == len(trials) and results.progress(study, table) == "n = 2 seeds"
    assert list(table["stage"].unique()) == [name for name in STAGES if name != "tokens"]
    assert not table.duplicated(["stage", "task", "method", "variant", "at", "seed"]).any()


def test_a_row_holds_what_its_file_says_in_the_units_of_its_columns():
    """Typed once more from results/cifar/channels/vgg7-cifar10-long/sca/1.json, the trial at ratio 0.7, which
    nobody trains anew in passing, as the quick study's."""
    study = config.load("cifar")
    path = study.result_path("channels", "vgg7-cifar10-long", "sca", 1)
    [trial] = [trial for trial in json.loads(path.read_text())["trials"] if trial["ratio"] == 0.7]
    chosen = "stage == 'channels' and task == 'vgg7-cifar10-long' and method == 'sca'"
    [row] = results.table(study).query(f"{chosen} and ratio == 0.7 and seed == 1").to_dict("records")
    assert (row["label"], row["variant"], row["at"]) == ("SCA (frozen)", "", "ratio 0.7")
    assert row["accuracy (%)"] == pytest.approx(84.09) == 100 * trial["accuracy"]
    assert row["parameters"] == 172565 == trial["parameters"]["total"]
    assert row["AC"] == 12561100 == trial["synops"]["ac"]
    assert row["energy (nJ)"] == pytest.approx(18133.5) == trial["energy_pj"] / 1000
    assert row["parameters left (%)"] == pytest.approx(8.80257)
    assert row["epochs"] == len(trial["log"]) == 20 and row["log"] == trial["log"]
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
    found = findings.differences(quick, table)
    assert found.keys() == findings.differences(quick, whole).keys()
    assert findings.shares(quick, table).keys() == findings.shares(quick, whole).keys()
    counts = {each.n for each in found["Does prune-and-regrow beat only-prune? (A32)"]}
    assert counts == {2, 3}


def test_without_a_dense_network_the_rest_is_told(quick):
    shutil.rmtree(quick.results / "dense")
    table = results.table(quick)
    students = table["stage"].eq("tokens")
    assert table.loc[students, "epochs"].isna().all() and table.loc[~students, "epochs"].notna().all()
    found = findings.differences(quick, table)
    assert "What does removing channels cost? (1.7)" not in found
    assert "Does only-prune beat random channels? (A32)" in found
    assert "nan" not in findings.as_text(found, findings.shares(quick, table))


def test_epochs_of_the_dense_network_are_of_those_that_start_from_it(study):
    smoke = config.load("smoke")
    tasks = {"digits-spikformer": smoke.tasks["digits-spikformer"]}
    grid = smoke.grid.model_copy(update={"tasks": tuple(tasks), "selected": tuple(tasks), "seeds": (0,)})
    other = study.model_copy(update={"grid": grid, "tasks": tasks})
    fill(other, "dense", "tokens")
    epochs = results.table(other).set_index("method")["epochs"]
    assert (
        epochs["dense"] == epochs["tickets-scratch"] == 1 and epochs["tickets-all"] == epochs["learned"] == 2
    )


def test_a_figure_reads_what_it_draws_whatever_another_stage_has_left(quick):
    for path in (quick.results / "tokens").rglob("*.json"):
        path.write_text("{")
    with pytest.raises(ResultsError, match="unreadable"):
        results.table(quick)
    found = results.table(quick, "dense", "channels", task=quick.headline)
    assert set(found["stage"]) == {"dense", "channels"} and set(found["task"]) == {quick.headline}
    assert len(found) == 3 * (1 + 3 * len(quick.methods))


def test_a_study_that_has_only_begun_answers_what_it_can(quick):
    for stage in STAGES:
        if stage != "dense":
            shutil.rmtree(quick.results / stage)
    table = results.table(quick)
    assert findings.differences(quick, table) == {}
    assert list(findings.shares(quick, table)) == [findings.SILENT]
    assert findings.as_text({}, {}).startswith("0 differences are compared")


def test_nothing_trained_is_refused_in_one_line(study):
    with pytest.raises(ResultsError, match="results/smoke: nothing has been trained yet; run `make repro`"):
        results.table(study)


def test_a_missing_record_is_told_apart_from_a_wrong_one(study):
    with pytest.raises(Missing, match="digits-vgg/sca/0.json is missing"):
        records.read(study, "channels", "digits-vgg", "sca", 0)


def test_the_label_of_a_method_changes_no_result(study):
    fill(study, "channels")
    renamed = {name: method.model_copy(update={"label": "another"}) for name, method in study.methods.items()}
    other = results.table(study.model_copy(update={"methods": renamed}))
    assert set(other["label"]) == {"another"}
    assert other.drop(columns="label").equals(results.table(study).drop(columns="label"))
