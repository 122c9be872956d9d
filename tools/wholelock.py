"""`dvc`, with a dvc.lock that is always whole: `python tools/wholelock.py repro -s data@cifar10`.

DVC writes dvc.lock in place, for about a second a stage where a study has sixty of them. A `kill -9` in that second would leave
a part: no later run could read it, or it would train again what the lost part knew to be done.
"""

import os
import sys

from dvc.cli import main
from dvc.utils.serialize import _common

in_place = _common._dump_data


def beside(path, data, dumper, fs=None, **arguments) -> None:
    """Writes as DVC does, but moved into place when whole. DVC's own lock is held, so that two never write at once."""
    part = f"{os.path.realpath(path)}.part"  # left by a kill, it is ignored by git and written over by the next one
    in_place(part, data, dumper, fs, **arguments)
    os.replace(part, os.path.realpath(path))


def keep_whole() -> None:
    """From now on in this process."""
    _common._dump_data = beside


if __name__ == "__main__":
    keep_whole()
    sys.exit(main(sys.argv[1:]))
