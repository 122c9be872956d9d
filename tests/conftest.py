import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from processes import STAGES, left, ours, tiny, unbroken

from lib import data


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    data.save(data.prepare("digits", path.parent, 0.125, 2020), path)
    return data.load(path)


@pytest.fixture(scope="session")
def few_digits(digits):
    """Five batches of 25, and few images to validate and test on: what a training does, not how well."""
    few = {part: 125 if part == "train" else 60 for part in ("train", "validation", "test")}
    return replace(digits, **{part: tuple(of[:n] for of in getattr(digits, part)) for part, n in few.items()})


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A tiny one, which is the working directory for the time of a test."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.chdir(tiny(tmp_path / "repository"))
    return tmp_path / "repository"


@pytest.fixture
def nothing_left():
    """A test of processes leaves none running; if it fails, what it has left is ended."""
    yield
    found = left([process for process in psutil.process_iter() if ours(process)])
    for process in found:
        process.kill()
    assert not found


@pytest.fixture(scope="session")
def every_stage(tmp_path_factory):
    return unbroken(tmp_path_factory, *STAGES)


@pytest.fixture(scope="session")
def channels(tmp_path_factory):
    """The stage alone: it prepares the data itself."""
    return unbroken(tmp_path_factory, "channels")


@pytest.fixture(scope="session")
def prepared(channels) -> dict[str, bytes]:
    """What it makes."""
    return channels.files["channels"]


def pytest_terminal_summary(terminalreporter):
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    found = [
        value for report in reports for name, value in report.user_properties if name == "largest_difference"
    ]
    if found:
        terminalreporter.write_line(
            f"masked and compact, float64: {max(found):.2g} apart at most in {len(found)} runs"
        )
