"""tools/repro.py on a tiny pipeline of shell stages: order, completeness, and what is said when a stage
fails."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import dvc_inside
import psutil
import pytest
import repro as repro_tool
import told
from processes import PIPELINE

from lib.settings import config

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")]
TOOL = config.ROOT / "tools" / "repro.py"
UNRELATED = "stages:\n  other:\n    cmd: echo never > other.txt\n    outs: [other.txt]\n"


@pytest.fixture
def repository(repository) -> Path:
    """With a second pipeline that does not hang together with the first."""
    (repository / "studies").mkdir()
    (repository / "studies" / "dvc.yaml").write_text(UNRELATED)
    return repository


def repro(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True)


@pytest.fixture
def tool():
    return repro_tool


def test_the_order_is_upstream_first_and_complete(repository, tool):
    order = tool.order("dvc.yaml")
    assert list(order) == ["raw", "run@0", "run@1", "figure"]
    assert order == {"raw": set(), "run@0": {"raw"}, "run@1": {"raw"}, "figure": {"run@0", "run@1"}}


def test_downstream_is_what_needs_a_stale_stage(repository, tool):
    order = tool.order("dvc.yaml")
    assert tool.downstream(order, ["run@1"]) == {"run@1": set(), "figure": {"run@1"}}
    assert tool.downstream(order, ["raw"]) == order and tool.downstream(order, []) == {}


def test_a_stage_starts_as_soon_as_what_it_needs_is_done(tool, monkeypatch):
    """Not when all stages of its generation are: c needs only a, and a is done long before b."""
    monkeypatch.setattr(tool.os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    released, seen = threading.Event(), []

    def run(address):
        seen.append(address)
        if address == "b":
            assert released.wait(20), "c waited for b"
        if address == "c":
            released.set()
        return address, 0.0

    monkeypatch.setattr(tool, "reproduce", run)
    tool.reproduce_all({"a": set(), "b": set(), "c": {"a"}, "d": {"b", "c"}})
    assert sorted(seen[:2]) == ["a", "b"] and seen[2:] == ["c", "d"]


def test_the_order_of_a_study_reaches_into_other_files_where_it_needs_them(repository, tool):
    (repository / "studies" / "dvc.yaml").write_text(
        "stages:\n  more:\n    cmd: cat ../raw.txt\n    deps: [../raw.txt]\n"
    )
    assert tool.order("studies/dvc.yaml") == {"raw": set(), "studies/dvc.yaml:more": {"raw"}}


def test_an_unknown_pipeline_lists_those_there_are(repository, tool):
    with pytest.raises(
        RuntimeError, match=r"studies/none/dvc.yaml: no stages there; known are dvc.yaml, studies/dvc.yaml"
    ):
        tool.order("studies/none/dvc.yaml")


def test_everything_that_is_needed_runs_once_and_then_nothing_is_stale(repository, tool):
    done = repro()
    assert done.returncode == 0, done.stderr
    assert (repository / "figure.txt").read_text() == "1\n1\n"
    assert not (repository / "studies" / "other.txt").exists()
    assert sorted(path.name for path in (repository / "build" / "logs").iterdir()) == [
        "figure.log",
        "raw.log",
        "run@0.log",
        "run@1.log",
    ]
    assert "up to date" in done.stdout + done.stderr
    assert tool.stale(["raw", "run@0", "run@1", "figure"]) == []
    (repository / "raw.txt").write_text("2\n")
    assert tool.stale(["raw", "run@0", "run@1"]) == ["raw", "run@0", "run@1"]


@pytest.mark.parametrize(("said", "tries"), [("error: ratio 2.0", 1), ("the kernel died", 2)])
def test_a_failing_stage_gives_one_clear_error_with_the_end_of_its_log(repository, said, tries):
    failing = f"(echo try >> tries.txt; seq 100; echo '{said}' >&2; exit 3)"
    (repository / "dvc.yaml").write_text(PIPELINE.replace("echo 1 > raw.txt", json.dumps(failing)))
    done = repro()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: stage raw failed; the end of build/logs/raw.log:") == 1
    assert said in done.stderr and "\n50\n" not in done.stderr
    assert ("\n100\n" in done.stderr) == (
        tries > 1
    )  # a refusal of ours says all in its line; else the end of the log
    assert not (repository / "work" / "run-0.txt").exists()
    assert (repository / "tries.txt").read_text().count("try") == tries


@pytest.mark.parametrize("kind", ["ConfigError", "DataError", "ResultsError"])
def test_a_refusal_in_a_notebook_is_all_that_is_shown(repository, kind):
    """As papermill ends: the line that the notebook shows, then its own exception."""
    shown = f"{kind}: task: 'x' is not known"
    failing = f'(seq 100; echo "{shown}"; echo papermill.exceptions.PapermillExecutionError; exit 1) >&2'
    (repository / "dvc.yaml").write_text(PIPELINE.replace("echo 1 > raw.txt", json.dumps(failing)))
    done = repro()
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith(f"error: stage raw failed; the end of build/logs/raw.log:\n{shown}")


def test_dvc_lock_is_replaced_and_half_of_dvcs_notes_are_forgotten(repository):
    """A kill while they are written leaves a part. Another name of the old dvc.lock shows that it is not
    written in place."""
    assert repro().returncode == 0
    os.link("dvc.lock", "old")
    old = Path("old").read_text()
    Path("dvc.yaml").write_text(PIPELINE.replace("echo 1", "echo 2"))
    Path(".dvc/tmp/rwlock").write_text('{"read": {')  # DVC's own notes are written in place
    assert repro().returncode == 0
    assert Path("old").read_text() == old != Path("dvc.lock").read_text() and not list(Path().glob("*.part"))


def test_a_dvc_lock_that_is_not_written_to_its_end_is_as_it_was(repository):

    def half(content, file):
        file.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    Path("dvc.lock").write_text("schema: '2.0'")
    with pytest.raises(KeyboardInterrupt):
        dvc_inside.beside("dvc.lock", "stages: {a: {cmd: b}}", half)
    assert Path("dvc.lock").read_text() == "schema: '2.0'"


def test_the_note_of_a_killed_run_holds_nobody_up(repository):
    """Until its parent asks for its status, a killed process is still listed; DVC alone would wait for it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        while psutil.Process(dead.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        info = {"pid": dead.pid, "cmd": "dvc repro -s raw"}
        Path(".dvc/tmp").mkdir(parents=True, exist_ok=True)
        Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(Path("raw.txt").absolute()): info}}))
        assert psutil.pid_exists(dead.pid)
        assert repro().returncode == 0


