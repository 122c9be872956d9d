"""README: its generated parts are those that the pipeline, the notebooks and the results give now."""

import json
import sys

import pytest

from lib.config import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import readme  # noqa: E402


def test_generated_parts_are_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert readme.filled(text) == text, "run `python tools/readme.py`"


def test_the_first_notebook_says_what_the_results_say():
    text = readme.START.read_text()
    assert readme.filled_notebook(text) == text, "run `python tools/readme.py`"
    cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    assert len([cell for cell in cells if "## What we found" in cell and readme.found() in cell]) == 1


def test_every_figure_stage_has_its_row():
    for name in ("accuracy.png", "cells.png", "channels.png", "scores.png", "ablation.png", "summary.csv"):
        assert name in readme.sources()


@pytest.mark.parametrize("notebook", sorted(path.stem for path in (ROOT / "notebooks").glob("[23]*.ipynb")))
def test_every_figure_notebook_asks_a_question(notebook):
    assert readme.question(notebook).endswith("?")
