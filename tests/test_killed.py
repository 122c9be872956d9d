"""A run stopped by `kill -9` or by SIGTERM goes on from its last epoch when it is started again, and ends with the very same
files. Fifty kills more, and the other faults: test_faults.py."""

import os
import signal

import pytest
from processes import copied, epochs_kept, family, finish, kill, left, leftovers, made, said, start, trial, until

from lib import config

EPOCHS = config.load("smoke").cells["digits-vgg"].train.epochs
HEEDLESS = ("sh", "-c", 'trap "" TERM; exec "$@"', "sh")  # as tools/repro.py starts a stage

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are POSIX's")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> tuple[str, dict[str, bytes]]:
    """The executed notebook of an unbroken run, and what it made."""
    folder = copied(tmp_path_factory.mktemp("unbroken"))
    notebook = finish(folder, "channels", "run")
    assert not list(folder.glob("build/resume/*")), "a finished run keeps nothing to resume"
    return notebook, made(folder)


def trained(epochs: int) -> str:
    """On the progress bar of a run that had so many left."""
    return f"{epochs}/{epochs} "


def test_a_killed_run_ends_with_the_bytes_of_an_unbroken_one(tmp_path, unbroken):
    folder, (whole, expected) = copied(tmp_path / "tree"), unbroken
    process = start(folder, "channels", "killed")
    until(lambda: epochs_kept(folder) >= 2, process)
    kill(process)
    assert epochs_kept(folder) == 2 < EPOCHS and not list(folder.glob("build/smoke/results/**/*.json"))
    rest = finish(folder, "channels", "resumed")
    assert trained(EPOCHS) in whole and trained(EPOCHS - 2) in rest
    assert made(folder) == expected and not list(folder.glob("build/resume/*")) and not leftovers(folder)


def test_sigterm_ends_a_run_after_its_epoch_and_it_goes_on_from_there(tmp_path, unbroken, record_property):
    with trial(record_property, "SIGTERM, papermill started by tools/repro.py") as noted:
        folder = copied(tmp_path / "tree")
        process = start(folder, "channels", "stopped", HEEDLESS)
        until(lambda: epochs_kept(folder) >= 1, process)
        below = family(process)
        for one in below:
            one.send_signal(signal.SIGTERM)
        assert process.wait(60) == 1 and not left(below)
        [told] = [line for line in said(folder, "stopped").splitlines() if line.startswith("Stopped: ")]
        kept = epochs_kept(folder)
        assert 1 <= kept < EPOCHS and f"after epoch {kept} of {EPOCHS}" in told
        assert trained(EPOCHS - kept) in finish(folder, "channels", "resumed")
        assert made(folder) == unbroken[1] and not leftovers(folder)
        noted.update(kept="every finished epoch", told=told, lost="nothing")
