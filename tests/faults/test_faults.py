"""Faults that happen to real processes, on the smoke study: what is kept, what the user is told, and that
the next run ends with the files of an unbroken one. `python tools/faults.py` makes a table of it and of
test_killed.py, test_faults_files.py (disks and files) and test_faults_repro.py (`make repro`)."""

import os
import random
import re
import signal
import sys
import time
from contextlib import ExitStack

import pytest
from processes import (
    PATIENCE,
    STAGES,
    assert_whole,
    caught,
    checkpoint,
    copied,
    ended,
    finish,
    go_on,
    killed,
    left,
    leftovers,
    made,
    refused,
    said,
    start,
    trial,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are POSIX's"),
    pytest.mark.usefixtures("nothing_left"),
]
FAULT = "kill -9 at a random moment: {}"
WHOM = {"all": "papermill and its kernel", "first": "papermill alone", "rest": "the kernel alone"}
KILLS = ("all", "first", "all", "rest")  # of one stage, one after another


# ---------------------------------------------------------------- kill -9


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.evidence) for seed in (1, 2))])
def test_a_stage_killed_again_and_again_ends_as_an_unbroken_one(seed, every_stage, tmp_path, record_property):
    """Kills at random, from data preparation to the last JSON: each run takes up what the killed ones before
    it have left."""
    chance, folder, expected = random.Random(seed), copied(tmp_path / "tree"), {}
    for stage in STAGES:
        with ExitStack() as trials:
            for turn, whom in enumerate(KILLS):
                noted = trials.enter_context(trial(record_property, FAULT.format(WHOM[whom])))
                name = f"{stage}-killed-{turn}"
                begun = killed(
                    lambda stage=stage, name=name: start(folder, stage, name),
                    every_stage.seconds[stage],
                    chance,
                    whom,
                )
                now, kept = time.time(), checkpoint(folder)
                lost = now - max(begun, kept.stat().st_mtime if kept else begun)
                assert_whole(folder)
                noted.update(kept="every finished epoch, all other files whole", told="nothing", lost=lost)
            finish(folder, stage, f"{stage}-again")
            expected |= every_stage.files[stage]
            assert made(folder) == expected and not leftovers(folder)


# ---------------------------------------------------------------- SIGTERM


SUBREAPER = """import ctypes, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)
subprocess.run(sys.argv[1:])
time.sleep(30)"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize("below", [(), (sys.executable, "-c", SUBREAPER)], ids=["init", "subreaper"])
def test_a_kernel_does_not_outlive_its_papermill(below, prepared, tmp_path, record_property):
    """SIGTERM to papermill alone, which dies of it; under systemd or SLURM another process than init adopts
    the kernel."""
    with trial(record_property, "SIGTERM to papermill alone") as noted:
        folder = copied(tmp_path / "tree")
        process, held = caught(folder, "channels", "stopped", 1, below)
        papermill, kernel = held[-2:]
        papermill.send_signal(signal.SIGTERM)
        go_on(held)
        assert not left([kernel]), "the kernel goes on alone"
        process.kill()
        process.wait(PATIENCE)
        assert_whole(folder)
        finish(folder, "channels", "resumed")
        assert made(folder) == prepared and not leftovers(folder)
        noted.update(kept="every finished epoch", told="nothing", lost="the epoch in training")


# ---------------------------------------------------------------- a loss that is not finite


def test_a_loss_that_is_not_finite_is_told_in_a_line(tmp_path, record_property):
    with trial(record_property, "a loss that is not finite") as noted:
        folder = copied(tmp_path / "tree")
        params = folder / "studies" / "smoke" / "params.yaml"
        asked = params.read_text()
        params.write_text(
            asked.replace("lr: 0.05", "lr: 100.0", 1).replace(
                "weight_decay: 0.0\n", "weight_decay: 100.0\n", 1
            )
        )
        told = refused(folder, "channels", "refused")
        assert re.match(
            r"TrainingError: epoch 1: .*lower the task's learning rate in params.yaml \(lr: 100.0\)", told
        ), told
        assert set(made(folder)) == {"data/smoke/digits.npz"}
        noted.update(kept="every finite epoch", told=told, lost="the epoch in training")


# ---------------------------------------------------------------- two at once


@pytest.mark.parametrize("delay", [0, 2, 6])
def test_two_runs_of_a_stage_at_once_make_what_one_makes(delay, prepared, tmp_path, record_property):
    with trial(record_property, "two papermill processes on one stage") as noted:
        folder = copied(tmp_path / "tree")
        first = start(folder, "channels", "first")
        time.sleep(delay)
        second = start(folder, "channels", "second")
        codes = [ended(run, folder, "channels", name) for run, name in ((first, "first"), (second, "second"))]
        assert codes == [0, 0], said(folder, "first") + said(folder, "second")
        assert_whole(folder)
        assert made(folder) == prepared and not leftovers(folder)
        assert not list(folder.glob("build/resume/*"))
        noted.update(kept="all", told="nothing", lost="the time of the second")
