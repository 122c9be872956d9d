"""Runs a study's stale stages on a Ray cluster, in the order of DVC's graph, then a plain `dvc repro`.

    python tools/cluster.py dvc.yaml auto

`make repro RAY=auto` calls it so; docs/machines.md says when, and how such a cluster is started.

Each stage is three calls that wait for each other as Ray's object references: `due` once all it needs is
recorded, `run` on any machine with room, `record`. Workers run a stage's command and know nothing of DVC; DVC
is asked and told by one process on the machine where this was started. The file system is shared, at the same
path.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import told
from dvc_inside import KNOWN, Stage, forget_half_a_note, is_due, keep_whole, needed, record
from repro import LOGS, close, downstream, failure, is_final, log_of, stale
from ruamel.yaml import YAML
from told import Refused
from tqdm import tqdm

try:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ModuleNotFoundError:
    ray = None

GUARD = Path(__file__).with_name("guard.py")
RETRIES = 3  # of a stage whose worker or machine died, or whose kernel lost the race for a port
PASSED = (
    "SNN_DATA",
)  # of the environment here: what a study reads. The rest of it, the GPUs too, is the worker's own


class Job(NamedTuple):
    address: str
    command: str
    wdir: str
    upstream: tuple[str, ...]  # addresses of other jobs
    cleared: tuple[str, ...]  # what DVC would delete before it runs the stage
    threads: int
    trains: bool
    environment: dict[str, str]


def job_of(stage: Stage, upstream: set[str]) -> Job:
    """What a worker needs to know of a DVC stage. Those that train are those that read `threads` of a
    params.yaml."""
    params = [Path(path) for path, keys in stage.params.items() if "threads" in keys]
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    return Job(
        address=stage.address,
        command=stage.command,
        wdir=stage.wdir,
        upstream=tuple(sorted(upstream)),
        cleared=tuple(path for path in stage.writes if path not in stage.kept),
        threads=max((YAML(typ="safe").load(path)["threads"] for path in params), default=1),
        trains=bool(params),
        environment={"DVC_STAGE": stage.address, "DVC_ROOT": os.getcwd(), **passed},
    )


def jobs(pipeline: str) -> list[Job]:
    """The stages that `pipeline` needs and that are stale or need one that is, upstream first."""
    stages = needed(pipeline)
    todo = downstream({address: set(stage.needs) for address, stage in stages.items()}, stale(list(stages)))
    return [job_of(stages[address], upstream) for address, upstream in todo.items()]


def gpu_share(text: str) -> float:
    """The part of a GPU that a training takes; none if nothing is said. raises: Refused"""
    try:
        share = float(text or 0)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise Refused(
            f"GPU_SHARE: {text!r}: the part of a GPU that a training takes: give a number from 0 to 1"
        )
    return share


def resources(job: Job, share: float) -> dict:
    return {"num_cpus": job.threads, "num_gpus": share if job.trains else 0}


def refuse(todo: list[Job], share: float, machines: list[dict]) -> None:
    """Raises Refused if a job has no machine that is large enough: Ray would wait for one without end.

    machines: what each offers, as Ray writes it: {"CPU": 4.0, "GPU": 1.0, ...}
    """
    for job in todo:
        asked = {"CPU": job.threads, "GPU": share if job.trains else 0}
        if not any(all(machine.get(unit, 0) >= much for unit, much in asked.items()) for machine in machines):
            asks = f"threads {job.threads}" + f" and GPU_SHARE {share:g}" * (asked["GPU"] > 0)
            raise Refused(f"{job.address}: {asks}: no machine of the cluster has as much; lower it")


class Head:
    """All that is asked and told of DVC while stages run: one process, one call at a time, and no fight for a
    lock."""

    def __init__(self, root: str):
        os.chdir(root)  # DVC's addresses are as seen from here
        keep_whole()

    def due(self, address: str, *_recorded) -> bool:
        """Whether DVC would run the stage, now that all it needs is recorded."""
        return is_due(address)

    def record(self, address: str, seconds: float | None) -> float | None:
        """Enters what a stage has read and written into dvc.lock and the cache; nothing if it did not run.

        raises: Refused if it has not written what it should
        """
        try:
            if seconds is not None:
                record(address)
        except KNOWN as error:  # these lose their message on the way to another process
            raise Refused(f"stage {address}: {error}") from None
        return seconds


def run(job: Job, due: bool) -> float | None:
    """Runs a stage's command if it is due; returns the seconds. Its output goes to build/logs.

    raises: RuntimeError that shows the end of it; ConnectionError, which Ray tries again, if another try
    might do
    """
    if not due:
        return None
    for path in map(Path, job.cleared):
        rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    # Ray's own Python: of the same environment
    here = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    log = Path(job.environment["DVC_ROOT"]) / log_of(job.address)
    started = time.monotonic()
    with open(log, "w") as file:
        done = subprocess.run(
            [sys.executable, GUARD, str(os.getpid()), "/bin/sh", "-e", "-c", job.command],
            cwd=job.wdir,
            env={**os.environ, **job.environment, "PATH": here},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        text = log.read_text(errors="replace")
        raise (RuntimeError if is_final(text) else ConnectionError)(failure(job.address, text))
    return time.monotonic() - started


def connect(address: str) -> None:
    """raises: Refused, one line, if there is no cluster to be had at `address`"""
    if ray is None:
        raise Refused("RAY: ray is not installed; pip install -r requirements-cluster.txt")
    if sys.platform != "linux":
        raise Refused(f"RAY: {sys.platform}: stages end with their worker on Linux only; leave RAY out")
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        said = (
            "no cluster answers" if isinstance(error, ConnectionError) else str(error).strip().splitlines()[0]
        )
        raise Refused(f"RAY: {address!r}: {said}; `ray start --head` starts one, RAY=auto finds it") from None


def submit(todo: list[Job], share: float) -> dict:
    """Hands all jobs to Ray at once; returns {reference to what `record` returns: job}, upstream first."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # out of order: what waits for its stage must not hold up what does not
    settings = {"allow_out_of_order_execution": True, "max_restarts": RETRIES, "max_task_retries": RETRIES}
    head = ray.remote(num_cpus=0, scheduling_strategy=here, **settings)(Head).remote(os.getcwd())
    task = ray.remote(max_retries=RETRIES, retry_exceptions=[ConnectionError])(run)
    recorded = {}
    for job in todo:
        due = head.due.remote(job.address, *(recorded[address] for address in job.upstream))
        seconds = task.options(name=job.address, **resources(job, share)).remote(job, due)
        recorded[job.address] = head.record.remote(job.address, seconds)
    return {recorded[job.address]: job for job in todo}


