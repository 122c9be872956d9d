"""All that is asked of DVC beyond its command line and its files: what another version may change stands
here, and only here.

    python tools/dvc_inside.py repro -s data@cifar10

is `dvc` with a dvc.lock that is always whole. DVC writes dvc.lock in place, for about a second a stage where
a study has sixty of them. A `kill -9` in that second would leave a part: no later run could read it, or it
would train again what the lost part knew to be done. And it notes which process is at which file, but takes a
killed one, for as long as nobody has asked for its status, for one that is still at it.
"""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import dvc
import networkx as nx
import psutil
from told import Refused

TRIED = ("3.67.1",)  # versions with which tests/pipeline pass

if dvc.__version__ not in TRIED:
    sys.exit(
        f"error: dvc {dvc.__version__}: tools/dvc_inside.py was tried with {', '.join(TRIED)}; install it by "
        f"`pip install -r requirements.txt`, or run tests/pipeline and add this version to TRIED"
    )

from dvc import rwlock
from dvc.cli import main
from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.utils.serialize import _common
from scmrepo.exceptions import SCMError

KNOWN = (DvcException, SCMError)  # its messages say what to do


class Stage(NamedTuple):
    """address: as `dvc repro` takes it, seen from the root; pipeline: its dvc.yaml; needs: addresses of other
    stages

    reads, writes: absolute paths; kept: those of `writes` that DVC does not delete before it runs the stage
    params: {absolute path of a params.yaml: the keys that it watches there}
    """

    address: str
    name: str
    pipeline: str
    command: str
    wdir: str
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    kept: tuple[str, ...]
    params: dict[str, tuple[str, ...]]


def stage_of(found, needs) -> Stage:
    params = [dep for dep in found.deps if isinstance(dep, ParamsDependency)]
    return Stage(
        address=found.addressing,
        name=found.name,
        pipeline=found.path_in_repo,
        command="\n".join(found.cmd if isinstance(found.cmd, list) else found.cmd.splitlines()),
        wdir=found.wdir,
        needs=tuple(sorted(other.addressing for other in needs)),
        reads=tuple(dep.fs_path for dep in found.deps if dep not in params),
        writes=tuple(out.fs_path for out in found.outs),
        kept=tuple(out.fs_path for out in found.outs if out.persist),
        params={dep.fs_path: tuple(dep.params) for dep in params},
    )


def stages() -> dict[str, Stage]:
    """{address: stage} of all pipelines that DVC sees, upstream first."""
    with Repo() as repo:
        graph = repo.index.graph  # edges lead from a stage to what it needs
        found = nx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: stage.addressing)
        return {stage.addressing: stage_of(stage, graph.successors(stage)) for stage in found}


def needed(pipeline: str) -> dict[str, Stage]:
    """{address: stage} of one pipeline and all that it needs, other files' too, upstream first.

    raises: Refused if `pipeline` holds no stage
    """
    found = stages()
    wanted = {address for address, stage in found.items() if stage.pipeline == pipeline}
    if not wanted:
        with Repo() as repo:
            if repo.dvcignore.is_ignored_file(pipeline):
                raise Refused(f"{pipeline}: .dvcignore leaves it out; take its line out of that file")
        known = ", ".join(sorted({stage.pipeline for stage in found.values()}))
        raise Refused(f"{pipeline}: no stages there; known are {known}")
    for address in reversed(found):
        if address in wanted:
            wanted.update(found[address].needs)
    return {address: stage for address, stage in found.items() if address in wanted}


def root() -> Path:
    return Path(Repo.find_root())


def forget_half_a_note() -> None:
    """DVC notes in place who reads and writes what. After a kill in that moment it would refuse to run."""
    note = Path(".dvc/tmp/rwlock")
    if not note.exists():
        return
    with (
        suppress(LockError),
        make_lock(f"{note}.lock", tmp_dir=note.parent),
    ):  # who holds it writes the note now
        try:
            json.loads(note.read_text())
        except ValueError:
            note.unlink(missing_ok=True)


def is_due(address: str) -> bool:
    """Whether DVC would run the stage now."""
    with Repo(_wait_for_lock=True) as repo, repo.lock:
        (stage,) = repo.stage.collect(address)
        return stage.changed()


def record(address: str) -> None:
    """Enters what a stage has read and written into dvc.lock and the cache. raises: DvcException"""
    with Repo(_wait_for_lock=True) as repo:
        repo.commit(address, force=True)


in_place = _common._dump_data


def beside(path, data, dumper, fs=None, **arguments) -> None:
    """Writes as DVC does, but moved into place when whole. DVC's own lock is held, so that two never write at
    once."""
    # left by a kill, it is ignored by git and written over by the next one
    part = f"{os.path.realpath(path)}.part"
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
