"""Runs a study's stale stages on all cores, in the order of DVC's own graph, then a plain `dvc repro`, which finds nothing to do.

    python tools/repro.py [dvc.yaml]

DVC runs one stage at a time; several `dvc repro` beside each other break each other's locks, unless each runs one stage
(`-s`) and waits for the lock. Each stage keeps to the threads that params.yaml gives it.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import networkx as nx
from dvc.repo import Repo
from tqdm import tqdm

LOGS = Path("build/logs")
TRIES = 2  # a kernel may lose the race for a port when many start at once


def generations(pipeline: str) -> list[list[str]]:
    """Addresses of the stages that `pipeline` needs, upstream first; those of one list do not need each other."""
    with Repo() as repo:
        graph = repo.index.graph
        wanted = [stage for stage in graph if stage.path_in_repo == pipeline]
        needed = graph.subgraph(set(wanted).union(*(nx.descendants(graph, stage) for stage in wanted)))
        return [sorted(stage.addressing for stage in level) for level in nx.topological_generations(needed.reverse())]


def stale(addresses: list[str]) -> list[str]:
    """Those of `addresses` that DVC would run."""
    status = subprocess.run(["dvc", "--wait-for-lock", "status", "--json", *addresses], check=True, capture_output=True, text=True)
    return [address for address in addresses if address in json.loads(status.stdout)]


def reproduce(address: str) -> tuple[str, float]:
    """Runs one stage; its output goes to build/logs. raises: SystemExit that shows the end of it"""
    log = LOGS / f"{address.replace('/', '-').replace(':', '-')}.log"
    started = time.monotonic()
    for _ in range(TRIES):
        with open(log, "w") as file:
            done = subprocess.run(["dvc", "--wait-for-lock", "repro", "-s", address], stdout=file, stderr=subprocess.STDOUT)
        if done.returncode == 0:
            return address, time.monotonic() - started
        if "error: " in log.read_text():  # our own one-line refusal: trying again would not help
            break
    raise RuntimeError(f"stage {address} failed; the end of {log}:\n" + "\n".join(log.read_text().splitlines()[-25:]))


def main() -> None:
    pipeline = sys.argv[1] if len(sys.argv) > 1 else "dvc.yaml"
    LOGS.mkdir(parents=True, exist_ok=True)
    for level in generations(pipeline):
        todo = stale(level)
        bar = tqdm(total=len(todo), unit="stage", disable=not todo, desc=todo[0].split("@")[0] if todo else "")
        with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            for future in as_completed([pool.submit(reproduce, address) for address in todo]):
                address, seconds = future.result()
                bar.write(f"  {address}  {seconds:.0f} s")
                bar.update()
    sys.exit(subprocess.run(["dvc", "repro", pipeline]).returncode)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"error: {error}")
