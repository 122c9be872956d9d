"""docs/extend.md, followed word by word in a copy of this tree: what it says to add is added, and each
recipe runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lib.core.files import ROOT

PAGE = (ROOT / "docs" / "extend.md").read_text()
BLOCK = re.compile(r"<!-- (\S+?)(?:, (before|after): (.*?)|, (at the end))? -->\n```\w+\n(.*?)```", re.DOTALL)
COPIED = ("lib", "notebooks", "studies", "tools", "results", "params.yaml", "dvc.yaml", "pyproject.toml")


def recipe(title: str) -> str:
    """One section of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def follow(root: Path, text: str) -> set[str]:
    """Adds every block of a section to where its comment says; the files that were changed or made."""
    cells = {}
    changed = set()
    for name, where, line, end, block in BLOCK.findall(text):
        changed.add(name)
        path = root / name
        if name.endswith(".ipynb"):
            cells.setdefault(path, []).append(block)
            continue
        whole = path.read_text()
        if end:
            path.write_text(whole + block)
            continue
        [at] = [m.start() for m in re.finditer(f"^{re.escape(line)}", whole, re.MULTILINE)]
        place = at if where == "before" else whole.index("\n", at) + 1
        path.write_text(whole[:place] + block + whole[place:])
    for path, blocks in cells.items():
        path.write_text(json.dumps(notebook(blocks)))
    return changed


def notebook(blocks: list[str]) -> dict:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "source": block, "outputs": [], "metadata": {}}
        | {"execution_count": None}
        for n, block in enumerate(blocks)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def commands(text: str) -> list[str]:
    """What the page has its reader type, comments left out."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines]


@pytest.fixture
def tree(tmp_path):
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, tmp_path / name, symlinks=True, ignore=left_out)
        else:
            shutil.copy2(source, tmp_path / name)
    (tmp_path / "build").mkdir()
    rng = np.random.default_rng(0)
    parts = ("train", "test")
    images = {f"{part}_x": rng.integers(0, 256, (60, 1, 12, 12), dtype=np.uint8) for part in parts}
    labels = {f"{part}_y": np.repeat(np.arange(3), 20) for part in parts}
    (tmp_path / "raw").mkdir()
    np.savez(tmp_path / "raw" / "my-images.npz", **images, **labels)
    return tmp_path


def run(root: Path, command: str) -> str:
    paths = {"PYTHONPATH": str(root), "SNN_DATA": str(root / "raw"), "OMP_NUM_THREADS": "1"}
    paths["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | paths
    done = subprocess.run(command, shell=True, cwd=root, capture_output=True, text=True, env=env)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("title", ["A criterion", "A network", "A data set"])
def test_a_recipe_touches_two_files_of_code_and_runs(title, tree):
    text = recipe(title)
    changed = follow(tree, text)
    assert len(changed - {"studies/smoke/params.yaml"}) == 2
    run(tree, "python tools/check.py studies/smoke/params.yaml")
    for command in commands(text):
        run(tree, command)
    assert list((tree / "build" / "smoke" / "results").rglob("*.json"))


@pytest.mark.slow
def test_a_figure_is_a_notebook_and_a_line_of_the_pipeline(tree):
    text = recipe("A figure")
    assert follow(tree, text) == {"notebooks/39_fig_energy.ipynb", "dvc.yaml"}
    run(tree, "git init -q . && dvc init -q && mkdir -p build/code/quick")
    for command in commands(text):
        run(tree, command)
    assert {path.suffix for path in (tree / "figures" / "quick").glob("energy.*")} == {".png", ".svg"}
