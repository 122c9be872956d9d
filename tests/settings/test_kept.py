"""A study whose results are kept: what stands under grid.kept has been run, and DVC's lists are empty."""

import pytest
from ruamel.yaml import YAML

from lib.core.errors import ConfigError
from lib.settings import config

PARTS = ("data", "tasks", "pruned", "ablated", "matched", "rewired", "selected")


@pytest.fixture
def document() -> dict:
    """The smoke study, with results that are kept."""
    text = config.home("smoke").read_text()
    found = YAML(typ="safe").load(text)
    grid = found["grid"]
    kept = {**grid, "made_by": "0123abc"}
    found["grid"] = {**{part: [] for part in PARTS}, "seeds": [0], "kept": kept}
    return found


def read(document: dict, folder) -> config.Study:
    path = folder / "params.yaml"
    with open(path, "w") as file:
        YAML(typ="safe").dump(document, file)
    return config.read(path)


def test_what_is_kept_is_the_grid(document, tmp_path):
    assert document["grid"]["tasks"] == []
    study = read(document, tmp_path)
    assert study.grid.made_by == "0123abc"
    smoke = config.load("smoke").grid
    assert {part: getattr(study.grid, part) for part in PARTS} == {
        part: getattr(smoke, part) for part in PARTS
    }


def test_what_is_kept_is_checked_as_any_grid(document, tmp_path):
    document["grid"]["kept"]["tasks"] = ["no-such-task"]
    with pytest.raises(ConfigError, match="no-such-task"):
        read(document, tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("tasks",), ["digits-vgg"], ["digits-vgg", "kept", "empty"]),
        (("data",), ["digits"], ["digits", "kept", "empty"]),
        (("kept", "made_by"), "yesterday", ["grid.kept.made_by", "yesterday", "commit"]),
        (("kept", "made_by"), None, ["grid.kept.made_by", "missing"]),
    ],
)
def test_a_wrong_value_is_told_in_a_line(place, value, words, document, tmp_path):
    inner = document["grid"] if len(place) == 1 else document["grid"]["kept"]
    inner[place[-1]] = value
    if value is None:
        del inner[place[-1]]
    with pytest.raises(ConfigError) as error:
        read(document, tmp_path)
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words), error.value
