"""Runs a study's stale stages on all cores, in the order of DVC's graph, then a plain `dvc repro`, which finds nothing to do.

    python tools/repro.py [dvc.yaml]

DVC runs one stage at a time; several `dvc repro` beside each other break each other's locks, unless each runs one stage
(`-s`) and waits for the lock. Each stage keeps to the threads that params.yaml gives it.

SIGTERM, as batch systems send it before their deadline, ends trainings after their epoch; the same command goes on from there.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path

import networkx as nx
import psutil
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from tqdm import tqdm

LOGS = Path("build/logs")
TRIES = 2  # a kernel may lose the race for a port when many start at once
FINAL = (
    "error: ",
    "PapermillExecutionError",
)  # our own refusal, or a cell that failed: trying again would not help
OURS = (
    "error: ",
    "ConfigError: ",
    "DataError: ",
    "ResultsError: ",
    "WriteError: ",
    "TrainingError: ",
    "Stopped: ",
)
FULL = ("OSError: [Errno ", "PermissionError: [Errno ")  # of DVC and papermill, where a disk refuses
BUSY = "is busy, it is being blocked by"  # DVC's word
OTHER = "another run is at it, and this one stops; nothing is lost: when that has ended, run again"
SHOWN = 25  # lines of a failed stage's log
# SIGTERM is passed on to kernels alone: by it papermill would leave a kernel, and DVC a stage that it has not entered
HEEDLESS = ("sh", "-c", 'trap "" TERM; exec "$@"', "sh")
DVC = (sys.executable, str(Path(__file__).with_name("wholelock.py")), "--wait-for-lock")
STOPPED = (
    "stopped by SIGTERM; every finished epoch is kept: run the same command again, and it goes on from there"
)
stopping = threading.Event()


def needed(repo: Repo, pipeline: str) -> nx.DiGraph:
    """The stages of `pipeline` and all that they need, other files' too; edges lead from a stage to what it needs.

    raises: RuntimeError if `pipeline` holds no stage, or DVC would refuse what a stage writes after it has run
    """
    graph = repo.index.graph
    wanted = [stage for stage in graph if stage.path_in_repo == pipeline]
    if not wanted and repo.dvcignore.is_ignored_file(pipeline):
        raise RuntimeError(
            f"{pipeline}: .dvcignore leaves it out, as nothing of it has been run; take its line out"
        )
    if not wanted:
        raise RuntimeError(
            f"{pipeline}: no stages there; known are {', '.join(sorted({s.path_in_repo for s in graph}))}"
        )
    found = graph.subgraph(set(wanted).union(*(nx.descendants(graph, stage) for stage in wanted)))
    root = Path(repo.root_dir)
    for stage in found:
        for out in stage.outs:
            stay_inside(root, Path(out.fs_path))
    return found


def stay_inside(root: Path, out: Path) -> None:
    """Raises RuntimeError if a link leads to what a stage writes, out of the repository: DVC refuses it at the end."""
    if not out.parent.resolve().is_relative_to(root.resolve()):
        link = next(
            (path for path in reversed(out.parents) if path.is_relative_to(root) and path.is_symlink()), out
        )
        raise RuntimeError(
            f"{link} leads to {link.resolve()}, and DVC follows no link out of the repository; put a folder there, and see "
            f"README.md, 'Another disk'"
        )


def order(pipeline: str) -> dict[str, set[str]]:
    """{address of each stage that `pipeline` needs: addresses of those that it needs itself}, upstream first."""
    with Repo() as repo:
        graph = needed(repo, pipeline)
        stages = nx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: stage.addressing)
        return {stage.addressing: {other.addressing for other in graph.successors(stage)} for stage in stages}


def downstream(graph: dict[str, set[str]], addresses: list[str]) -> dict[str, set[str]]:
    """The part of `order` that holds some stages and all that needs them."""
    found = set(addresses)
    for address, upstream in graph.items():
        if upstream & found:
            found.add(address)
    return {address: upstream & found for address, upstream in graph.items() if address in found}


def stale(addresses: list[str]) -> list[str]:
    """Those of `addresses` that DVC would run."""
    forget_half_a_note()
    # asked for all stages at once: naming each of thirty takes DVC ten times as long
    status = subprocess.run([*DVC, "status", "--json"], capture_output=True, text=True)
    if BUSY in status.stderr:
        raise RuntimeError(OTHER)
    if status.returncode != 0:
        raise RuntimeError(f"`dvc status` failed:\n{status.stderr.strip()}")
    changed = json.loads(status.stdout)
    return [address for address in addresses if address in changed]


def log_of(address: str) -> Path:
    return LOGS / f"{address.replace('/', '-').replace(':', '-')}.log"


def is_final(text: str) -> bool:
    """Whether a failed stage that said `text` would fail again."""
    return any(mark in text for mark in FINAL)


def failure(address: str, text: str) -> str:
    """What is said of a stage that failed and left `text` in its log: our own refusal, else the end of it."""
    if BUSY in text:
        return f"stage {address}: {OTHER}"
    ours = [line for line in text.splitlines() if line.startswith((*OURS, *FULL))]
    return f"stage {address} failed; the end of {log_of(address)}:\n" + "\n".join(
        ours[-1:] or text.splitlines()[-SHOWN:]
    )


def run_to_its_end(command: list[str], file) -> int:
    """Its exit status. Once SIGTERM has come, all below it is told so every second: a kernel that starts does not hear yet."""
    with subprocess.Popen([*HEEDLESS, *command], stdout=file, stderr=subprocess.STDOUT) as process:
        while True:
            try:
                return process.wait(1)
            except subprocess.TimeoutExpired:
                for below in (
                    psutil.Process(process.pid).children(recursive=True) if stopping.is_set() else ()
                ):
                    with suppress(psutil.NoSuchProcess):
                        below.terminate()


def reproduce(address: str) -> tuple[str, float]:
    """Runs one stage; its output goes to build/logs. raises: RuntimeError that shows the end of it"""
    if stopping.is_set():
        raise RuntimeError(STOPPED)
    log = log_of(address)
    started = time.monotonic()
    for _ in range(TRIES):
        with open(log, "w") as file:
            code = run_to_its_end([*DVC, "repro", "-s", address], file)
        if code == 0:
            return address, time.monotonic() - started
        if stopping.is_set():
            raise RuntimeError(STOPPED)
        text = log.read_text(errors="replace")
        if is_final(text):
            break
    raise RuntimeError(failure(address, text))


def reproduce_all(graph: dict[str, set[str]]) -> None:
    """Runs stages, as many at once as there are cores, each as soon as those that it needs are done; after a failure no further
    one starts. graph: as `order` gives it"""
    if not graph:
        return
    sorter, running = TopologicalSorter(graph), set()
    sorter.prepare()
    with (
        tqdm(total=len(graph), unit="stage") as bar,
        ThreadPoolExecutor(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        ) as pool,
    ):
        try:
            while sorter.is_active():
                running |= {pool.submit(reproduce, address) for address in sorter.get_ready()}
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for address, seconds in (future.result() for future in done):
                    bar.write(f"  {address}  {seconds:.0f} s")
                    bar.update()
                    sorter.done(address)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def forget_half_a_note() -> None:
    """DVC notes in place who reads and writes what. After a kill in that moment it would refuse to run."""
    note = Path(".dvc/tmp/rwlock")
    if not note.exists():
        return
    with (
        suppress(LockError),
        make_lock(f"{note}.lock", tmp_dir=note.parent),
    ):  # DVC's own; who holds it writes the note now
        try:
            json.loads(note.read_text())
        except ValueError:
            note.unlink(missing_ok=True)


def close(pipeline: str) -> None:
    """A plain `dvc repro`, which must find nothing to do. raises: RuntimeError with what it did instead"""
    last = subprocess.run([*DVC, "repro", pipeline], capture_output=True, text=True)
    if BUSY in last.stdout + last.stderr:
        raise RuntimeError(OTHER)
    if last.returncode != 0 or "up to date" not in last.stdout:
        raise RuntimeError(f"the closing `dvc repro` still had something to do:\n{last.stdout}{last.stderr}")
    print(last.stdout.splitlines()[-1])


def told(error: Exception) -> str:
    """One line of any exception: what a stage's log said stays whole; of git's and the system's own words, what to do."""
    text = str(error)
    if "dubious ownership" in text or "safe.directory" in text or "not owned by current user" in text:
        return (
            f"git: the clone belongs to another user; git config --global --add safe.directory {Path.cwd()}"
        )
    if isinstance(error, PermissionError):
        return f"{error.filename}: {error.strerror}: clone the repository as yourself, into a folder that is yours"
    if isinstance(error, (RuntimeError, DvcException)):
        return text
    return f"{type(error).__name__}: {' '.join(text.split())}"


def main() -> None:
    pipeline = sys.argv[1] if len(sys.argv) > 1 else "dvc.yaml"
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    LOGS.mkdir(parents=True, exist_ok=True)
    graph = order(pipeline)
    first = {address: set() for address, upstream in graph.items() if not upstream}
    if changed := stale(list(graph)):
        reproduce_all({address: first[address] for address in changed if address in first})
        reproduce_all(
            downstream(graph, stale(list(graph)))
        )  # asked anew: the first ones may have written what was there
    close(pipeline)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(f"error: {told(error)}")
