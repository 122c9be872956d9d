"""Disks that refuse, and files that something has changed: what is kept, what the user is told, and that
the next run ends with the files of an unbroken one."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from processes import assert_whole, caught, checkpoint, copied, finish, kill, leftovers, made, refused, trial

from lib.settings import config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are POSIX's"),
    pytest.mark.usefixtures("nothing_left"),
]
EPOCHS = config.load("smoke").tasks["digits-vgg"].train.epochs


# ---------------------------------------------------------------- disks that refuse

LIMITED = """import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (90_000,) * 2)
os.execvp(sys.argv[1], sys.argv[1:])"""
INSIDE = """keep=$(mktemp -d) && cp -r "$0/." "$keep" && {mount} && {{
cp -r "$keep/." "$0" 2> /dev/null; "$@"; code=$?
cp -r "$0" build/seen; rm -rf "$keep"; exit $code; }}"""
MOUNTS = {
    "full": 'mount -t tmpfs -o size={size} none "$0"',
    "read-only": 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"',
}


def mounted(folder, place: str, kind: str, size: str = "") -> tuple[str, ...]:
    """A command that sees a small or a read-only file system at `place` and no other process does; it needs
    no privileges. What is there at its end is copied to build/seen."""
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


FULL = {  # what: (where, bytes of the disk, what the line matches)
    "the prepared data": ("build/smoke/data", "64k", "digits.npz cannot be written: No space left on device"),
    "the checkpoint": ("build/resume", "64k", r"resume/\w+\.pt cannot be written: No space left on device"),
    "the pruned network": ("build/smoke/runs", "16k", ".pt cannot be written: No space left on device"),
    "the result": ("build/smoke/results", "12k", "0.json cannot be written: No space left on device"),
    "the executed notebook": ("build/executed", "4k", "No space left on device"),
}


@pytest.mark.parametrize("kind", ["full", "read-only"])
@pytest.mark.parametrize("what", FULL)
def test_a_disk_that_refuses_leaves_what_was_there(what, kind, mounts, prepared, tmp_path, record_property):
    place, size, words = FULL[what]
    with trial(record_property, f"disk {kind}: {what}") as noted:
        folder = copied(tmp_path / "tree")
        old = folder / "build/smoke/results/smoke/channels/digits-vgg/sca/0.json"
        if what == "the result":
            old.parent.mkdir(parents=True)
            old.write_bytes(b"[" + b" " * 5000 + b"]")  # stands for an older one
        below = mounted(folder, place, kind, size)
        told = refused(folder, "channels", "executed/refused" if "executed" in place else "refused", below)
        assert re.search("Read-only file system" if kind == "read-only" else words, told), told
        seen = folder / "build" / "seen"
        found = [path for path in seen.rglob("*") if path.is_file() and path.suffix not in (".ipynb", ".log")]
        assert [path.read_bytes() for path in found] == (
            [old.read_bytes()] if what == "the result" else []
        ), found
        assert_whole(folder)
        finish(folder, "channels", "again")
        assert made(folder) == prepared and not leftovers(folder)
        noted.update(kept="what was there, every finished epoch", told=told, lost="what was being written")


def test_a_place_that_is_no_folder_is_told_in_a_line(prepared, tmp_path, record_property):
    with trial(record_property, "results/ is no folder") as noted:
        folder = copied(tmp_path / "tree")
        (folder / "build" / "smoke").mkdir()
        (folder / "build" / "smoke" / "results").write_text("{}")
        told = refused(folder, "channels", "refused")
        assert told.startswith("WriteError: ") and "0.json cannot be written: Not a directory" in told
        (folder / "build" / "smoke" / "results").unlink()
        finish(folder, "channels", "again")
        assert made(folder) == prepared and not leftovers(folder)
        noted.update(kept="every finished epoch", told=told, lost="nothing")


# ---------------------------------------------------------------- files that changed

DAMAGES = {
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a flipped bit": lambda content: (
        content[: len(content) // 2]
        + bytes([content[len(content) // 2] ^ 1])
        + content[len(content) // 2 + 1 :]
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_training_begins_anew(
    damage, prepared, tmp_path, record_property
):
    with trial(record_property, f"a checkpoint, {damage}") as noted:
        folder = copied(tmp_path / "tree")
        process, _ = caught(folder, "channels", "killed", 2)
        kill(process)
        checkpoint(folder).write_bytes(DAMAGES[damage](checkpoint(folder).read_bytes()))
        notebook = finish(folder, "channels", "again")
        [told] = re.findall(r"[^\"]*is damaged, or no file of ours[^\"]*begins anew", notebook)
        assert made(folder) == prepared and not leftovers(folder)
        assert not list(folder.glob("build/resume/*"))
        noted.update(kept="all results", told=told, lost="the epochs of one training")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_data_are_told_in_a_line(damage, prepared, tmp_path, record_property):
    with trial(record_property, f"prepared data, {damage}") as noted:
        folder = copied(tmp_path / "tree")
        finish(folder, "data", "data")
        path = folder / "build/smoke/data/smoke/digits.npz"
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
        told = refused(folder, "channels", "refused")
        assert (
            told.startswith("DataError: ")
            and "digits.npz is damaged" in told
            and "remove it and run again" in told
        )
        path.unlink()
        finish(folder, "channels", "again")
        assert made(folder) == prepared and not leftovers(folder)
        noted.update(kept="all else", told=told, lost="nothing")


def test_a_checkpoint_of_other_data_is_not_taken_up(prepared, tmp_path, record_property):
    """The data are replaced by others, whole ones, while a run is stopped: nothing of the two is mixed."""
    with trial(record_property, "prepared data replaced while a run is stopped") as noted:
        folder = copied(tmp_path / "tree")
        finish(folder, "data", "data")
        path = folder / "build/smoke/data/smoke/digits.npz"
        right = path.read_bytes()
        with np.load(path) as file:
            np.savez(path, **{**file, "train_x": 255 - file["train_x"]})
        process, _ = caught(folder, "channels", "killed", 1)
        kill(process)
        path.write_bytes(right)
        assert f"\u2007{EPOCHS}/{EPOCHS}\u2007[" in finish(folder, "channels", "again")
        assert made(folder) == prepared and not leftovers(folder)
        noted.update(kept="the other data's checkpoint, unused", told="nothing", lost="nothing")
