"""tools/locked.py on a tiny pipeline: what is not as a dvc.lock says is found and named."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.settings import config

pytestmark = pytest.mark.slow

TOOL = config.ROOT / "tools" / "locked.py"
PIPELINE = """
stages:
  train:
    cmd: cp code.py net.bin && cp code.py result.json
    deps: [code.py]
    params: [epochs]
    outs: [net.bin, {result.json: {cache: false, persist: true}}]
  draw:
    cmd: cp result.json figure.svg
    deps: [result.json]
    outs: [{figure.svg: {cache: false, persist: true}}]
"""
KEPT = """
stages:
  draw:
    cmd: cp kept.json kept.svg
    deps: [kept.json]
    outs: [{kept.svg: {cache: false, persist: true}}]
"""


def ran(*command, **settings) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, **settings)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A repository whose stages have run: a study, and one of which only the drawing is a stage."""
    root = tmp_path_factory.mktemp("locked")
    small = root / "studies" / "small"
    small.mkdir(parents=True)
    (root / ".dvc").mkdir()
    files = {
        "dvc.yaml": PIPELINE,
        "params.yaml": "epochs: 3\nlabel: a\n",
        "code.py": "1\n",
        ".gitignore": "/net.bin\n",
    }
    for name, text in {**files, "studies/small/dvc.yaml": KEPT, "studies/small/kept.json": "7\n"}.items():
        (root / name).write_text(text)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    assert ran("git", "init", "--quiet", root).returncode == 0
    done = ran(sys.executable, "-m", "dvc", "repro", "-P", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def clone(made, tmp_path) -> Path:
    """A fresh clone: without what git ignores and without DVC's cache."""
    root = tmp_path / "clone"
    for command in (["add", "--all"], ["checkout-index", "--all", f"--prefix={root}/"]):
        assert ran("git", "-C", made, *command).returncode == 0
    assert ran("git", "init", "--quiet", root).returncode == 0
    assert not (root / "net.bin").exists()
    return root


def locked(root: Path, folder: str = ".") -> subprocess.CompletedProcess:
    return ran(sys.executable, TOOL, cwd=root / folder, env={**os.environ, "DVC_NO_ANALYTICS": "1"})


@pytest.mark.parametrize("folder", [".", "studies/small"])
def test_a_fresh_clone_is_as_locked_though_it_has_no_networks(clone, folder):
    done = locked(clone, folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "text", "named", "run"),
    [
        ("code.py", "2\n", "code.py: not as locked by train", "`make repro`, then"),
        (
            "params.yaml",
            "epochs: 4\nlabel: a\n",
            "params.yaml (epochs): not as locked by train",
            "`make repro`, then",
        ),
        ("result.json", "2\n", "result.json: not as locked by train, draw", "`make repro`, then"),
        ("figure.svg", "2\n", "figure.svg: not as locked by draw", "`make repro`, then"),
        (
            "dvc.yaml",
            PIPELINE.replace("&& cp", "&& cp -p"),
            "changed command: not as locked by train",
            "`make repro`, then",
        ),
        (
            "studies/small/kept.json",
            "8\n",
            "kept.json: not as locked by studies",
            "`make repro STUDY=small`, then",
        ),
    ],
)
def test_what_was_changed_after_it_was_locked_is_named(clone, path, text, named, run):
    (clone / path).write_text(text)
    done = locked(clone)
    assert done.returncode == 1 and named in done.stdout, done.stdout
    assert run in done.stderr and done.stderr.count("\n") == 1


def test_what_no_stage_watches_may_change(clone):
    (clone / "params.yaml").write_text("epochs: 3\nlabel: b\n")
    assert locked(clone).returncode == 0


@pytest.mark.parametrize("lock", ["dvc.lock", "studies/small/dvc.lock"])
def test_results_without_a_lock_are_named(clone, lock):
    (clone / lock).unlink()
    done = locked(clone)
    assert done.returncode == 1 and "svg: not as locked by" in done.stdout


