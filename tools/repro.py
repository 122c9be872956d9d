"""Runs a study's stale stages on all cores, in the order of DVC's graph, then a plain `dvc repro`, to find
none left.

    python tools/repro.py [dvc.yaml]
    python tools/repro.py dvc.yaml show      draws figures and tables of what is finished, and trains nothing

DVC runs one stage at a time; several `dvc repro` beside each other break each other's locks, unless each runs
one stage (`-s`) and waits for the lock. Each stage keeps to the threads that params.yaml gives it.

SIGTERM, as batch systems send it before their deadline, ends trainings after their epoch; the same command
goes on from there.
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

import psutil
import told
from dvc_inside import KNOWN, forget_half_a_note, needed
from told import Refused
from tqdm import tqdm

LOGS = Path("build/logs")
TRIES = 2  # a kernel may lose the race for a port when many start at once
FINAL = ("error: ", "PapermillExecutionError")  # our own refusal, or a cell that failed: it would fail again
ERRORS = (
    "Config",
    "Data",
    "Results",
    "Write",
    "Training",
    "Criterion",
)  # classes of ours, without their -Error
OURS = ("error: ", "Stopped: ", *(f"{name}Error: " for name in ERRORS))
FULL = ("OSError: [Errno ", "PermissionError: [Errno ")  # of DVC and papermill, where a disk refuses
BUSY = "is busy, it is being blocked by"  # DVC's word
OTHER = "another run is at it, and this one stops; nothing is lost: when that has ended, run again"
SHOWN = 25  # lines of a failed stage's log
# SIGTERM is passed on to kernels alone: by it papermill would leave a kernel, and DVC a stage that it has not
# entered
HEEDLESS = ("sh", "-c", 'trap "" TERM; exec "$@"', "sh")
DVC = (sys.executable, str(Path(__file__).with_name("dvc_inside.py")), "--wait-for-lock")
STOPPED = (
    "stopped by SIGTERM; every finished epoch is kept: run the same command again, and it goes on from "
    "there; `make figures` draws what is finished"
)
FIRST = "show@accuracy"  # what it needs runs before all else
stopping = threading.Event()


def order(pipeline: str) -> dict[str, set[str]]:
    """{each stage that `pipeline` needs: the stages that it needs itself}, by address, upstream first."""
    return {address: set(stage.needs) for address, stage in needed(pipeline).items()}


def ranks(graph: dict[str, set[str]]) -> dict[str, tuple[bool, int]]:
    """What the stages of a graph are sorted by where several may run: what FIRST needs, then as they
    stand."""
    sooner = {address for address in graph if address.rpartition(":")[2] == FIRST}
    for address in reversed(graph):
        if address in sooner:
            sooner |= graph[address]
    return {address: (address not in sooner, place) for place, address in enumerate(graph)}


def downstream(graph: dict[str, set[str]], addresses: list[str]) -> dict[str, set[str]]:
    """The part of `order` that holds some stages and all that needs them."""
    found = set(addresses)
    for address, upstream in graph.items():
        if upstream & found:
            found.add(address)
    return {address: upstream & found for address, upstream in graph.items() if address in found}


def stale(addresses: list[str]) -> list[str]:
    """Those of `addresses` that DVC would run."""
    # asked for all stages at once: naming each of thirty takes DVC ten times as long
    status = subprocess.run([*DVC, "status", "--json"], capture_output=True, text=True)
    if BUSY in status.stderr:
        raise Refused(OTHER)
    if status.returncode != 0:
        raise Refused(f"`dvc status` failed:\n{status.stderr.strip()}")
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
    """Its exit status. Once SIGTERM has come, all below it is told so every second: a kernel that starts does
    not hear yet."""
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
    """Runs one stage; its output goes to build/logs. raises: Refused that shows the end of it"""
    if stopping.is_set():
        raise Refused(STOPPED)
    log = log_of(address)
    started = time.monotonic()
    for _ in range(TRIES):
        with open(log, "w") as file:
            code = run_to_its_end([*DVC, "repro", "-s", address], file)
        if code == 0:
            return address, time.monotonic() - started
        if stopping.is_set():
            raise Refused(STOPPED)
        text = log.read_text(errors="replace")
        if is_final(text):
            break
    raise Refused(failure(address, text))


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def reproduce_all(graph: dict[str, set[str]]) -> None:
    """Runs stages, as many at once as there are cores, each as soon as those that it needs are done and those
    before it in `ranks` have begun; after a failure no further one starts. graph: as `order` gives it"""
    if not graph:
        return
    rank = ranks(graph)
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ready = []
    running = set()
    with tqdm(total=len(graph), unit="stage") as bar, ThreadPoolExecutor(cores()) as pool:
        while sorter.is_active():
            ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
            while ready and len(running) < cores():
                running.add(pool.submit(reproduce, ready.pop(0)))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for address, seconds in (future.result() for future in done):
                bar.write(f"  {address}  {seconds:.0f} s")
                bar.update()
                sorter.done(address)


def close(pipeline: str) -> None:
    """A plain `dvc repro`, which must find nothing to do. raises: Refused with what it did instead"""
    last = subprocess.run([*DVC, "repro", pipeline], capture_output=True, text=True)
    if BUSY in last.stdout + last.stderr:
        raise Refused(OTHER)
    if last.returncode != 0 or "up to date" not in last.stdout:
        raise Refused(f"the closing `dvc repro` still had something to do:\n{last.stdout}{last.stderr}")
    print(last.stdout.splitlines()[-1])


def show(pipeline: str) -> None:
    """Draws the figures and tables of whose results there is something, and says what the others wait for."""
    stages = [stage for stage in needed(pipeline).values() if stage.pipeline == pipeline]
    first = [stage.address for stage in stages if stage.name == "code"]
    reproduce_all({address: set() for address in first})
    drawn = {}
    for stage in (stage for stage in stages if stage.name.startswith("show@")):
        missing = [os.path.relpath(path) for path in stage.reads if not os.path.exists(path)]
        if missing:
            print(f"  {stage.address} waits for {', '.join(missing)}")
        else:
            drawn[stage.address] = set()
    reproduce_all(drawn)


def main() -> None:
    pipeline, *only = sys.argv[1:] or ["dvc.yaml"]
    if only not in ([], ["show"]):
        raise Refused(f"{' '.join(only)}: not known; after the pipeline `show` or nothing")
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    LOGS.mkdir(parents=True, exist_ok=True)
    forget_half_a_note()
    if only:
        return show(pipeline)
    graph = order(pipeline)
    if changed := stale(list(graph)):
        reproduce_all({address: set() for address in changed if not graph[address]})
        # asked anew: the first ones may have written what was there
        reproduce_all(downstream(graph, stale(list(graph))))
    close(pipeline)


if __name__ == "__main__":
    told.run(main, *KNOWN)
