"""README: its generated parts are those that the pipeline, the notebooks and the results give now."""

import sys

import pytest

from lib.config import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import readme  # noqa: E402


def test_generated_parts_are_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert readme.filled(text) == text, "run `python tools/readme.py`"


def test_every_figure_stage_has_its_row():
    for name in ("accuracy.png", "cells.png", "channels.png", "scores.png", "ablation.png", "summary.csv"):
        assert name in readme.sources()


@pytest.mark.parametrize("notebook", sorted(path.stem for path in (ROOT / "notebooks").glob("[23]*.ipynb")))
def test_every_figure_notebook_asks_a_question(notebook):
    assert readme.question(notebook).endswith("?")
