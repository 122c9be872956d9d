"""python tools/guard.py PARENT COMMAND...: runs a command, and ends all its processes as soon as process PARENT is gone.

A worker of Ray may be killed, or die with its machine's raylet: a kernel that went on after it would write beside the next try.
Kernels are in no process group of papermill's, and look for their parent's death where nothing but `init` adopts them; so this
process adopts them (Linux: prctl), asks to be told of its parent's death, and then kills whatever is below it.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def end_all(*_signal) -> None:
    """SIGKILL to every process below this one, until there is none; then this one ends, too."""
    while children := psutil.Process().children(recursive=True):
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)
    os._exit(1)


def main() -> int:
    signal.signal(signal.SIGTERM, end_all)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):  # it died before it could be asked after
        return 1
    return subprocess.run(sys.argv[2:]).returncode


if __name__ == "__main__":
    sys.exit(main())
