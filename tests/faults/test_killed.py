"""A run stopped by `kill -9` or by SIGTERM goes on from its last epoch when it is started again, and ends
with the very same files. Many kills more, and the other faults: test_faults.py."""

import os
import signal

import pytest
from processes import (
    PATIENCE,
    caught,
    copied,
    epochs_kept,
    finish,
    go_on,
    kill,
    left,
    leftovers,
    made,
    said,
    trial,
)

from lib.settings import config

EPOCHS = config.load("smoke").tasks["digits-vgg"].train.epochs
HEEDLESS = ("sh", "-c", 'trap "" TERM; exec "$@"', "sh")  # as tools/repro.py starts a stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are POSIX's"),
    pytest.mark.usefixtures("nothing_left"),
]


def trained(epochs: int) -> str:
    """On the progress bar of a run that had so many left."""
    return f"\u2007{epochs}/{epochs}\u2007["  # figure spaces, in the widget's text


def test_a_killed_run_ends_with_the_bytes_of_an_unbroken_one(channels, prepared, tmp_path, record_property):
    with trial(record_property, "kill -9 after the second epoch") as noted:
        folder = copied(tmp_path / "tree")
        process, _ = caught(folder, "channels", "killed", 2)
        kill(process)
        assert epochs_kept(folder) == 2 < EPOCHS and not list(folder.glob("build/smoke/results/**/*.json"))
        rest = finish(folder, "channels", "resumed")
        assert trained(EPOCHS) in channels.notebook("channels") and trained(EPOCHS - 2) in rest
        assert made(folder) == prepared and not list(folder.glob("build/resume/*")) and not leftovers(folder)
        noted.update(kept="both epochs", told="nothing", lost="the epoch in training")


def test_sigterm_ends_a_run_after_its_epoch_and_it_goes_on_from_there(prepared, tmp_path, record_property):
    with trial(record_property, "SIGTERM, papermill started by tools/repro.py") as noted:
        folder = copied(tmp_path / "tree")
        process, held = caught(folder, "channels", "stopped", 1, HEEDLESS)
        for one in held:
            one.send_signal(signal.SIGTERM)
        go_on(held)
        assert process.wait(PATIENCE) == 1 and not left(held)
        [told] = [line for line in said(folder, "stopped").splitlines() if line.startswith("Stopped: ")]
        kept = epochs_kept(folder)
        assert 1 <= kept < EPOCHS and f"after epoch {kept} of {EPOCHS}" in told
        assert trained(EPOCHS - kept) in finish(folder, "channels", "resumed")
        assert made(folder) == prepared and not leftovers(folder)
        noted.update(kept="every finished epoch", told=told, lost="nothing")
