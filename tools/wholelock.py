"""`dvc`, with a dvc.lock that is always whole: `python tools/wholelock.py repro -s data@cifar10`.

DVC writes dvc.lock in place, for about a second a stage where a study has sixty of them. A `kill -9` in that second would leave
a part: no later run could read it, or it would train again what the lost part knew to be done. And it notes which process is at
which file, but takes a killed one, for as long as nobody has asked for its status, for one that is still at it.
"""

import os
import sys
from types import SimpleNamespace

import psutil
from dvc import rwlock
from dvc.cli import main
from dvc.utils.serialize import _common

in_place = _common._dump_data


def beside(path, data, dumper, fs=None, **arguments) -> None:
    """Writes as DVC does, but moved into place when whole. DVC's own lock is held, so that two never write at once."""
    part = f"{os.path.realpath(path)}.part"  # left by a kill, it is ignored by git and written over by the next one
    in_place(part, data, dumper, fs, **arguments)
    os.replace(part, os.path.realpath(path))


def lives(pid: int) -> bool:
    """Whether a process is there, and not dead."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def keep_whole() -> None:
    """From now on in this process."""
    _common._dump_data = beside
    rwlock.psutil = SimpleNamespace(pid_exists=lives)


if __name__ == "__main__":
    keep_whole()
    sys.exit(main(sys.argv[1:]))
