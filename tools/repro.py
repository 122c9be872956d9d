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
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path

import networkx as nx
import psutil
from dvc.exceptions import DvcException
from dvc.repo import Repo
from tqdm import tqdm

LOGS = Path("build/logs")
TRIES = 2  # a kernel may lose the race for a port when many start at once
FINAL = ("error: ", "PapermillExecutionError")  # our own refusal, or a cell that failed: trying again would not help
OURS = ("error: ", "ConfigError: ", "DataError: ", "ResultsError: ", "WriteError: ", "TrainingError: ", "Stopped: ")
FULL = ("OSError: [Errno ", "PermissionError: [Errno ")  # of DVC and papermill, where a disk refuses
SHOWN = 25  # lines of a failed stage's log
# SIGTERM is passed on to kernels alone: by it DVC would leave half a dvc.lock, and papermill a kernel
HEEDLESS = ("sh", "-c", 'trap "" TERM; exec "$@"', "sh")
STOPPED = "stopped by SIGTERM; every finished epoch is kept: run the same command again, and it goes on from there"
stopping = threading.Event()


def generations(pipeline: str) -> list[list[str]]:
    """Addresses of the stages that `pipeline` needs, upstream first; those of one list do not need each other."""
    with Repo() as repo:
        graph = repo.index.graph
        wanted = [stage for stage in graph if stage.path_in_repo == pipeline]
        if not wanted:
            raise RuntimeError(f"{pipeline}: no stages there; known are {', '.join(sorted({s.path_in_repo for s in graph}))}")
        needed = graph.subgraph(set(wanted).union(*(nx.descendants(graph, stage) for stage in wanted)))
        return [sorted(stage.addressing for stage in level) for level in nx.topological_generations(needed.reverse())]


def stale(addresses: list[str]) -> list[str]:
    """Those of `addresses` that DVC would run."""
    # asked for all stages at once: naming each of thirty takes DVC ten times as long
    status = subprocess.run(["dvc", "--wait-for-lock", "status", "--json"], capture_output=True, text=True)
    if status.returncode != 0:
        raise RuntimeError(f"`dvc status` failed:\n{status.stderr.strip()}")
    changed = json.loads(status.stdout)
    return [address for address in addresses if address in changed]


def run_to_its_end(command: list[str], file) -> int:
    """Its exit status. Once SIGTERM has come, all below it is told so every second: a kernel that starts does not hear yet."""
    with subprocess.Popen([*HEEDLESS, *command], stdout=file, stderr=subprocess.STDOUT) as process:
        while True:
            try:
                return process.wait(1)
            except subprocess.TimeoutExpired:
                for below in psutil.Process(process.pid).children(recursive=True) if stopping.is_set() else ():
                    with suppress(psutil.NoSuchProcess):
                        below.terminate()


def reproduce(address: str) -> tuple[str, float]:
    """Runs one stage; its output goes to build/logs. raises: RuntimeError that shows the end of it"""
    if stopping.is_set():
        raise RuntimeError(STOPPED)
    log = LOGS / f"{address.replace('/', '-').replace(':', '-')}.log"
    started = time.monotonic()
    for _ in range(TRIES):
        with open(log, "w") as file:
            code = run_to_its_end(["dvc", "--wait-for-lock", "repro", "-s", address], file)
        if code == 0:
            return address, time.monotonic() - started
        if stopping.is_set():
            raise RuntimeError(STOPPED)
        text = log.read_text(errors="replace")
        if any(mark in text for mark in FINAL):
            break
    ours = [line for line in text.splitlines() if line.startswith((*OURS, *FULL))]
    raise RuntimeError(f"stage {address} failed; the end of {log}:\n" + "\n".join(ours[-1:] or text.splitlines()[-SHOWN:]))


def reproduce_all(addresses: list[str]) -> None:
    """Runs stages that do not need each other, as many at once as there are cores; after a failure no further one starts."""
    with (
        tqdm(total=len(addresses), unit="stage", desc=addresses[0].split("@")[0]) as bar,
        ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) as pool,
    ):
        try:
            for future in as_completed([pool.submit(reproduce, address) for address in addresses]):
                address, seconds = future.result()
                bar.write(f"  {address}  {seconds:.0f} s")
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def main() -> None:
    pipeline = sys.argv[1] if len(sys.argv) > 1 else "dvc.yaml"
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    LOGS.mkdir(parents=True, exist_ok=True)
    levels = generations(pipeline)
    if stale([address for level in levels for address in level]):
        for level in levels:
            todo = stale(level)
            if todo:
                reproduce_all(todo)
    last = subprocess.run(["dvc", "repro", pipeline], capture_output=True, text=True)
    if last.returncode != 0 or "up to date" not in last.stdout:
        raise RuntimeError(f"the closing `dvc repro` still had something to do:\n{last.stdout}{last.stderr}")
    print(last.stdout.splitlines()[-1])


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, DvcException) as error:
        sys.exit(f"error: {error}")
