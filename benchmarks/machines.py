"""A small study on local clusters of machines (raylets) with a core each: wall time at 1 and 2; a worker or a
machine killed.

    python benchmarks/machines.py time worker machine          (any of these; a minute or two each;
    requirements-cluster.txt)

Each run gets a repository of its own and starts from nothing; its results are compared with those of a plain
`dvc repro`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
TREES = ("lib", "notebooks", "studies", "tools", "results")
FILES = ("params.yaml", "dvc.yaml", "dvc.lock", ".gitignore", ".dvcignore")
PIPELINE = "studies/tiny/dvc.yaml"
KEPT = {"methods": ("sca", "only-prune", "random"), "weights": ("pq",)}  # what the check asks for
STAGES = ("check", "code", "data", "warmup", "dense", "channels", "weights")
SHOWN = ("accuracy", "density")
SEEDS = [0, 1]


def tiny() -> dict:
    """The params.yaml of the smoke study with two seeds and few methods: five stages train."""
    study = YAML(typ="safe").load(ROOT / "studies/smoke/params.yaml")
    study |= {"study": "tiny", "params": "studies/tiny/params.yaml", "out": "build/tiny"}
    study["grid"]["seeds"] = SEEDS
    return study | {group: {name: study[group][name] for name in names} for group, names in KEPT.items()}


def repository(folder: Path) -> Path:
    """A copy of this one, without data, runs or builds, and with the tiny study."""
    for name in TREES:
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        )
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (folder / "build").mkdir()
    (folder / "studies" / "tiny").mkdir()
    pipeline = YAML().load(ROOT / "dvc.yaml")  # in the order that names of stages follow
    stages = {name: pipeline["stages"][name] for name in STAGES}
    show = pipeline["stages"]["show"]
    stages["show"] = {**show, "foreach": {name: show["foreach"][name] for name in SHOWN}}
    YAML().dump({"vars": pipeline["vars"], "stages": stages}, folder / PIPELINE)
    YAML(typ="safe").dump(tiny(), folder / PIPELINE.replace("dvc", "params"))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def start(folder: Path, machines: int) -> Cluster:
    """A head that runs no stage, and `machines` with a core each; all import the copy's lib/."""
    os.environ |= {"PYTHONPATH": str(folder), "RAY_USAGE_STATS_ENABLED": "0", "DVC_NO_ANALYTICS": "1"}
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(machines):
        cluster.add_node(num_cpus=1)
    return cluster


def is_guard(process: psutil.Process) -> bool:
    return any(word.endswith("guard.py") for word in process.cmdline())


def stage_of(process: psutil.Process) -> str:
    """The stage that a Ray worker runs: that of the guard below it. Empty for any other process."""
    guards = [] if is_guard(process) else [child for child in process.children() if is_guard(child)]
    return guards[0].environ()["DVC_STAGE"] if guards else ""


def in_training(folder: Path) -> psutil.Process:
    """Waits for a stage of channels that has kept an epoch; returns its Ray worker."""
    while True:
        for worker in psutil.process_iter():
            try:
                if "channels@" in stage_of(worker) and list(folder.glob("build/resume/*/0.pt")):
                    return worker
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        time.sleep(0.05)


def kill(folder: Path, whole_machine: bool) -> tuple[str, list[psutil.Process]]:
    """SIGKILL to a worker in mid-training, or to the raylet above it; returns its stage and what then ran
    below the worker."""
    worker = in_training(folder)
    below = worker.children(recursive=True)
    name = stage_of(worker)
    target = worker.parent() if whole_machine else worker
    target.send_signal(signal.SIGKILL)
    target.wait()  # a raylet here is our child: until it is reaped, its workers take it for alive
    return name.split("@")[1], below


def on_ray(folder: Path, machines: int, killed: str | None = None) -> float:
    """Seconds of the study on a cluster; if asked, a worker or a machine is killed on the way."""
    cluster = start(folder, machines)
    try:
        started = time.monotonic()
        with open(folder / "build" / "cluster.log", "w") as log:
            command = [sys.executable, "tools/cluster.py", PIPELINE, cluster.address]
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        if killed:
            key, below = kill(folder, killed == "machine")
            _, alive = psutil.wait_procs(below, timeout=5)
            assert not alive, f"outlived their worker: {alive}"
        assert process.wait() == 0, (folder / "build" / "cluster.log").read_text()
        seconds = time.monotonic() - started
        if killed:
            print(
                f"  {killed} of {key} killed, {len(below)} processes with it; "
                f"{epochs(folder, key)} epochs were left to train"
            )
        return seconds
    finally:
        cluster.shutdown()


def epochs(folder: Path, key: str) -> str:
    """Of a channels stage, as its last try's progress bars show them: how many it trained, of how many."""
    text = (folder / f"build/tiny-channels-{key}.ipynb").read_text()
    shown = dict(
        re.findall(r"seed (\d+): 100%\|[^|]*\| (\d+)/\2 ", text)
    )  # a bar may be there more than once
    return (
        f"{sum(map(int, shown.values()))} of {len(SEEDS) * tiny()['tasks']['digits-vgg']['train']['epochs']}"
    )


def results(folder: Path) -> dict[str, bytes]:
    found = (folder / "build/tiny/results").rglob("*.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def compare(folder: Path, reference: dict[str, bytes]) -> str:
    status = subprocess.run(
        ["dvc", "status", PIPELINE], cwd=folder, capture_output=True, text=True
    ).stdout.strip()
    made = results(folder)
    equal = sum(made.get(name) == content for name, content in reference.items())
    return (
        f"{equal} of {len(reference)} results equal, byte for byte, and {len(made) - equal} others; "
        f"dvc status: {status}"
    )


def main() -> None:
    runs = {"time": [(1, None), (2, None)], "worker": [(2, "worker")], "machine": [(2, "machine")]}
    with tempfile.TemporaryDirectory() as folder:
        plain = repository(Path(folder) / "plain")
        os.environ["PYTHONPATH"] = str(plain)
        started = time.monotonic()
        subprocess.run(["dvc", "repro", PIPELINE], cwd=plain, check=True, stdout=subprocess.DEVNULL)
        print(f"dvc repro: {time.monotonic() - started:.0f} s")
        for number, (machines, killed) in enumerate(one for name in sys.argv[1:] for one in runs[name]):
            copy = repository(Path(folder) / f"ray-{number}")
            seconds = on_ray(copy, machines, killed)
            print(
                f"Ray, {machines} machine(s), {killed or 'nothing'} killed: {seconds:.0f} s; "
                f"{compare(copy, results(plain))}"
            )


if __name__ == "__main__":
    main()
