"""Faults that happen to real processes, on the smoke study: what is kept, what the user is told, and that the next run ends
with the files of an unbroken one. `python tools/faults.py` makes a table of it; of `make repro`: test_faults_repro.py."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from processes import (
    PATIENCE,
    STAGES,
    assert_whole,
    checkpoint,
    copied,
    epochs_kept,
    family,
    finish,
    kill,
    left,
    leftovers,
    made,
    refused,
    said,
    start,
    trial,
    until,
)

from lib import config

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are POSIX's")
KILLS = "kill -9 at a random moment: {}"
EPOCHS = config.load("smoke").cells["digits-vgg"].train.epochs
WHOM = {"all": "papermill and its kernel", "first": "papermill alone", "rest": "the kernel alone"}


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory) -> tuple[dict[str, float], dict[str, bytes]]:
    """Seconds that each stage takes, and what all of them make."""
    folder, seconds = copied(tmp_path_factory.mktemp("unbroken")), {}
    for stage in STAGES:
        started = time.monotonic()
        finish(folder, stage, stage)
        seconds[stage] = time.monotonic() - started
    assert not leftovers(folder)
    return seconds, made(folder)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> dict[str, bytes]:
    """What the stage `channels` makes if nothing happens."""
    folder = copied(tmp_path_factory.mktemp("prepared"))
    finish(folder, "channels", "run")
    return made(folder)


def same(folder, expected: dict[str, bytes]) -> None:
    """All that was made is as it should be, and nothing else is left."""
    found = made(folder)
    assert found == {name: expected[name] for name in found} and not leftovers(folder)


# ---------------------------------------------------------------- kill -9


def killed(folder, stage: str, whom: str, seconds: float, chance: random.Random) -> float:
    """Kills a stage at a random moment of its time, again if it was done before; returns the seconds of work lost: since the
    last checkpoint, or since it began."""
    for attempt in range(20):
        moment, process = chance.uniform(0, seconds), start(folder, stage, f"{stage}-killed-{attempt}")
        begun = time.time()
        time.sleep(moment)
        if process.poll() is None:
            now = time.time()
            kill(process, whom)
            kept = checkpoint(folder)
            return now - min(now, kept.stat().st_mtime if kept else begun)
        for path in folder.glob(f"build/smoke/*/smoke/{stage}"):
            shutil.rmtree(path)  # it was faster than the one that was timed
    raise AssertionError("it always ends before it can be killed")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_stage_killed_at_any_moment_ends_as_an_unbroken_one(seed, unbroken, tmp_path, record_property):
    """Five kills, from data preparation to the last JSON, each stage on what the killed one before it has left."""
    chance, (seconds, expected), folder = random.Random(seed), unbroken, copied(tmp_path / "tree")
    for number, stage in enumerate(STAGES):
        whom = ("all", "all", "all", "first", "rest")[(seed + number) % 5]
        with trial(record_property, KILLS.format(WHOM[whom])) as noted:
            lost = killed(folder, stage, whom, seconds[stage], chance)
            assert_whole(folder)
            finish(folder, stage, f"{stage}-again")
            same(folder, expected)
            noted.update(kept="every finished epoch, all other files whole", told="nothing", lost=lost)
    assert made(folder) == expected


# ---------------------------------------------------------------- SIGTERM


SUBREAPER = "import ctypes, subprocess, sys, time; ctypes.CDLL(None).prctl(36, 1); subprocess.run(sys.argv[1:]); time.sleep(30)"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize("below", [(), (sys.executable, "-c", SUBREAPER)], ids=["init", "subreaper"])
def test_a_kernel_does_not_outlive_its_papermill(below, prepared, tmp_path, record_property):
    """SIGTERM to papermill alone, which dies of it; under systemd or SLURM another process than init adopts the kernel."""
    with trial(record_property, "SIGTERM to papermill alone") as noted:
        folder = copied(tmp_path / "tree")
        process = start(folder, "channels", "stopped", below)
        until(lambda: epochs_kept(folder) >= 1, process)
        papermill, kernel = family(process)[-2:]
        papermill.send_signal(signal.SIGTERM)
        assert not left([kernel]), "the kernel goes on alone"
        process.kill()
        process.wait(PATIENCE)
        assert_whole(folder)
        finish(folder, "channels", "resumed")
        same(folder, prepared)
        noted.update(kept="every finished epoch", told="nothing", lost="the epoch in training")


# ---------------------------------------------------------------- disks that refuse

LIMITED = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (90_000,) * 2); os.execvp(sys.argv[1], sys.argv[1:])"
)
INSIDE = """keep=$(mktemp -d) && cp -r "$0/." "$keep" && {mount} && {{ cp -r "$keep/." "$0" 2> /dev/null; "$@"; code=$?
cp -r "$0" build/seen; rm -rf "$keep"; exit $code; }}"""
MOUNTS = {
    "full": 'mount -t tmpfs -o size={size} none "$0"',
    "read-only": 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"',
}


def mounted(folder, place: str, kind: str, size: str = "") -> tuple[str, ...]:
    """A command that sees a small or a read-only file system at `place` and no other process does; it needs no privileges.
    What is there at its end is copied to build/seen."""
    (folder / place).mkdir(parents=True, exist_ok=True)
    inside = INSIDE.format(mount=MOUNTS[kind].format(size=size))
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, place)


def can_mount() -> bool:
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(probe, capture_output=True).returncode == 0


@pytest.fixture
def mounts():
    if not can_mount():
        pytest.skip("this machine lets nobody mount a file system of his own")


def test_a_file_that_cannot_grow_is_told_in_a_line_and_not_left_half(tmp_path, record_property):
    with trial(record_property, "disk full (a limit of the process): the prepared data") as noted:
        folder = copied(tmp_path / "tree")
        told = refused(folder, "data", "limited", (sys.executable, "-c", LIMITED))
        assert told.startswith("WriteError: ") and "digits.npz cannot be written: File too large" in told
        assert not made(folder) and not leftovers(folder)
        finish(folder, "data", "again")
        assert set(made(folder)) == {"data/smoke/digits.npz"}
        noted.update(kept="what was there", told=told, lost="what was being written")


FULL = {  # what: (where, bytes of the disk, what the line says)
    "the prepared data": ("build/smoke/data", "64k", "digits.npz cannot be written: No space left on device"),
    "the checkpoint": ("build/resume", "64k", "0.pt cannot be written: No space left on device"),
    "the pruned network": ("build/smoke/runs", "16k", ".pt cannot be written: No space left on device"),
    "the result": ("build/smoke/results", "12k", "0.json cannot be written: No space left on device"),
    "the executed notebook": ("build/executed", "4k", "No space left on device"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "read-only"])
@pytest.mark.parametrize("what", FULL)
def test_a_disk_that_refuses_leaves_what_was_there(what, kind, mounts, prepared, tmp_path, record_property):
    place, size, words = FULL[what]
    with trial(record_property, f"disk {kind}: {what}") as noted:
        folder = copied(tmp_path / "tree")
        old = folder / "build/smoke/results/smoke/channels/digits-vgg-sca/0.json"
        if what == "the result":
            old.parent.mkdir(parents=True)
            old.write_bytes(b"[" + b" " * 5000 + b"]")  # stands for an older one
        below = mounted(folder, place, kind, size)
        told = refused(folder, "channels", "executed/refused" if "executed" in place else "refused", below)
        assert ("Read-only file system" if kind == "read-only" else words) in told
        seen = folder / "build" / "seen"
        found = [path for path in seen.rglob("*") if path.is_file() and path.suffix not in (".ipynb", ".log")]
        assert [path.read_bytes() for path in found] == ([old.read_bytes()] if what == "the result" else []), found
        assert_whole(folder)
        finish(folder, "channels", "again")
        same(folder, prepared)
        noted.update(kept="what was there, every finished epoch", told=told, lost="what was being written")


@pytest.mark.slow
def test_a_place_that_is_no_folder_is_told_in_a_line(prepared, tmp_path, record_property):
    with trial(record_property, "results/ is no folder") as noted:
        folder = copied(tmp_path / "tree")
        (folder / "build" / "smoke").mkdir()
        (folder / "build" / "smoke" / "results").write_text("{}")
        told = refused(folder, "channels", "refused")
        assert told.startswith("WriteError: ") and "0.json cannot be written: Not a directory" in told
        (folder / "build" / "smoke" / "results").unlink()
        finish(folder, "channels", "again")
        same(folder, prepared)
        noted.update(kept="every finished epoch", told=told, lost="nothing")


# ---------------------------------------------------------------- files that changed

DAMAGES = {
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a flipped bit": lambda content: (
        content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_training_begins_anew(damage, prepared, tmp_path, record_property):
    with trial(record_property, f"a checkpoint, {damage}") as noted:
        folder = copied(tmp_path / "tree")
        process = start(folder, "channels", "killed")
        until(lambda: epochs_kept(folder) >= 2, process)
        kill(process)
        checkpoint(folder).write_bytes(DAMAGES[damage](checkpoint(folder).read_bytes()))
        notebook = finish(folder, "channels", "again")
        [told] = re.findall(r"[^\"]*is damaged, or no file of ours[^\"]*begins anew", notebook)
        same(folder, prepared)
        assert not list(folder.glob("build/resume/*"))
        noted.update(kept="all results", told=told, lost="the epochs of one training")


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_data_are_told_in_a_line(damage, prepared, tmp_path, record_property):
    with trial(record_property, f"prepared data, {damage}") as noted:
        folder = copied(tmp_path / "tree")
        finish(folder, "data", "data")
        path = folder / "build/smoke/data/smoke/digits.npz"
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
        told = refused(folder, "channels", "refused")
        assert told.startswith("DataError: ") and "digits.npz is damaged" in told and "remove it and run again" in told
        path.unlink()
        finish(folder, "channels", "again")
        same(folder, prepared)
        noted.update(kept="all else", told=told, lost="nothing")


@pytest.mark.slow
def test_a_checkpoint_of_other_data_is_not_taken_up(prepared, tmp_path, record_property):
    """The data are replaced by others, whole ones, while a run is stopped: nothing of the two is mixed."""
    with trial(record_property, "prepared data replaced while a run is stopped") as noted:
        folder = copied(tmp_path / "tree")
        finish(folder, "data", "data")
        path = folder / "build/smoke/data/smoke/digits.npz"
        right = path.read_bytes()
        with np.load(path) as file:
            np.savez(path, **{**file, "train_x": 255 - file["train_x"]})
        process = start(folder, "channels", "killed")
        until(lambda: epochs_kept(folder) >= 1, process)
        kill(process)
        path.write_bytes(right)
        assert f"{EPOCHS}/{EPOCHS} " in finish(folder, "channels", "again")
        same(folder, prepared)
        noted.update(kept="the other data's checkpoint, unused", told="nothing", lost="nothing")


# ---------------------------------------------------------------- a loss that is not finite


def test_a_loss_that_is_not_finite_is_told_in_a_line(tmp_path, record_property):
    with trial(record_property, "a loss that is not finite") as noted:
        folder = copied(tmp_path / "tree")
        params = folder / "studies" / "smoke" / "params.yaml"
        asked = params.read_text()
        params.write_text(asked.replace("lr: 0.05", "lr: 100.0", 1).replace("weight_decay: 0.0\n", "weight_decay: 100.0\n", 1))
        told = refused(folder, "channels", "refused")
        assert re.match(r"TrainingError: epoch 1: .*lower the cell's learning rate in params.yaml \(lr: 100.0\)", told), told
        assert set(made(folder)) == {"data/smoke/digits.npz"}
        noted.update(kept="every finite epoch", told=told, lost="the epoch in training")


# ---------------------------------------------------------------- two at once


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 2, 6])
def test_two_runs_of_a_stage_at_once_make_what_one_makes(delay, prepared, tmp_path, record_property):
    with trial(record_property, "two papermill processes on one stage") as noted:
        folder = copied(tmp_path / "tree")
        first = start(folder, "channels", "first")
        time.sleep(delay)
        second = start(folder, "channels", "second")
        assert [one.wait(PATIENCE) for one in (first, second)] == [0, 0], said(folder, "first") + said(folder, "second")
        assert_whole(folder)
        same(folder, prepared)
        assert not list(folder.glob("build/resume/*"))
        noted.update(kept="all", told="nothing", lost="the time of the second")