def test_a_stage_that_another_run_is_at_is_told_in_a_line(tool):
    said = (
        "ERROR: failed to reproduce 'raw': 'raw.txt' is busy, it is being blocked by:\n  (PID 1): dvc repro\n"
    )
    assert tool.failure("raw", said).startswith(
        "stage raw: another run is at it"
    ) and "\n" not in tool.failure("raw", said)


def test_a_file_that_a_living_run_is_at_ends_the_second_run_in_a_line(repository):
    assert repro().returncode == 0
    info = {"pid": os.getpid(), "cmd": "dvc repro -s raw"}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(Path("raw.txt").absolute()): info}}))
    done = repro()
    assert done.returncode == 1
    assert "another run is at it" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_closing_repro_that_had_something_to_do_is_a_failure(repository):
    """Else a study that can never be up to date would look done."""
    (repository / "dvc.yaml").write_text(PIPELINE + "    always_changed: true\n")
    done = repro()
    assert (repository / "figure.txt").read_text() == "1\n1\n"
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (
        "error: the closing `dvc repro` still had something to do" in done.stderr and "figure" in done.stderr
    )


def test_a_closing_repro_that_fails_is_a_failure(repository, tool, monkeypatch):
    assert repro().returncode == 0
    monkeypatch.setattr(sys, "argv", ["repro"])
    failed = subprocess.CompletedProcess([], 1, "Data and pipelines are up to date.\n", "ERROR: no")
    monkeypatch.setattr(tool, "stale", lambda addresses: [])
    monkeypatch.setattr(tool.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(RuntimeError, match="ERROR: no"):
        tool.main()


def test_if_nothing_is_stale_dvc_is_asked_once(repository, tool, monkeypatch, capsys):
    assert repro().returncode == 0
    asked, stale = [], tool.stale
    monkeypatch.setattr(tool, "stale", lambda addresses: asked.append(addresses) or stale(addresses))
    monkeypatch.setattr(tool, "reproduce_all", lambda addresses: pytest.fail(f"{addresses} ran again"))
    monkeypatch.setattr(sys, "argv", ["repro"])
    tool.main()
    assert asked == [["raw", "run@0", "run@1", "figure"]] and "up to date" in capsys.readouterr().out


def test_a_broken_pipeline_gives_one_clear_error(repository):
    (repository / "dvc.yaml").write_text("stages: [")
    done = repro()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "error: " in done.stderr and "dvc.yaml" in done.stderr


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("build", "a file", ["NotADirectoryError", "build/logs"]),
        (".dvc/tmp", "a file", [".dvc/tmp"]),
        (".dvc/config", "[core", ["[core"]),
    ],
)
def test_what_the_setting_up_meets_is_told_in_a_line(repository, path, text, words):
    shutil.rmtree(repository / path, ignore_errors=True)
    (repository / path).write_text(text)
    done = repro()
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "build/logs"), ["build/logs: Permission denied", "clone"]),
        (
            Exception("fatal: detected dubious ownership in repository at '/x'\nTo add"),
            ["git config --global --add safe.directory"],
        ),
        (
            ValueError("repository path '/x/' is not owned by current user"),
            ["git config --global --add safe.directory"],
        ),
        (OSError(30, "Read-only file system", "build\nlogs"), ["OSError", "Read-only"]),
    ],
)
def test_what_can_be_mended_outside_of_the_code_is_told_in_a_line(error, words):
    line = told.line(error)
    assert "\n" not in line and all(word in line for word in words)


