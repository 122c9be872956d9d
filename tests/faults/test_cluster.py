"""tools/cluster.py on a tiny pipeline of shell stages: what is handed to Ray, what is refused, and a killed
worker.

Only the tests that start a cluster need Ray; they are skipped where it is not installed.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cluster as tool
import psutil
import pytest
from processes import PIPELINE, tiny

from lib.settings import config

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
TOOL = config.ROOT / "tools" / "cluster.py"
COMMAND = "cat ../raw.txt > run-${item.seed}.txt"
PATIENCE = 60  # seconds


def dvc(*arguments) -> str:
    return subprocess.run(["dvc", *arguments], check=True, capture_output=True, text=True).stdout


def job(**settings) -> tool.Job:
    here = {"DVC_ROOT": os.getcwd(), "DVC_STAGE": "run@0"}
    made = tool.Job(
        "run@0", "true", os.getcwd(), upstream=(), cleared=(), threads=1, trains=True, environment=here
    )
    return made._replace(**settings)


def test_jobs_are_upstream_first_and_hold_what_a_worker_needs(repository, monkeypatch):
    monkeypatch.setenv("SNN_DATA", "/data")
    (repository / "params.yaml").write_text("threads: 3\n")
    raw, first, second, figure = tool.jobs("dvc.yaml")
    assert [one.address for one in (raw, first, second, figure)] == ["raw", "run@0", "run@1", "figure"]
    assert [one.upstream for one in (raw, first, figure)] == [(), ("raw",), ("run@0", "run@1")]
    assert first.command == "cat ../raw.txt > run-0.txt" and first.wdir == str(repository / "work")
    assert (
        first.cleared == (str(repository / "work" / "run-0.txt"),) and figure.cleared == ()
    )  # persist: true
    assert [(one.threads, one.trains) for one in (raw, first, figure)] == [(1, False), (3, True), (1, False)]
    assert first.environment == {"DVC_STAGE": "run@0", "DVC_ROOT": str(repository), "SNN_DATA": "/data"}


def test_only_what_is_stale_and_what_needs_it_becomes_a_job(repository):
    dvc("repro")
    assert tool.jobs("dvc.yaml") == []
    (repository / "work" / "run-1.txt").write_text("changed\n")
    assert [(one.address, one.upstream) for one in tool.jobs("dvc.yaml")] == [
        ("run@1", ()),
        ("figure", ("run@1",)),
    ]


def test_a_training_alone_takes_a_part_of_a_gpu():
    assert tool.resources(job(threads=2), 0.25) == {"num_cpus": 2, "num_gpus": 0.25}
    assert tool.resources(job(trains=False), 0.25) == {"num_cpus": 1, "num_gpus": 0}
    assert tool.gpu_share("") == 0 and tool.gpu_share("0.25") == 0.25


@pytest.mark.parametrize("text", ["2", "-0.5", "half", "nan"])
def test_another_part_of_a_gpu_is_refused(text):
    with pytest.raises(RuntimeError, match=rf"^GPU_SHARE: '{text}': .* give a number from 0 to 1$"):
        tool.gpu_share(text)


def test_what_no_machine_has_is_refused_instead_of_waited_for():
    machines = [{"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}, {"memory": 1.0}]
    tool.refuse([job(threads=4)], 1.0, machines)
    tool.refuse([job(trains=False)], 0.5, machines[:1])
    says = "no machine of the cluster has as much; lower it$"
    with pytest.raises(RuntimeError, match=rf": threads 5: {says}"):
        tool.refuse([job(), job(threads=5)], 0, machines)
    with pytest.raises(RuntimeError, match=rf": threads 1 and GPU_SHARE 0.5: {says}"):
        tool.refuse([job()], 0.5, machines[:1])
    with pytest.raises(RuntimeError, match=rf": threads 4 and GPU_SHARE 1: {says}"):  # each alone has one
        tool.refuse([job(threads=4)], 1.0, [{"CPU": 32.0}, {"CPU": 2.0, "GPU": 1.0}])


def test_without_ray_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(tool, "ray", None)
    with pytest.raises(
        RuntimeError, match=r"ray is not installed; pip install -r requirements-cluster\.txt$"
    ):
        tool.connect("auto")


@pytest.mark.parametrize(
    ("given", "tool_run"), [([], "repro.py dvc.yaml"), (["RAY=auto"], "cluster.py dvc.yaml auto")]
)
def test_make_repro_takes_ray_where_it_is_asked_to(given, tool_run):
    planned = subprocess.run(
        ["make", "--dry-run", "repro", *given], cwd=config.ROOT, check=True, capture_output=True, text=True
    )
    assert f"python tools/{tool_run}\n" in planned.stdout


def test_a_stage_is_due_until_it_is_recorded(repository):
    head = tool.Head(str(repository))
    with pytest.raises(RuntimeError, match=r"^stage raw: output 'raw.txt' does not exist$"):
        head.record("raw", 1.0)
    Path("raw.txt").write_text("1\n")
    assert head.record("raw", None) is None and head.due("raw")
    assert head.record("raw", 1.0) == 1.0 and not head.due("raw")


@linux
def test_a_worker_runs_the_command_as_dvc_would(repository):
    (repository / "old").mkdir()
    made = job(
        command="test ! -e ../old\necho $DVC_STAGE\npwd",
        wdir=str(repository / "work"),
        cleared=(str(repository / "old"),),
    )
    assert tool.run(made, due=False) is None and (repository / "old").exists()
    assert tool.run(made, due=True) > 0
    assert (repository / "build" / "logs" / "run@0.log").read_text() == f"run@0\n{repository / 'work'}\n"


@linux
@pytest.mark.parametrize(
    ("said", "kind"), [("error: ratio 2.0", RuntimeError), ("the kernel died", ConnectionError)]
)
def test_a_refusal_is_final_and_anything_else_is_tried_again(repository, said, kind):
    with pytest.raises(kind, match=f"stage run@0 failed; the end of build/logs/run@0.log:\n{said}"):
        tool.run(job(command=f"echo '{said}'\nfalse\necho more"), due=True)


@linux
@pytest.mark.parametrize("killed", ["parent", "guard"])
def test_nothing_outlives_a_guard_or_the_process_that_started_it(tmp_path, killed):
    """Not even what has left its process group and lost its parent, as a kernel does whose papermill is
    killed.

    The guard: a worker of Ray that ends in good order kills what is right below it.
    """
    command = f"(setsid sleep {PATIENCE} & echo $! > pid; mv pid written) & sleep {PATIENCE}"
    starter = "import os, subprocess, sys; own = str(os.getpid()); "
    starter += "subprocess.run([sys.executable, sys.argv[1], own, *sys.argv[2:]])"
    process = psutil.Popen([sys.executable, "-c", starter, tool.GUARD, "sh", "-c", command], cwd=tmp_path)
    wait_for(tmp_path / "written")
    below = process.children(recursive=True)
    assert int((tmp_path / "written").read_text()) in {one.pid for one in below}
    (process if killed == "parent" else process.children()[0]).kill()
    process.wait()
    assert not psutil.wait_procs(below, timeout=10)[1]


def wait_for(path: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} does not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def address():
    """Of a cluster on this machine: a head that runs no stage, and one that runs two at a time."""
    pytest.importorskip("ray", reason="pip install -r requirements-cluster.txt")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        made.add_node(num_cpus=2)
        yield made.address
        made.shutdown()


def submit(address: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, TOOL, "dvc.yaml", address], capture_output=True, text=True, timeout=PATIENCE
    )


@linux
def test_the_lock_is_that_of_a_plain_repro(repository, address, tmp_path, monkeypatch):
    done = submit(address)
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout and "up to date" in dvc("status")
    monkeypatch.chdir(tiny(tmp_path / "plain"))
    dvc("repro")
    assert Path("dvc.lock").read_bytes() == (repository / "dvc.lock").read_bytes()
    assert Path("figure.txt").read_bytes() == (repository / "figure.txt").read_bytes()


@linux
def test_what_does_not_need_a_failed_stage_goes_on(repository, address):
    failing = f"test ${{item.seed}} = 1 || {{ echo 'error: ratio 2.0'; exit 1; }}; {COMMAND}"
    (repository / "dvc.yaml").write_text(PIPELINE.replace(COMMAND, json.dumps(failing)))
    done = submit(address)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("stage run@0 failed; the end of build/logs/run@0.log:\nerror: ratio 2.0") == 1
    assert done.stderr.endswith("error: 2 of 4 stages failed, or need one that did: figure, run@0\n")
    assert (repository / "work" / "run-1.txt").exists() and not (repository / "figure.txt").exists()
    assert "run@1" not in json.loads(dvc("status", "--json"))


@linux
def test_a_stage_whose_worker_is_killed_is_run_again_and_not_beside_itself(repository, address):
    """The first try leaves the id of its shell's parent (the inner guard) and a process that nothing else
    would end."""
    first = f"setsid sleep {PATIENCE} & echo $PPID $! > pids; mv pids first; wait"
    slow = f"test ${{item.seed}} = 1 -o -e first || {{ {first}; }}; {COMMAND}"
    (repository / "dvc.yaml").write_text(PIPELINE.replace(COMMAND, json.dumps(slow)))
    process = subprocess.Popen(
        [sys.executable, TOOL, "dvc.yaml", address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wait_for(repository / "work" / "first")
    guard, left = (psutil.Process(int(pid)) for pid in (repository / "work" / "first").read_text().split())
    guard.parent().parent().kill()
    assert not psutil.wait_procs([guard, left], timeout=10)[1]
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said.decode()
    assert (repository / "figure.txt").read_text() == "1\n1\n" and "up to date" in dvc("status")
