"""Every cell of every study, planned ones included, takes one real training step; nothing of a study is left unchecked."""

import dataclasses

import pytest
import torch
from ruamel.yaml import YAML

from lib import check, config, data, sources, student, train
from lib.errors import ConfigError

PARAMS = {path.parent.name: path for path in sorted(config.ROOT.glob("studies/*/params.yaml"))}
STUDIES = {name: config.load(name) for name in ("quick", *PARAMS)}
CELLS = [(study, cell) for study, settings in STUDIES.items() for cell in settings.cells]
METHODS = {"prune": ("sca", "sca-literal"), "rewire": ("pq",), "student": ("learned", "tickets-learned")}
STEPPED = [(study, cell, "dense") for study, cell in CELLS]
STEPPED += [
    (study, cell, method)
    for study, cell in CELLS
    for part, methods in METHODS.items()
    if getattr(STUDIES[study].cells[cell], part)
    for method in methods
]
FEW = 4  # images: full-width networks take seconds


def splits_of(cell):
    """Random images, or event counts, of a cell's data set: enough for one small batch."""
    shape, classes = sources.SHAPES[cell.data]
    generator = torch.Generator().manual_seed(0)
    if "dvs" in cell.data:
        kept = torch.poisson(torch.full((FEW, cell.T, *shape), 0.5), generator).to(torch.uint8)
        images = data.Images(kept)
    else:
        kept = torch.randint(0, 256, (FEW, *shape), dtype=torch.uint8, generator=generator)
        images = data.Images(kept, *data.mean_std(kept))
    labels = torch.randint(0, classes, (FEW,), generator=generator)
    held = (dataclasses.replace(images, kept=kept[:1]), labels[:1])
    return data.Splits((images, labels), held, held, classes)


def run_of(settings, cell, method):
    """A training on one batch of a few images."""
    whole = settings.cells[cell]
    batches = {
        part: recipe.model_copy(update={"batch": FEW}) for part in ("train", "student") if (recipe := getattr(whole, part))
    }
    few = whole.model_copy(update=batches)
    point = None if method == "dense" else settings.points(cell, method)[-1]
    if method in settings.tokens:
        return student.Student(splits_of(few), few, point, 0, train.Run(splits_of(few), few, None, 0).net)
    return train.Run(splits_of(few), few, point, 0)


def one_step(study, cell, method):
    """(run, parameters before, parameters after): one epoch of one batch."""
    run = run_of(STUDIES[study], cell, method)
    before = {name: p.detach().clone() for name, p in run.net.named_parameters()}
    run.epoch()
    return run, before, dict(run.masked().named_parameters())


@pytest.mark.parametrize("study, cell, method", STEPPED)
def test_a_cell_takes_a_training_step(study, cell, method):
    run, before, after = one_step(study, cell, method)
    assert torch.isfinite(torch.tensor(run.log[0]["loss"])) and 0 <= run.log[0]["validation"] <= 1
    convolutions = [name for name, p in before.items() if p.dim() == 4]
    assert convolutions and all(not torch.equal(before[name], after[name]) for name in [*convolutions, "head.bias"])
    assert all(torch.isfinite(p).all() for p in after.values())


def test_every_cell_that_is_planned_or_run_is_stepped():
    asked = {(name, cell) for name, s in STUDIES.items() for grid in check.grids(s).values() for cell in grid.cells}
    assert asked <= set(CELLS)
    rewired = {(name, cell) for name, s in STUDIES.items() for grid in check.grids(s).values() for cell in grid.rewired}
    assert rewired and {(study, cell, "pq") for study, cell in rewired} <= set(STEPPED)
    selected = {(name, cell) for name, s in STUDIES.items() for grid in check.grids(s).values() for cell in grid.selected}
    assert selected and {(study, cell, "learned") for study, cell in selected} <= set(STEPPED)
    assert {"quick", "smoke", "small", "paper"} <= set(STUDIES)


def test_the_pipelines_are_one_file():
    files = [config.ROOT / "dvc.yaml", *sorted(config.ROOT.glob("studies/*/dvc.yaml"))]
    assert [path.parent.name for path in files[1:]] == ["paper", "small"]
    assert len({path.read_bytes() for path in files}) == 1


@pytest.mark.parametrize("path", PARAMS.values(), ids=PARAMS)
def test_a_study_passes_the_check(path):
    assert f"study {path.parent.name}" in check.check(path)


def test_nothing_of_the_paper_has_been_run_and_all_of_it_is_planned():
    paper = STUDIES["paper"]
    assert not paper.grid.cells and not paper.grid.data
    assert set(paper.planned.cells) == set(paper.cells) and paper.planned.seeds == (0, 1, 2)
    assert {paper.cells[cell].data for cell in paper.planned.cells} == {
        "cifar10",
        "cifar100",
        "tiny-imagenet",
        "cifar10-dvs",
        "cifar10-dvs-t10",
    }
    assert {paper.cells[cell].train.epochs for cell in paper.planned.cells} == {300}


@pytest.mark.parametrize(
    "place, value, words",
    [
        (("planned", "cells"), ["vgg16-cifar11"], ["planned.cells", "vgg16-cifar11", "vgg16-cifar10"]),
        (("planned", "ablated"), ["vgg16-cifar11"], ["planned.ablated", "vgg16-cifar11"]),
        (("planned", "pruned"), ["vgg16-cifar11"], ["planned.pruned", "vgg16-cifar11", "vgg16-cifar10"]),
        (("planned", "rewired"), ["resnet19-cifar11"], ["planned.rewired", "resnet19-cifar11", "resnet19-cifar10"]),
        (("planned", "data"), ["cifar11"], ["planned.data", "cifar11", "tiny-imagenet"]),
        (("cells", "vgg16-cifar10", "net"), "vgg17", ["vgg17", "vgg16"]),
        (("cells", "vgg16-cifar10", "data"), "cifar11", ["cifar11", "cifar10"]),
        (("cells", "dvs5conv-cifar10-dvs", "augment"), "roll", ["'roll'", "roll_flip"]),
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
