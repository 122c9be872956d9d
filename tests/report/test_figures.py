"""The notebooks that draw figures: labelled axes, one figure each, from what a study has trained so far."""

import ast
import re
import shutil
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest

from lib.core.errors import ConfigError
from lib.report import page, plots, results
from lib.settings import config, given

STUDIES = ["quick", *sorted(path.parent.name for path in config.ROOT.glob("studies/*/params.yaml"))]
FIGURES = sorted((config.ROOT / "notebooks").glob("[23]*_fig_*.ipynb"))
EACH = pytest.mark.parametrize("notebook", FIGURES, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def unlabelled(fig) -> list[str]:
    """The axes of a figure that show ticks with numbers or names, but do not say what they are."""
    fig.canvas.draw()
    bare = []
    for number, ax in enumerate(fig.axes):
        for side, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
            ticks = axis.get_major_ticks() if ax.axison and axis.get_visible() else []
            shown = any(
                t.label1.get_visible()
                and t.label1.get_text()
                or t.label2.get_visible()
                and t.label2.get_text()
                for t in ticks
            )
            if shown and not axis.get_label_text().strip():
                bare.append(f"{side} of axes {number} ({ax.get_title() or 'untitled'})")
    return bare


def test_the_helper_finds_bare_axes():
    fig, [left, right] = plots.figure(80, 60, 1, 2)
    left.plot([1, 2])
    left.set_xlabel("epoch")
    right.set(xticks=[], yticks=[])
    assert unlabelled(fig) == ["y of axes 0 (untitled)"]


def looked_at(notebook: Path) -> tuple[list, list[str]]:
    """Runs a notebook cell by cell: the values that cells would show, and the cells that left a figure
    to pyplot, which a notebook would show as it is then."""
    values, leaving, names = [], [], {}
    cells = nbformat.read(notebook, as_version=4).cells
    for source in (cell.source for cell in cells if cell.cell_type == "code"):
        tree = ast.parse(source)
        last = None
        if isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
            last = tree.body.pop()
        exec(compile(tree, notebook.name, "exec"), names)
        if last:
            values.append(eval(compile(ast.Expression(last.value), notebook.name, "eval"), names))
        leaving += [source] * bool(plt.get_fignums())
    return values, leaving


@pytest.fixture
def saved(monkeypatch) -> list:
    """The figures that a notebook would save: (name, figure). Nothing is written."""
    figures = []
    monkeypatch.setattr(page, "save", lambda fig, folder, name: figures.append((name, fig)))
    return figures


def said(fig) -> str:
    return " ".join(text.get_text() for text in fig.texts)


@pytest.mark.filterwarnings("ignore")
@EACH
def test_a_committed_figure_is_labelled_and_shown_once_when_it_is_finished(notebook, saved, monkeypatch):
    """Draws the figure from the committed results."""
    images = []
    monkeypatch.setattr(plots, "display", images.append)
    values, leaving = looked_at(notebook)
    [(name, fig)] = saved
    assert name == notebook.stem[len("20_fig_") :] and not unlabelled(fig)
    assert "n = 3 seeds" in said(fig), "the figure does not say n"
    lines = fig.get_suptitle().splitlines()
    claim = " ".join(lines[:-1] or lines)  # the last line names the network
    assert re.search(r"\d (of \d|%|points)|\d\.\d", claim), "the title does not say what there is to be seen"
    assert "nan" not in claim and "nothing yet" not in claim
    assert len(images) == 1 and images[0].data.startswith(b"\x89PNG")
    assert not leaving
    assert all(value is None or isinstance(value, pd.DataFrame) for value in values), (
        "end the cell's last line with a semicolon"
    )


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The quick study in progress: two seeds of the dense networks and of the first method of each stage."""
    quick = config.load("quick")
    study = quick.model_copy(update={"out": str(tmp_path_factory.mktemp("begun"))})
    for stage in ("dense", "channels", "weights", "tokens"):
        method = next(iter(quick.group(stage)))
        for task in quick.tasks:
            for seed in (0, 1):
                there = quick.result_path(stage, task, method, seed)
                here = study.result_path(stage, task, method, seed)
                if there.exists():
                    here.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(there, here)
    return study


@pytest.mark.filterwarnings("ignore")
@EACH
def test_a_figure_of_a_study_in_progress_is_drawn_and_says_how_far_it_is(notebook, saved, begun, monkeypatch):
    """There are no ablations, baselines or tickets, and no method beside the first."""
    monkeypatch.setattr(plots, "display", lambda image: None)
    monkeypatch.setattr(given, "study", lambda **parameters: begun)
    looked_at(notebook)
    [(_, fig)] = saved
    assert re.search(r"n = [02] of 3 seeds", said(fig)) and not unlabelled(fig)


def test_another_task_of_a_stage_is_drawn_if_it_is_named_and_refused_if_there_is_none():
    study = config.load("small")
    found = results.table(study, "dense", "channels")
    task, rows = results.first(study, found, "channels", "vgg9-cifar100")
    assert task == "vgg9-cifar100" and set(rows["task"]) == {task} and len(rows)
    assert results.chosen(study, "channels") == results.first(study, found, "channels")[0] == "vgg9-cifar10"
    said = "which, a task of channels in study small: 'nosuch' is not known; known are vgg9-cifar10, "
    with pytest.raises(ConfigError, match=said):
        results.first(study, found, "channels", "nosuch")


def test_a_figure_of_a_stage_without_results_says_so_in_one_line(begun):
    found = results.table(begun)
    with pytest.raises(
        results.records.ResultsError, match="quick/ablate: nothing of digits-vgg has been trained"
    ):
        results.first(begun, found, "ablate")
    bare = begun.model_copy(update={"grid": begun.grid.model_copy(update={"ablated": ()})})
    with pytest.raises(results.records.ResultsError, match="grid.ablated: names no task: nothing of ablate"):
        results.first(bare, found, "ablate")


@EACH
def test_no_figure_names_a_method(notebook):
    """It draws those that params.yaml has."""
    methods = set()
    for study in map(config.load, STUDIES):
        methods |= {*study.methods, *study.ablations, *study.baselines, *study.weights, *study.tokens}
    cells = nbformat.read(notebook, as_version=4).cells
    for cell in (cell for cell in cells if cell.cell_type == "code"):
        words = {node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)}
        assert not words & methods
