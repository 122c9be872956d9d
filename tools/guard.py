"""python tools/guard.py PARENT COMMAND...: runs a command, and ends all its processes as soon as process
PARENT is gone.

A worker of Ray may be killed, or end because its machine's raylet died: a kernel that went on after it would
write beside the next try. Kernels are in no process group of papermill's, and see their parent's death only
where `init` adopts them; so a process here adopts them (Linux: prctl), asks to be told of its own parent's
death, and then kills whatever is below it.

There are two such processes: a worker that ends in good order kills those right below it, and the dead clear
nothing up.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

PR_SET_PDEATHSIG = 1  # both: linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
prctl = ctypes.CDLL(None).prctl


def follow(parent: int, sent: int) -> None:
    """Has this process sent a signal as soon as its parent dies; ends it if that has happened already."""
    prctl(PR_SET_PDEATHSIG, sent)
    if os.getppid() != parent:
        sys.exit(1)


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
    follow(int(sys.argv[1]), signal.SIGKILL)
    outer = os.getpid()
    if inner := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    signal.signal(signal.SIGTERM, end_all)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    follow(outer, signal.SIGTERM)
    return subprocess.run(sys.argv[2:]).returncode


if __name__ == "__main__":
    sys.exit(main())
