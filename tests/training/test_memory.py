"""Freed memory that is kept is not faulted in again."""

import subprocess
import sys

import pytest

from lib.core.memory import keep_freed

FAULTS = """
import resource, sys
import torch
from lib.core.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
for number in range(60):  # after some, all that is asked for has been there before
    if number == 40:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 * 2**20 // 4)  # 64 MiB, given back at once
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Pages faulted in by the last 20 of 60 equal requests."""
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed(), reason="no glibc")
def test_memory_that_is_kept_is_not_faulted_in_again():
    given, kept = faults("give"), faults("keep")
    assert given > 200_000 and 20 * kept < given, (given, kept)