@pytest.mark.parametrize("error", [KeyError("out"), RuntimeError("dictionary changed size"), ValueError("x")])
def test_a_bug_keeps_its_traceback(error):
    def main():
        raise error

    with pytest.raises(type(error)):
        told.run(main)


def test_a_dvc_that_was_not_tried_is_told_in_a_line_with_what_to_do(repository):
    code = "import dvc; dvc.__version__ = '9.9'; import dvc_inside"
    path = {**os.environ, "PYTHONPATH": str(TOOL.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "dvc 9.9" in done.stderr and "pip install -r requirements.txt" in done.stderr


STUDY = """
stages:
  train:
    matrix: {of: [dense, weights, channels]}
    cmd: mkdir -p results/${item.of} && echo 1 > results/${item.of}/x
    outs: ["results/${item.of}"]
  code:
    cmd: echo 1 > code.py
    outs: [code.py]
  show:
    foreach: {accuracy: channels, density: weights, all: .}
    do:
      cmd: ls results/${item} > ${key}.svg
      deps: [code.py, results/dense, "results/${item}"]
      outs: ["${key}.svg"]
"""


def test_what_the_first_figure_needs_runs_first(repository, tool, monkeypatch):
    (repository / "dvc.yaml").write_text(STUDY)
    monkeypatch.setattr(tool, "cores", lambda: 1)
    seen = []
    monkeypatch.setattr(tool, "reproduce", lambda address: seen.append(address) or (address, 0.0))
    tool.reproduce_all(tool.order("dvc.yaml"))
    assert set(seen[:3]) == {"code", "train@channels", "train@dense"} and seen[3] == "show@accuracy"
    assert len(seen) == 7


def test_a_word_that_is_not_known_is_refused_and_nothing_runs(repository):
    done = repro("dvc.yaml", "shwo")
    assert done.returncode != 0 and "shwo: not known; after the pipeline `show` or nothing" in done.stderr
    assert not (repository / "work" / "run-0.txt").exists()


def test_of_a_study_in_progress_what_is_finished_is_drawn(repository):
    (repository / "dvc.yaml").write_text(STUDY)
    for stage in ("train@dense", "train@weights"):
        subprocess.run(["dvc", "repro", "-s", stage], check=True, capture_output=True)
    done = repro("dvc.yaml", "show")
    assert done.returncode == 0, done.stderr
    assert "show@accuracy waits for results/channels" in done.stdout
    assert sorted(path.name for path in repository.glob("*.svg")) == ["all.svg", "density.svg"]
    assert (repository / "all.svg").read_text() == "dense\nweights\n"
    assert repro().returncode == 0, "the rest"
    assert (repository / "all.svg").read_text() == "channels\ndense\nweights\n"


def test_after_a_failure_no_further_stage_starts(repository, tool, monkeypatch):
    monkeypatch.setattr(tool.os, "sched_getaffinity", lambda process: {0}, raising=False)
    started = []

    def fail(address):
        started.append(address)
        raise RuntimeError(address)

    monkeypatch.setattr(tool, "reproduce", fail)
    with pytest.raises(RuntimeError):
        tool.reproduce_all({f"run@{seed}": set() for seed in range(50)})
    assert len(started) < 50