def test_a_stage_that_is_no_more_is_named(clone):
    (clone / "dvc.yaml").write_text(PIPELINE.replace("  draw:", "  paint:"))
    lock = clone / "dvc.lock"
    lock.write_text(lock.read_text().replace("  draw:", "  sketch:\n    cmd: x\n  paint:"))
    done = locked(clone)
    assert done.returncode == 1 and "error: sketch: in dvc.lock, but in no dvc.yaml" in done.stderr


def test_a_lock_whose_pipeline_is_gone_is_named(clone):
    (clone / "studies" / "small" / "dvc.yaml").unlink()
    done = locked(clone)
    assert (
        done.returncode == 1 and "studies/small/dvc.yaml:draw: in dvc.lock, but in no dvc.yaml" in done.stderr
    )


UNFINISHED = """
stages:
  train:
    matrix: {seed: [0, 1]}
    cmd: mkdir -p results/${item.seed} && echo ${item.seed} > results/${item.seed}/x.json
    outs: ["results/${item.seed}": {cache: false, persist: true}]
  draw:
    cmd: ls results > figure.svg
    deps: [results]
    outs: [figure.svg: {cache: false, persist: true}]
"""


@pytest.fixture
def unfinished(tmp_path) -> Path:
    """A repository in which one of two trainings has run, and a figure was drawn of it."""
    root = tmp_path / "unfinished"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (root / "dvc.yaml").write_text(UNFINISHED)
    assert ran("git", "init", "--quiet", root).returncode == 0
    done = ran(sys.executable, "-m", "dvc", "repro", "-s", "train@0", "draw", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


def test_of_a_study_in_progress_what_is_finished_is_as_locked(unfinished):
    done = locked(unfinished)
    assert done.returncode == 0 and "1 stages have not run" in done.stdout, done.stdout + done.stderr


def test_a_part_of_a_training_counts_if_a_figure_was_drawn_from_it(unfinished):
    (unfinished / "results" / "1").mkdir()
    (unfinished / "results" / "1" / "x.json").write_text("1\n")
    done = locked(unfinished)
    assert done.returncode == 1 and "results/1: not as locked by train@1" in done.stdout
    assert ran(sys.executable, "-m", "dvc", "repro", "-s", "draw", cwd=unfinished).returncode == 0
    assert locked(unfinished).returncode == 0


CODE = """
stages:
  code:
    cmd: sh write.sh
    deps: [notebooks]
    outs: [build/code/quick: {cache: false}]
  train:
    cmd: echo 1 > result.json
    deps: [build/code/quick/11_train.py]
    outs: [result.json: {cache: false, persist: true}]
"""


WRITE = """
from pathlib import Path
import notebook_code
notebook_code.write(Path('build/code/quick'), Path('notebooks'))
"""


def notebook(path: Path, code: str, prose: str = "") -> None:
    cells = [{"cell_type": "markdown", "source": [prose]}, {"cell_type": "code", "source": [code]}]
    path.write_text(json.dumps({"cells": cells}))


def test_the_code_of_a_notebook_is_compared_and_not_its_prose(clone):
    (clone / "notebooks").mkdir()
    (clone / ".gitignore").write_text("/net.bin\n/build\n")
    notebook(clone / "notebooks" / "11_train.ipynb", "x = 1")
    (clone / "write.sh").write_text(f'PYTHONPATH={TOOL.parent} {sys.executable} -c "{WRITE}"\n')
    (clone / "dvc.yaml").write_text(CODE)
    (clone / "dvc.lock").unlink()
    (clone / "result.json").unlink()
    assert ran(sys.executable, "-m", "dvc", "repro", cwd=clone).returncode == 0
    shutil.rmtree(clone / "build")
    notebook(clone / "notebooks" / "11_train.ipynb", "x = 1", "other prose")
    assert locked(clone).returncode == 0
    notebook(clone / "notebooks" / "11_train.ipynb", "x = 2")
    done = locked(clone)
    assert done.returncode == 1 and "build/code/quick/11_train.py: not as locked by train" in done.stdout


def test_outside_of_a_repository_it_ends_in_a_line(tmp_path):
    done = locked(tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
