"""Every task of every study, planned ones included, takes one real training step;
nothing of a study is left unchecked."""

import dataclasses

import pytest
import torch
from ruamel.yaml import YAML

from lib import data, training
from lib.core.errors import ConfigError
from lib.data.splits import mean_std
from lib.settings import DATASETS, DENSE, config
from lib.settings.rules import grids
from lib.training import distillation
from tools import check

PARAMS = {path.parent.name: path for path in sorted(config.ROOT.glob("studies/*/params.yaml"))}
STUDIES = {name: config.load(name) for name in ("quick", *PARAMS)}
TASKS = [(study, task) for study, settings in STUDIES.items() for task in settings.tasks]
METHODS = {
    "prune": ("sca", "sca-soft", "layer-random"),  # those of them that the study has
    "rewire": ("pq",),
    "student": ("learned", "tickets-learned"),
}
STEPPED = [(study, task, "dense") for study, task in TASKS]
STEPPED += [
    (study, task, method)
    for study, task in TASKS
    for part, methods in METHODS.items()
    if getattr(STUDIES[study].tasks[task], part)
    for method in methods
    if method in STUDIES[study].labels
]
FEW = 4  # images: full-width networks take seconds


def splits_of(task):
    """Random images, or event counts, of a task's data set: enough for one small batch."""
    record = DATASETS[task.data]
    generator = torch.Generator().manual_seed(0)
    if record.events:
        kept = torch.poisson(torch.full((FEW, task.T, *record.shape), 0.5), generator).to(torch.uint8)
        images = data.Images(kept)
    else:
        kept = torch.randint(0, 256, (FEW, *record.shape), dtype=torch.uint8, generator=generator)
        images = data.Images(kept, *mean_std(kept))
    labels = torch.randint(0, record.classes, (FEW,), generator=generator)
    held = (dataclasses.replace(images, kept=kept[:1]), labels[:1])
    return data.Splits((images, labels), held, held, record.classes)


def run_of(settings, task, method):
    """A training on one batch of a few images."""
    whole = settings.tasks[task]
    batches = {
        part: recipe.model_copy(update={"batch": FEW})
        for part in ("train", "student")
        if (recipe := getattr(whole, part))
    }
    few = whole.model_copy(update=batches)
    trial = DENSE if method == "dense" else settings.trials(task, method)[-1]
    if method in settings.tokens:
        return distillation.Student(
            splits_of(few), few, trial, 0, training.Run(splits_of(few), few, DENSE, 0).net
        )
    return training.Run(splits_of(few), few, trial, 0)


def one_step(study, task, method):
    """(run, parameters before, parameters after): one epoch of one batch."""
    run = run_of(STUDIES[study], task, method)
    before = {name: p.detach().clone() for name, p in run.net.named_parameters()}
    run.epoch()
    return run, before, dict(run.masked().named_parameters())


@pytest.mark.slow
@pytest.mark.parametrize("study, task, method", STEPPED)
def test_a_task_takes_a_training_step(study, task, method):
    run, before, after = one_step(study, task, method)
    assert torch.isfinite(torch.tensor(run.log[0]["loss"])) and 0 <= run.log[0]["validation"] <= 1
    convolutions = [name for name, p in before.items() if p.dim() == 4]
    assert convolutions and all(
        not torch.equal(before[name], after[name]) for name in [*convolutions, "head.bias"]
    )
    assert all(torch.isfinite(p).all() for p in after.values())


def test_every_task_that_is_planned_or_run_is_stepped():
    asked = {(name, task) for name, s in STUDIES.items() for grid in grids(s).values() for task in grid.tasks}
    assert asked <= set(TASKS)
    rewired = {
        (name, task) for name, s in STUDIES.items() for grid in grids(s).values() for task in grid.rewired
    }
    assert rewired and {(study, task, "pq") for study, task in rewired} <= set(STEPPED)
    selected = {
        (name, task) for name, s in STUDIES.items() for grid in grids(s).values() for task in grid.selected
    }
    assert selected and {(study, task, "learned") for study, task in selected} <= set(STEPPED)
    pruned = {
        (name, task) for name, s in STUDIES.items() for grid in grids(s).values() for task in grid.pruned
    }
    assert pruned and {(study, task, "sca") for study, task in pruned} <= set(STEPPED)
    assert {"quick", "smoke", "small", "paper"} <= set(STUDIES)


def test_the_pipelines_are_one_file():
    for path in PARAMS.values():
        assert (path.parent / "dvc.yaml").resolve() == config.ROOT / "dvc.yaml"


@pytest.mark.parametrize("path", PARAMS.values(), ids=PARAMS)
def test_a_study_passes_the_check(path):
    assert f"study {path.parent.name}" in check.check(path)


def test_nothing_of_the_paper_has_been_run_and_all_of_it_is_planned():
    paper = STUDIES["paper"]
    assert not paper.grid.tasks and not paper.grid.data
    assert set(paper.planned.tasks) == set(paper.tasks) and paper.planned.seeds == (0, 1, 2)
    assert {paper.tasks[task].data for task in paper.planned.tasks} == {
        "cifar10",
        "cifar100",
        "tiny-imagenet",
        "cifar10-dvs",
        "cifar10-dvs-t10",
    }
    assert {paper.tasks[task].train.epochs for task in paper.planned.tasks} == {300}


@pytest.mark.parametrize(
    "place, value, words",
    [
        (("planned", "tasks"), ["vgg16-cifar11"], ["planned.tasks", "vgg16-cifar11", "vgg16-cifar10"]),
        (("planned", "ablated"), ["vgg16-cifar11"], ["planned.ablated", "vgg16-cifar11"]),
        (("planned", "pruned"), ["vgg16-cifar11"], ["planned.pruned", "vgg16-cifar11", "vgg16-cifar10"]),
        (
            ("planned", "rewired"),
            ["resnet19-cifar11"],
            ["planned.rewired", "resnet19-cifar11", "resnet19-cifar10"],
        ),
        (("planned", "data"), ["cifar11"], ["planned.data", "cifar11", "tiny-imagenet"]),
        (("tasks", "vgg16-cifar10", "net"), "vgg17", ["vgg17", "vgg16"]),
        (("tasks", "vgg16-cifar10", "data"), "cifar11", ["cifar11", "cifar10"]),
        (("tasks", "dvs5conv-cifar10-dvs", "augment"), "roll", ["'roll'", "roll_flip"]),
    ],
)
def test_a_wrong_name_in_what_is_planned_is_refused_in_one_line(place, value, words, tmp_path):
    document = YAML(typ="safe").load(PARAMS["paper"].read_text())
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with open(tmp_path / "params.yaml", "w") as file:
        YAML(typ="safe").dump(document, file)
    with pytest.raises(ConfigError) as error:
        check.check(tmp_path / "params.yaml")
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words)
