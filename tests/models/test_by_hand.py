"""The kernels written by hand for GPUs give what is compiled for CPUs: they are interpreted here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lib.models.kernels import by_hand
from lib.settings.config import ROOT

pytest.importorskip("triton")


@pytest.fixture(scope="module")
def apart() -> dict[str, float]:
    """{case: largest difference}. In a process of its own: Triton asks once whether it interprets."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    script = Path(__file__).with_name("by_hand.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_they_give_what_is_compiled(apart):
    """In float32: rounding alone; a spike that differs would be 1."""
    assert len(apart) == 36
    assert {case: found for case, found in apart.items() if not found < 2e-5} == {}


def test_on_a_cpu_nothing_is_computed_by_them():
    assert by_hand(torch.zeros(1)) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_they_are_for_all_but_float64():
    there = torch.zeros(1, device="cuda")
    assert by_hand(there) is not None and by_hand(there.double()) is None
