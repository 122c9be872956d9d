"""What forks from a warm-up is what an unbroken run would be, bit for bit."""

from dataclasses import replace

import pytest
import torch
from helpers import task_of, trial_of

from lib.pruning.prefix import prefix
from lib.settings import DENSE, Baseline, Rewire, Rewiring, Tickets, Trial, config
from lib.settings.given import Job
from lib.settings.task import Phase
from lib.training import Run, warmup
from lib.training.baselines import Matched

EPOCHS = 5
TASK = task_of(EPOCHS).model_copy(update={"rewire": Rewire(warmup=2, interval=1, stop=1.0)})
TASK = TASK.model_copy(update={"prune": TASK.prune.model_copy(update={"warmup": 3, "compact": True})})


def rewiring(**settings) -> Rewiring:
    return Rewiring(kind="rewiring", label="test", **settings)


GROWN = {
    "ratio": "constant",
    "rewire": "constant_density",
    "exchange": 0.3,
    "grows": "anywhere",
    "start": None,
}
TRIALS = {  # what is pruned, and after how many epochs it leaves the warm-up
    "by activity": (trial_of(0.5), 2),
    "by activity, every second epoch": (trial_of(0.5, interval=2), 1),
    "by weights": (trial_of(0.5, score="filter_l1"), 3),
    "soft": (trial_of(0.5, mode="soft"), 2),
    "soft, by weights": (trial_of(0.5, mode="soft", score="bn_gamma"), 3),
    "without L1": (trial_of(0.5, l1=0.0), 2),
    "PQ": (Trial(density=0.3, method=rewiring()), 2),
    "RigL": (Trial(density=0.3, method=rewiring(growth="gradient", **GROWN)), 2),
    "from dense": (Trial(density=0.3, method=rewiring(start=1.0, ratio="cubic")), 2),
    "tickets": (Trial(density=0.4, method=Tickets(kind="tickets", label="test", share=0.5, rewind=2)), 5),
    "dense": (DENSE, 5),
}
RATES = (Phase(epochs=1, units="relu"), Phase(epochs=3, units="rate"))


@pytest.fixture
def splits(digits):
    return replace(digits, train=tuple(part[:200] for part in digits.train))


@pytest.fixture
def job(monkeypatch, tmp_path):
    """Of a study whose one task is TASK; warm-ups are kept in a folder of the test's own."""
    study = config.load("smoke")
    monkeypatch.setattr(warmup, "folder", lambda job, students: tmp_path)
    monkeypatch.setattr(warmup.checkpoint, "ROOT", tmp_path)
    return Job(
        study.model_copy(update={"tasks": {"tiny": TASK}, "out": str(tmp_path)}), "dense", "tiny", "dense"
    )


def asking(job: Job, trial: Trial) -> Job:
    """The job of one trial."""
    return type("One", (Job,), {"trials": [trial]})(*job)


def bits(run: Run) -> dict:
    """All that the run has become: the networks, the optimiser's state, the log, what the pruner holds."""
    found = {}

    def walk(name, value):
        if isinstance(value, torch.Tensor):
            found[name] = value.detach().cpu().contiguous().flatten().view(torch.uint8).tolist()
        elif isinstance(value, dict):
            for key, item in value.items():
                walk(f"{name}.{key}", item)
        elif isinstance(value, list | tuple):
            for number, item in enumerate(value):
                walk(f"{name}.{number}", item)
        else:
            found[name] = value

    walk("run", run.state())
    return found


@pytest.mark.parametrize(
    ("name", "phases"),
    [*((name, ()) for name in TRIALS), ("by activity", RATES), ("by weights", RATES), ("PQ", RATES)],
)
def test_a_fork_is_an_unbroken_run(name, phases, splits, job, monkeypatch):
    trial, shared = TRIALS[name]
    task = TASK.model_copy(update={"train": TASK.train.model_copy(update={"phases": phases})})
    job = job._replace(settings=job.settings.model_copy(update={"tasks": {"tiny": task}}))
    monkeypatch.setattr(warmup.checkpoint, "digest", lambda job, parts, files: str(abs(hash(str(parts)))))
    begun = prefix(task, trial)
    kept = sorted({*begun.marks, begun.epochs})
    assert begun.epochs == shared
    like = DENSE if begun.start == prefix(task, DENSE).start else trial
    files = {epoch: warmup.path(job, begun.start, 0, epoch) for epoch in kept}
    warmup.advance(warmup.begin(job, splits, like, 0), files, name)
    forked = Run(splits, task, trial, 0)
    warmup.fork(asking(job, trial), forked, 0, 0)
    assert len(forked.log) == shared
    unbroken = Run(splits, task, trial, 0)
    for run in (forked, unbroken):
        while len(run.log) < len(run.recipe_epochs):
            run.epoch()
    assert bits(forked) == bits(unbroken)
    assert forked.pruner.history or trial is DENSE


