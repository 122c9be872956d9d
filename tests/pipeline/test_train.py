"""What tools/train.py trains, in which order, and that its records are those of the notebooks."""

import json
import os
import subprocess
import sys

import psutil
import pytest
import train

from lib import data, measure, training
from lib.settings import config, records
from lib.settings.config import ROOT
from lib.settings.given import Job

STUDY = config.load("cifar")
MAIN = STUDY.headline


@pytest.fixture
def nothing_there(monkeypatch):
    monkeypatch.setattr(train, "is_there", lambda study, unit: False)


def test_every_training_of_the_grid_is_trained_once(nothing_there):
    found = [unit for unit in train.units(STUDY, [], []) if unit.stage != "warmup"]
    assert len(found) == len(set(found))
    assert {unit[:4] for unit in found if unit.stage == "ablate"} == {
        ("ablate", MAIN, "ablations", seed) for seed in (0, 1, 2)
    }
    stages = ("dense", "channels", "baselines")
    asked = {(stage, task, method, seed) for unit in found for stage, task, method, seed, _ in [unit]}
    grid = STUDY.grid
    for stage, tasks in zip(stages, (grid.tasks, grid.pruned, grid.matched), strict=True):
        for task in tasks:
            for method in STUDY.group(stage):
                for seed in STUDY.seeds(task, method):
                    assert (stage, task, method, seed) in asked


def test_first_comes_what_the_first_hypotheses_read(nothing_there):
    found = [unit for unit in train.units(STUDY, [], []) if unit.stage != "warmup"]
    read = [train.asked(STUDY, unit) for unit in found]
    assert read == sorted(read)
    assert {unit.method for unit in found[:35]} == {"dense", "sca", "random"}  # h1
    assert {unit.task for unit in found[:35]} == {MAIN}


def test_a_warm_up_stands_before_what_goes_on_from_it_and_is_left_out_where_nothing_does(nothing_there):
    found = train.units(STUDY, [MAIN], ["layer-random"])
    assert len(found) == 5 + 15  # five seeds, three ratios
    for place, unit in enumerate(found):
        if unit.stage != "warmup":
            assert any(train.goes_on(unit, one) for one in found[:place] if one.stage == "warmup")


def test_a_training_waits_for_its_warm_up_and_a_baseline_for_what_it_matches(monkeypatch):
    warm = train.Unit("warmup", MAIN, "dense", 0, 0)
    ours = train.Unit("channels", MAIN, "sca", 0, 1)
    assert not train.ready(STUDY, ours, {warm}) and train.ready(STUDY, ours, {warm._replace(seed=1)})
    baseline = train.Unit("baselines", MAIN, "anew", 0, 0)
    monkeypatch.setattr(train, "is_there", lambda study, unit: unit.method != "sca")
    assert not train.ready(STUDY, baseline, set())
    monkeypatch.setattr(train, "is_there", lambda study, unit: unit.method == "sca")
    assert train.ready(STUDY, baseline, set())


@pytest.mark.slow
def test_its_record_is_that_of_a_notebook(clone):
    """SCA on digits, warm-up and all, beside the same runs trained here without one."""
    given = ["smoke", "workers=1", "only=digits-vgg", "methods=sca"]
    environment = os.environ | {"PYTHONPATH": str(clone)}
    done = subprocess.run(
        [sys.executable, "tools/train.py", *given], cwd=clone, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    study = config.load("smoke")
    job = Job(study, "channels", "digits-vgg", "sca")
    training.set_up(study.threads)
    splits = data.open_or_prepare(study, job.recipe.data)
    for seed in job.seeds:
        path = clone / study.result_path(*job[1:], seed).relative_to(config.ROOT)
        made = json.loads(path.read_text())["trials"]
        for trial, found in zip(job.trials, made, strict=True):
            run = training.Run(splits, job.recipe, trial, seed)
            run.fit(trial.name)
            expected = records.rounded({**trial.record, **measure.report(run)})
            assert json.loads(json.dumps(expected)) == found


POOL = """
import os, time

import train

if __name__ == "__main__":
    pool = train.processes(1)
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600)
    time.sleep(600)
"""


def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tools")))
    begun = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | {"PYTHONPATH": path}}
    with subprocess.Popen([sys.executable, script], **begun) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    _, alive = psutil.wait_procs([worker], timeout=30)
    assert not alive
