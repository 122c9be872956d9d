"""400 mutated params.yaml (2,000 by `make evidence`): each could run, or is refused in one clear line.
Never a traceback, and never a failure after training began."""

import copy
import io
import json
import math

import pytest
import test_studies
from hypothesis import HealthCheck, given, settings, strategies
from ruamel.yaml import YAML

from lib import data, training
from lib.core.errors import ConfigError
from lib.settings import STAGES, config
from lib.settings.rules import grids
from tools import check

pytestmark = pytest.mark.slow

DOCUMENTS = {
    path: YAML(typ="safe").load(path.read_text())
    for path in (config.ROOT / "params.yaml", *sorted(config.ROOT.glob("studies/*/params.yaml")))
}
HOW = ["set", "set", "set", "drop", "rename", "move", "double"]
VALUES = [
    None,
    "",
    " ",
    "cifar10",
    "sca",
    "../../etc",
    "é" * 300,
    True,
    False,
    0,
    1,
    2,
    3,
    7,
    -1,
    10**6,
    10**30,
    0.0,
    1e-9,
    0.3,
]
VALUES += [
    0.5,
    0.999,
    1.0,
    1.5,
    -0.1,
    1e30,
    math.nan,
    math.inf,
    [],
    [0.5],
    ["sca", "sca"],
    {},
    {"label": "x"},
    [[1]],
]


def places(document, path=()):
    """Every key and every item of a list, from the top."""
    pairs = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


@strategies.composite
def mutated(draw):
    """(document, what was done to it)"""
    document, done = copy.deepcopy(draw(strategies.sampled_from(list(DOCUMENTS.values())))), []
    for _ in range(draw(strategies.integers(1, 3))):
        path = draw(strategies.sampled_from(list(places(document))))
        parent, how = (
            at(document, path[:-1]),
            draw(strategies.sampled_from(HOW)),
        )
        if how == "set":
            parent[path[-1]] = copy.deepcopy(draw(strategies.sampled_from(VALUES)))
        elif how == "drop":
            del parent[path[-1]]
        elif how == "move":
            parent[path[-1]] = copy.deepcopy(
                at(document, draw(strategies.sampled_from(list(places(document)))))
            )
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        else:
            parent[draw(strategies.sampled_from(["width", "Sca", "a b", 3, f"{path[-1]}2"]))] = parent.pop(
                path[-1]
            )
        done.append((how, *path))
        if not list(places(document)):
            break
    return document, done


def text_of(document) -> str:
    file = io.StringIO()
    YAML(typ="safe").dump(document, file)
    return file.getvalue()


def outcome(path, text: str) -> str | None:
    """What a user is told: None if the file is taken. Anything but one line is a failure."""
    path.write_text(text)
    try:
        check.check(path)
    except ConfigError as error:
        line = str(error)
        assert line and "\n" not in line and len(line) < 2000, line
        assert not [word for word in ("Traceback", "pydantic", "Error(") if word in line], line
        return line
    return None


def step_of_each(study, pick) -> None:
    """Data by the file's own settings, its seeds, and a step of a training of each task, dense and by a
    method of each group: what the check lets through does not fail later."""
    training.seed_everything(max(study.grid.seeds))
    for name in sorted({task for grid in grids(study).values() for task in grid.tasks}):
        task = study.tasks[name]
        if task.data == "digits":
            made = data.prepare_for(study, task.data)
            assert len(made["train_y"]) >= task.train.batch and len(made["validation_y"]) > 0
        stages = [STAGES[stage] for stage in ("channels", "weights", "tokens")]
        fit = [stage for stage in stages if all(getattr(task, field) for field in stage.needs)]
        meant = [getattr(study, stage.methods) for stage in fit]
        for method in ["dense", *(pick(list(group)) for group in meant)]:
            run = test_studies.run_of(study, name, method)
            for _ in run.recipe_epochs[:1]:  # skipping trains nothing
                run.epoch()
                assert math.isfinite(run.log[0]["loss"])


def fuzz(number: int, folder, stepped: int) -> dict[str, int]:
    """Counts of what happened to `number` mutated files; the first `stepped` that are taken train a step."""
    counts = {"refused": 0, "taken": 0, "trained a step": 0}

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated())
    def each(example):
        document, done = example
        line = outcome(folder / "params.yaml", text_of(document))
        counts["refused" if line else "taken"] += 1
        if line is None and counts["trained a step"] < stepped:
            study = config.read(folder / "params.yaml")
            if small(study):
                step_of_each(study, lambda group: group[counts["taken"] % len(group)])
                counts["trained a step"] += 1

    each()
    return counts


def small(study) -> bool:
    """Full-width networks take seconds, and are stepped elsewhere."""
    return all(
        task.net.endswith("digits") and task.T <= 8 and task.width <= 2 for task in study.tasks.values()
    )


@pytest.mark.parametrize("number", [400, pytest.param(2000, marks=pytest.mark.evidence)])
def test_a_mutated_file_is_taken_or_refused_in_one_line(number, tmp_path, record_property):
    counts = fuzz(number, tmp_path, stepped=number // 33)
    record_property("fuzz", json.dumps(counts))
    assert counts["refused"] > number / 4 and counts["taken"] > number / 50
    assert counts["trained a step"] > number / 200
    assert counts["refused"] + counts["taken"] >= number


@settings(
    max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(strategies.data())
def test_broken_text_is_refused_in_one_line(tmp_path_factory, data):
    """Characters lost, doubled or replaced, as a slip of an editor leaves them."""
    text = list((config.ROOT / "params.yaml").read_text())
    for _ in range(data.draw(strategies.integers(1, 4))):
        place = data.draw(strategies.integers(0, len(text) - 1))
        text[place] = data.draw(
            strategies.sampled_from(["", ":", "-", "\t", "{", "]", "'", "\x00", "#", "\n", "&a", "!x "])
        )
    outcome(tmp_path_factory.mktemp("fuzz") / "params.yaml", "".join(text))


def test_untrusted_yaml_makes_no_object(tmp_path):
    line = outcome(
        tmp_path / "params.yaml",
        "study: !!python/object/apply:os.system ['touch " + str(tmp_path / "made") + "']\n",
    )
    assert line and not (tmp_path / "made").exists()