def test_a_stopped_warm_up_goes_on(splits, job, monkeypatch, tmp_path):
    files = {epoch: tmp_path / f"{epoch}.pt" for epoch in (1, 3)}
    stopped = warmup.begin(job, splits, DENSE, 0)
    monkeypatch.setattr(stopped, "epoch", stop_after(stopped, 2))
    with pytest.raises(KeyboardInterrupt):
        warmup.advance(stopped, files, "stopped")
    assert files[1].exists() and not files[3].exists()
    again = warmup.begin(job, splits, DENSE, 0)
    warmup.advance(again, files, "again")
    unbroken = warmup.begin(job, splits, DENSE, 0)
    whole = {epoch: tmp_path / f"whole-{epoch}.pt" for epoch in files}
    warmup.advance(unbroken, whole, "unbroken")
    assert bits(again) == bits(unbroken)
    assert [file.read_bytes() for file in files.values()] == [file.read_bytes() for file in whole.values()]
    assert not list((tmp_path / "build" / "resume").glob("*.pt"))
    third = warmup.begin(job, splits, DENSE, 0)
    monkeypatch.setattr(third, "epoch", None)  # nothing is trained again
    warmup.advance(third, files, "third")
    assert third.log == again.log


def stop_after(run: Run, epochs: int):
    """The run's own `epoch`, until it has trained so many."""
    train = run.epoch

    def epoch():
        if len(run.log) == epochs:
            raise KeyboardInterrupt
        train()

    return epoch


def test_without_a_warm_up_a_run_begins_at_the_beginning(splits, job, monkeypatch):
    monkeypatch.setattr(warmup.checkpoint, "digest", lambda job, parts, files: "none")
    run = Run(splits, TASK, trial_of(0.5), 0)
    warmup.fork(asking(job, run.trial), run, 0, 0)
    assert run.log == []


def test_a_baseline_begins_by_itself_whatever_warm_up_there_is(splits, job, monkeypatch):
    monkeypatch.setattr(warmup.checkpoint, "digest", lambda job, parts, files: "any")
    whole = warmup.begin(job, splits, DENSE, 0)
    warmup.advance(whole, {1: warmup.path(job, prefix(TASK, DENSE).start, 0, 1)}, "dense")
    found = {"widths": {name: 2 for name in whole.net.sites}, "channels": {}, "parameters": {}}
    trial = Trial(ratio=0.5, method=Baseline(label="test", matches="sca", widths="found"))
    run = Matched(splits, TASK, trial, 0, found)
    warmup.fork(asking(job, trial), run, 0, 0)
    assert run.log == []


def test_activity_is_listened_to_over_the_last_interval_alone(splits):
    run = Run(splits, TASK, trial_of(0.5), 0)
    steps = len(splits.train[1]) // TASK.train.batch
    heard = []
    for _ in range(2):
        run.epoch()
        heard.append(set(run.pruner.meter.batches.values()))
    assert heard == [{steps}, {0}]  # cleared an interval before the first update, after epoch 3


def test_soft_scores_are_of_the_last_interval_wherever_the_updates_stop(splits):
    """With stop < 1 soft mode has one more update at the end, long after the one before it."""
    epochs = 8
    task = task_of(epochs)
    task = task.model_copy(update={"prune": task.prune.model_copy(update={"warmup": 2})})
    trial = trial_of(0.5, mode="soft", stop=0.5, interval=2)
    run = Run(splits, task, trial, 0)
    assert run.pruner.updates == [2, 4, epochs]
    steps = len(splits.train[1]) // task.train.batch
    heard = []
    for _ in range(epochs - 1):
        run.epoch()
        heard.append(*set(run.pruner.meter.batches.values()))
    assert heard[4:] == [steps, 0, steps]  # cleared after epoch 6


def test_a_training_on_several_devices_shares_no_warm_up():
    recipe = TASK.train.model_copy(update={"devices": 2})
    assert prefix(TASK, DENSE) and prefix(TASK.model_copy(update={"train": recipe}), DENSE) is None


def test_the_plan_holds_what_two_trials_share_and_nothing_else():
    study = config.load("quick")
    planned = {str(warm.start): warm for warm in warmup.plan(Job(study, "warmup", "digits-vgg", "dense"))}
    dense = planned[str({"student": False, "selector": None, "l1": study.tasks["digits-vgg"].train.l1})]
    assert dense.trial is DENSE
    updates = study.tasks["digits-vgg"].prune
    assert updates.warmup - updates.interval in dense.epochs  # where SCA leaves
    assert (
        dense.epochs[-1] == study.tasks["digits-vgg"].train.epochs
    )  # lottery tickets share the whole first round
    assert all(warm.start.get("density", 0) < 1 for warm in planned.values())
    alone = [
        trial
        for trial in warmup.trials(study, "digits-vgg")
        if prefix(study.tasks["digits-vgg"], trial) is None
    ]
    assert {getattr(trial.method, "mode", "no channels") for trial in alone} == {"fixed", "no channels"}


def test_students_share_a_warm_up_of_their_own():
    study = config.load("quick")
    planned = warmup.plan(Job(study, "warmup-students", "digits-spikformer", "dense"))
    assert {str(warm.start["selector"]) for warm in planned} == {"None", str({"rho": 0.7, "rule": "learned"})}
    assert all(warm.start["student"] for warm in planned)
    assert not warmup.plan(Job(study, "warmup-students", "digits-vgg", "dense"))