def follow(waiting: dict) -> None:
    """Shows each stage as it is recorded. What does not need a failed stage goes on. raises: Refused if one
    has failed"""
    failed = set()
    total = len(waiting)
    with tqdm(total=total, unit="stage") as bar:
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(ready)
            try:
                seconds = ray.get(ready)
                bar.write(f"  {job.address}  " + ("unchanged" if seconds is None else f"{seconds:.0f} s"))
            except ray.exceptions.RayError as error:
                if failed.isdisjoint(job.upstream):  # else the one upstream has said why
                    said = str(getattr(error, "cause", None) or error)
                    bar.write(
                        said if job.address in said else f"stage {job.address}: {said}", file=sys.stderr
                    )
                failed.add(job.address)
            bar.update()
    if failed:
        raise Refused(
            f"{len(failed)} of {total} stages failed, or need one that did: {', '.join(sorted(failed))}"
        )


def main() -> None:
    pipeline, address = sys.argv[1:]
    forget_half_a_note()
    share = gpu_share(os.environ.get("GPU_SHARE", ""))
    LOGS.mkdir(parents=True, exist_ok=True)
    todo = jobs(pipeline)
    if todo:
        connect(address)
        refuse(todo, share, [machine["Resources"] for machine in ray.nodes() if machine["Alive"]])
        follow(submit(todo, share))
    close(pipeline)


if __name__ == "__main__":
    told.run(main, *KNOWN)
