import sys
from dataclasses import replace

import pytest
import torch

from lib import config, data

sys.path.insert(0, str(config.ROOT / "tools"))  # networks that spike: tools/spiking.py


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
    return replace(digits, train=tuple(part[:500] for part in digits.train))


def pytest_terminal_summary(terminalreporter):
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    found = [value for report in reports for name, value in report.user_properties if name == "largest_difference"]
    if found:
        terminalreporter.write_line(f"masked and compact, float64: {max(found):.2g} apart at most in {len(found)} runs")
