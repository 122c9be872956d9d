"""Results: written whole or not at all, rounded, and refused as long as one run of the grid cannot be had."""

import json

import pytest
import torch

from lib import config, files, results
from lib.errors import ConfigError
from lib.results import ResultsError

IDENTITY = {"study": "smoke", "stage": "channels", "cell": "digits-vgg", "method": "sca", "seed": 0}


@pytest.fixture
def study(tmp_path):
    """The smoke study with two seeds, and a folder of its own."""
    settings = config.load("smoke")
    return settings.model_copy(update={"out": str(tmp_path), "grid": settings.grid.model_copy(update={"seeds": (0, 1)})})


def fill(study, stage="channels", methods=None) -> list:
    """Writes every run of a stage; returns their paths."""
    paths = []
    for cell, method, seed in results.expected(study, stage, methods or study.methods):
        asked = [] if stage == "dense" else study.points(cell, method)
        points = [{"ratio": point.ratio, "variant": point.variant} for point in asked] or [{"ratio": 0.0}]
        paths.append(study.result_path(stage, cell, method, seed))
        results.write(
            paths[-1], IDENTITY | {"method": method, "seed": seed}, [point | {"accuracy": 0.5 + seed} for point in points]
        )
    return paths


def test_a_complete_grid_becomes_one_row_a_training(study):
    fill(study)
    table = results.load(study, "channels", study.methods)
    ratios = study.cells["digits-vgg"].ratios
    assert len(table) == len(study.methods) * 2 * len(ratios)
    assert set(table.columns) == {"cell", "method", "seed", "ratio", "variant", "accuracy"}
    assert (table["accuracy"] == 0.5 + table["seed"]).all()


def test_the_stages_are_kept_apart(study):
    fill(study, "dense", ["dense"])
    fill(study, "ablate", study.ablations)
    assert set(results.load(study, "dense", ["dense"])["ratio"]) == {0.0}
    assert len(results.load(study, "ablate", study.ablations)) == 2 * sum(len(a.variants) for a in study.ablations.values())


def test_every_run_that_is_missing_is_named(study):
    paths = fill(study)
    paths[1].unlink()
    paths[3].unlink()
    with pytest.raises(ResultsError) as error:
        results.load(study, "channels", study.methods)
    line = str(error.value)
    assert line.startswith("results/smoke/channels: ") and line.endswith("; run `make repro`") and "\n" not in line
    assert f"{paths[1].name} is missing" in line and f"{paths[3].name} is missing" in line
    assert paths[0].name not in line


def test_an_empty_folder_is_refused(study):
    with pytest.raises(ResultsError, match="is missing"):
        results.load(study, "channels", study.methods)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1, 2]", "{}", '{"schema": 1}', '{"schema": 1, "points": [{}]}', '{"schema": 1, "points": 3}']
)
def test_an_unreadable_run_is_named(study, text):
    path = fill(study)[0]
    path.write_text(text)
    with pytest.raises(ResultsError, match=f"{path.name} is unreadable"):
        results.load(study, "channels", study.methods)


def test_a_run_of_another_schema_is_named(study):
    path = fill(study)[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 0}))
    with pytest.raises(ResultsError, match=f"{path.name} has schema 0, not {results.SCHEMA}"):
        results.load(study, "channels", study.methods)


@pytest.mark.parametrize("points", [[], [{"ratio": 0.123}], [{"ratio": 0.5, "variant": {"l1": 0.0}}]])
def test_a_run_of_other_ratios_or_variants_is_named(study, points):
    path = fill(study)[0]
    results.write(path, IDENTITY, points)
    with pytest.raises(ResultsError, match=f"{path.name} was made with other ratios or variants"):
        results.load(study, "channels", study.methods)


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
    points = [{"ratio": 0.5, "accuracy": 1 / 3, "b": {"z": 1, "a": torch.ones(2)}}]
    for name in "ab":
        results.write(tmp_path / name / "run.json", IDENTITY, points)
    text = (tmp_path / "a/run.json").read_text()
    assert text == (tmp_path / "b/run.json").read_text() and text.endswith("}\n")
    record = json.loads(text)
    assert list(record) == sorted(record)
    assert {key: record[key] for key in IDENTITY} == IDENTITY and record["schema"] == results.SCHEMA


def test_a_result_holds_what_it_depends_on_but_no_time_host_or_path(tmp_path):
    results.write(tmp_path / "run.json", IDENTITY, [])
    made = json.loads((tmp_path / "run.json").read_text())["made_with"]
    assert {"python", "torch", "spikingjelly", "device", "dtype", "memory_format", "compile", "threads"} <= set(made)
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
