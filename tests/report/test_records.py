"""Records: rounded, written whole or not at all, and the same bytes for the same numbers."""

import json

import pytest
import torch

from lib.core import files
from lib.settings import records

IDENTITY = {"study": "smoke", "stage": "channels", "task": "digits-vgg", "method": "sca", "seed": 0}


def test_numbers_are_rounded_to_6_digits():
    given = {
        "a": 1 / 3,
        "b": [123456789.0, 1.23456789e-12],
        "c": torch.tensor([2 / 3]),
        "d": (1234567, True, None, "0.3333333333"),
        5: 0.0,
    }
    rounded = records.rounded(given)
    assert rounded["a"] == 0.333333
    assert rounded["b"] == [123457000.0, 1.23457e-12]
    assert rounded["c"] == [0.666667]
    assert rounded["d"] == [1234567, True, None, "0.3333333333"]  # whole numbers and text stay as they are
    assert rounded["5"] == 0.0


def test_writing_twice_gives_the_same_bytes_in_sorted_order(tmp_path):
    trials = [{"ratio": 0.5, "accuracy": 1 / 3, "b": {"z": 1, "a": torch.ones(2)}}]
    for name in "ab":
        records.write(tmp_path / name / "run.json", IDENTITY, trials, 1)
    text = (tmp_path / "a/run.json").read_text()
    assert text == (tmp_path / "b/run.json").read_text() and text.endswith("}\n")
    record = json.loads(text)
    assert list(record) == sorted(record)
    assert {key: record[key] for key in IDENTITY} == IDENTITY and record["schema"] == records.SCHEMA


def test_a_result_holds_what_it_depends_on_but_no_time_host_or_path(tmp_path):
    records.write(tmp_path / "run.json", IDENTITY, [], 1)
    made = json.loads((tmp_path / "run.json").read_text())["made_with"]
    assert {"python", "torch", "spikingjelly", "threads"} <= set(
        made
    )  # device, dtype and the like: lib.measure.numerics
    assert "/" not in json.dumps(made)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_what_is_not_a_number_is_refused_and_the_old_file_stays(value, tmp_path):
    path = tmp_path / "run.json"
    records.write(path, IDENTITY, [{"ratio": 0.5}], 1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="[Oo]ut of range float"):
        records.write(path, IDENTITY, [{"ratio": 0.5, "accuracy": value}], 1)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.atomic_write(path) as beside:
        beside.write_text("ne")
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_new_file_appears_whole_in_a_folder_that_was_not_there(tmp_path):
    path = tmp_path / "a" / "b" / "run.json"
    with files.atomic_write(path) as beside:
        beside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]
