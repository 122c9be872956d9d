"""Faults of `make repro` itself: DVC, papermill and kernels together, on a part of the smoke study in a
repository."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import (
    MARK,
    PATIENCE,
    assert_whole,
    copied,
    epochs_kept,
    family,
    killed,
    left,
    leftovers,
    made,
    shared,
    trial,
    until,
)
from ruamel.yaml import YAML

from lib.settings import config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are POSIX's"),
    pytest.mark.usefixtures("nothing_left"),
]
PIPELINE = Path("studies") / "smoke" / "dvc.yaml"
KILLS = 4  # of one `make repro`, one after another
KEPT = {"methods": "sca", "weights": "pq", "tokens": "learned"}  # one method of each group
CHECK = "python -m tools.check ${params} && "  # asks for all that figures draw, and nothing is drawn


def repository(folder: Path) -> Path:
    """The smoke study with one method of each group, and the stages from the raw data to the last JSON."""
    shutil.copytree(
        config.ROOT / "tools", copied(folder) / "tools", ignore=shutil.ignore_patterns("__pycache__")
    )
    for other in (folder / "studies").iterdir():
        if other.name != "smoke":
            shutil.rmtree(other)
    yaml = YAML()
    pipeline = yaml.load((config.ROOT / "dvc.yaml").read_text())
    for part in ("metrics", "plots"):
        del pipeline[part]
    del pipeline["stages"]["show"]
    check = pipeline["stages"]["check"]
    assert CHECK in check["cmd"]
    check["cmd"] = check["cmd"].replace(CHECK, "")
    (folder / PIPELINE).unlink()
    yaml.dump(pipeline, folder / PIPELINE)
    params = folder / "studies" / "smoke" / "params.yaml"
    settings = yaml.load(params.read_text())
    for group, name in KEPT.items():
        settings[group] = {name: settings[group][name]}
    for part in ("ablated", "matched"):
        settings["grid"][part] = []  # a list each: one that both share is an alias in YAML
    with open(params, "w") as file:
        yaml.dump(settings, file)
    shutil.copy(config.ROOT / ".gitignore", folder)
    (folder / ".dvc").mkdir()
    shutil.copy(config.ROOT / ".dvc" / "config", folder / ".dvc")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


def again(folder: Path) -> None:
    shutil.rmtree(folder)
    repository(folder)


def repro(folder: Path, name: str = "told") -> subprocess.Popen:
    """`make repro` of that study, after the setting up; name: of the file with what the user is told."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "tools/repro.py", str(PIPELINE)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "PATH": path,
            **MARK,
        },
        stdout=subprocess.DEVNULL,
        stderr=open(folder / "build" / name, "w"),  # noqa: SIM115, closed with the process
    )


def told(folder: Path, name: str = "told") -> str:
    """The lines from the error on, without progress bars."""
    return (folder / "build" / name).read_text().rpartition("error: ")[2].strip()


def finish(folder: Path) -> None:
    assert repro(folder).wait(PATIENCE) == 0, told(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Path, float]:
    """The repository after an unbroken `make repro`, which is not to be touched, and the seconds that it
    took."""

    def run(folder: Path) -> None:
        started = time.monotonic()
        finish(repository(folder))
        (folder / "build" / "seconds").write_text(str(time.monotonic() - started))

    folder = shared(tmp_path_factory, "make-repro", run)
    return folder, float((folder / "build" / "seconds").read_text())


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """The same, to be touched."""
    return Path(shutil.copytree(finished[0], tmp_path / "study", symlinks=True))


def test_sigterm_to_make_repro_ends_every_training_after_its_epoch(finished, tmp_path, record_property):
    with trial(record_property, "SIGTERM to `make repro`") as noted:
        folder = repository(tmp_path / "study")
        process = repro(folder)
        until(lambda: epochs_kept(folder) >= 1, process)
        below = family(process)[1:]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 1 and not left(below)
        assert "stopped by SIGTERM" in told(folder) and len(told(folder).splitlines()) == 1
        assert_whole(folder)
        YAML(typ="safe").load((folder / PIPELINE).with_suffix(".lock").read_text())
        noted.update(kept="every finished stage and epoch", told=told(folder), lost="nothing")
        finish(folder)
        assert made(folder) == made(finished[0]) and not leftovers(folder)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.evidence)])
def test_make_repro_killed_again_and_again_ends_as_an_unbroken_one(seed, finished, tmp_path, record_property):
    """All at once: tools/repro.py, DVC, papermill and kernels."""
    chance, (whole, seconds), folder = random.Random(seed), finished, repository(tmp_path / "study")
    with ExitStack() as trials:
        for _ in range(KILLS):
            noted = trials.enter_context(
                trial(record_property, "kill -9 at a random moment: `make repro` and all below it")
            )
            # so that the last one dies near the end, and few end before: those begin anew
            killed(lambda: repro(folder), 2 * seconds / KILLS, chance, anew=lambda: again(folder))
            assert_whole(folder)
            lock = (folder / PIPELINE).with_suffix(".lock")
            assert not lock.exists() or YAML(typ="safe").load(lock.read_text())["stages"]
            noted.update(
                kept="every finished stage and epoch",
                told="nothing",
                lost="at most an epoch of each training",
            )
        finish(folder)
        assert made(folder) == made(whole) and not leftovers(folder)


def test_two_make_repro_at_once_make_what_one_makes(finished, tmp_path, record_property):
    with trial(record_property, "two `make repro` in one tree") as noted:
        folder = repository(tmp_path / "study")
        both = {name: repro(folder, name) for name in ("first", "second")}
        codes = {name: one.wait(2 * PATIENCE) for name, one in both.items()}
        words = [told(folder, name) for name, code in codes.items() if code]
        assert all("another run is at it" in line and "\n" not in line for line in words), words
        finish(folder)
        assert made(folder) == made(finished[0]) and not leftovers(folder)
        noted.update(kept="all", told="; ".join(words) or "nothing", lost="the time of the second")


def test_prepared_data_that_changed_are_noticed_and_made_anew(copy, finished, record_property):
    with trial(record_property, "prepared data changed on disk, then `make repro`") as noted:
        path = copy / "build/smoke/data/smoke/digits.npz"
        content = path.read_bytes()
        path.unlink()  # it may be a link into DVC's cache
        path.write_bytes(content[:-100] + bytes(100))
        finish(copy)
        assert made(copy) == made(finished[0])
        noted.update(kept="all else", told="the stage `data` runs again", lost="nothing")


def test_half_a_dvc_lock_is_told_in_a_line(copy, finished, record_property):
    """A bare `dvc repro` writes it in place: a `kill -9` in that moment leaves a part. `make repro` does not:
    test_repro.py."""
    with trial(record_property, "dvc.lock cut short, as by a kill of a bare `dvc repro`") as noted:
        lock = (copy / PIPELINE).with_suffix(".lock")
        content = lock.read_text()
        lock.write_text(content[: len(content) // 2] + "\n  - {")
        assert repro(copy).wait(PATIENCE) == 1
        first = told(copy).splitlines()[0]
        assert "dvc.lock" in first
        lock.write_text(content)  # git checkout dvc.lock
        finish(copy)
        assert made(copy) == made(finished[0])
        noted.update(kept="all results", told=first, lost="nothing after `git checkout dvc.lock`")
