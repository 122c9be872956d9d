"""A kernel as JupyterLab has it: cells of "run all" arrive one by one, the error of one stops the next."""

import sys
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

SETTINGS = Path(sys.prefix, "etc", "ipython", "ipython_kernel_config.py")
pytestmark = pytest.mark.skipif(not SETTINGS.exists(), reason="an environment that make has not set up")


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def status(kernel, asked: str) -> str:
    while (reply := kernel.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != asked:
        pass
    return reply["content"]["status"]


def test_a_cell_that_arrives_after_the_error_above_it_is_not_run(kernel):
    refused = kernel.execute("raise ValueError")
    assert status(kernel, refused) == "error"
    time.sleep(0.1)  # as late as that without the setting it runs
    assert status(kernel, kernel.execute("done = True")) == "aborted"
    time.sleep(2)  # somebody mends the cell and runs it
    assert status(kernel, kernel.execute("done = True")) == "ok"
