"""`dvc exp run -S name=value` changes that one value of a params.yaml, whichever it is, and no other."""

import re
import shutil

import pytest
from dvc.utils.hydra import apply_overrides  # what -S calls
from ruamel.yaml import YAML

from lib.core.errors import ConfigError
from lib.settings import config

STUDIES = ["quick", *(path.parent.name for path in sorted(config.ROOT.glob("studies/*/params.yaml")))]
SHARED = """
tasks:
  one: {train: &short {epochs: 8, lr: 0.05}}
  two: {train: *short}
"""


def scalars(tree, path=()) -> dict:
    """{place: value} of all that is no mapping and no list."""
    if not isinstance(tree, (dict, list)):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {place: value for key, inner in items for place, value in scalars(inner, (*path, key)).items()}


def read(path) -> dict:
    return scalars(YAML(typ="safe").load(path.read_text()))


def pieces(text) -> list[str]:
    """The file cut into its entries of the second level, each under its key of the first: to set a value in
    one of them takes a fiftieth of the time. One that used an anchor of another would be no valid YAML.
    """
    found = []
    for section in re.split(r"^(?=[a-z])", text, flags=re.M)[1:]:
        key, *entries = re.split(r"^(?=  [a-z])", section, flags=re.M)
        found += [key + entry for entry in entries] or [section]
    return found


def set_one(text, place, copy) -> dict:
    """All values after `-S place=...`, in `copy`."""
    copy.write_text(text)
    apply_overrides(copy, [".".join(map(str, place)) + "=another"])
    return read(copy)


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_each_value_is_set_by_itself(study, tmp_path):
    whole = read(config.home(study))
    seen = {}
    for text in pieces(config.home(study).read_text()):
        (tmp_path / "params.yaml").write_text(text)
        before = read(tmp_path / "params.yaml")
        seen |= before
        for place in before:
            assert set_one(text, place, tmp_path / "params.yaml") == {**before, place: "another"}, place
    assert seen == whole and len(whole) > 100


@pytest.mark.parametrize("study", STUDIES)
def test_all_values_at_once_are_each_their_own(study, tmp_path):
    """In the whole file: of two places that share a value one would lose its own."""
    copy = tmp_path / "params.yaml"
    shutil.copy(config.home(study), copy)
    wanted = {place: 1000 + number for number, place in enumerate(read(copy))}
    apply_overrides(copy, [f"{'.'.join(map(str, place))}={value}" for place, value in wanted.items()])
    assert read(copy) == wanted


def test_what_is_set_is_read(tmp_path):
    copy = tmp_path / "params.yaml"
    shutil.copy(config.ROOT / "params.yaml", copy)
    before = config.read(copy).tasks
    apply_overrides(copy, ["tasks.digits-preresnet.train.epochs=4"])
    after = config.read(copy).tasks
    assert [tasks["digits-preresnet"].train.epochs for tasks in (before, after)] == [5, 4]
    assert after["digits-dvs-sim"] == before["digits-dvs-sim"]


@pytest.mark.parametrize("task, found", [("one", [8, 8]), ("two", ["another", "another"])])
def test_a_shared_value_would_be_set_nowhere_or_everywhere(task, found, tmp_path):
    """Why the reader refuses it."""
    after = set_one(SHARED, ("tasks", task, "train", "epochs"), tmp_path / "params.yaml")
    assert [after["tasks", name, "train", "epochs"] for name in ("one", "two")] == found


def test_the_reader_refuses_a_shared_value_in_a_line_that_names_it(tmp_path):
    text = (config.ROOT / "params.yaml").read_text()
    prune = "prune: {warmup: 2, interval: 1, floor: 2, probes: 4, compact: true}"
    assert text.count(prune) == 2
    text = text.replace(prune, prune.replace(": {", ": &often {"), 1).replace(prune, "prune: *often")
    (tmp_path / "params.yaml").write_text(text)
    line = text[: text.index("*often")].count("\n") + 1
    with pytest.raises(ConfigError, match=rf"^params.yaml: line {line}: \*often: .* write it out$"):
        config.read(tmp_path / "params.yaml")
