"""A training stopped after any epoch goes on with the numbers of an unbroken one."""

import os
import signal
from pathlib import Path

import pytest
import torch
from helpers import task_of, trial_of

from lib import models, training
from lib.core.errors import ConfigError, Stopped, TrainingError
from lib.core.tensors import load_tensors
from lib.settings import DENSE, Rewire, Trial
from lib.training import checkpoint

METHODS = {
    "dense": None,
    "sca": {},
    "sca-soft": {"mode": "soft"},
    "sca-plus": {"ratio_schedule": "gradual", "regrow_schedule": "decay", "stop": 0.75},
    "random": {"mode": "fixed", "score": "random", "growth": "none", "regrow": 0.0},
    "by-weights": {"score": "filter_l1"},
    "random-scores": {"score": "random", "growth": "random"},
}


WEIGHTS = {
    "pq": {},
    "pq-global": {"scope": "global"},
    "by-chance": {"growth": "random"},
    "rigl": {
        "start": None,
        "ratio": "constant",
        "rewire": "constant_density",
        "exchange": 0.3,
        "growth": "gradient",
        "grows": "anywhere",
        "exchange_schedule": "decay",
    },
    "one-shot": {"start": 1.0, "ratio": "once", "scope": "global", "rewire": "shrink_only", "growth": "none"},
    "tickets": {"kind": "tickets", "share": 0.5},
    "grad-r": {"kind": "threshold", "rule": "grad_r", "strength": 0.02},
    "stds": {"kind": "threshold", "rule": "stds", "strength": 0.1},
}
STOPS = (1, 2, 3, 5)  # after the fifth epoch lottery tickets are in their second round; all others have ended


def assert_same_end(make, folder) -> None:
    """Runs that are stopped after each of STOPS end as one that is not. make: a new run, always the same"""
    unbroken = make()
    epochs = len(unbroken.recipe_epochs)
    for _ in range(epochs):
        unbroken.epoch()
    theirs = unbroken.finish().state_dict()
    broken = make()
    for stop in (stop for stop in STOPS if stop < epochs):
        while len(broken.log) < stop:
            broken.epoch()
        broken.checkpoint(folder / f"{stop}.pt")
        torch.manual_seed(123)  # another process
        resumed = make()
        assert resumed.resume(folder / f"{stop}.pt")
        while len(resumed.log) < epochs:
            resumed.epoch()
        assert resumed.log == unbroken.log and resumed.pruner.history == unbroken.pruner.history
        ours = resumed.finish().state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("compact", [False, True], ids=["masked", "compact"])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_ends_as_an_unbroken_one(method, compact, few_digits, tmp_path):
    task = task_of(epochs=4)
    task = task.model_copy(update={"prune": task.prune.model_copy(update={"compact": compact})})
    trial = DENSE if METHODS[method] is None else trial_of(0.5, **METHODS[method])
    assert_same_end(lambda: training.Run(few_digits, task, trial, 0), tmp_path)


@pytest.mark.parametrize("method", WEIGHTS)
def test_a_resumed_run_of_single_weights_ends_as_an_unbroken_one(method, few_digits, tmp_path):
    rewire = Rewire(warmup=1, interval=1, stop=0.8)
    task = task_of(epochs=4).model_copy(update={"rewire": rewire, "densities": (0.25,)})
    trial = Trial(density=0.25, method={"kind": "rewiring", "label": "test", **WEIGHTS[method]})
    assert_same_end(lambda: training.Run(few_digits, task, trial, 0), tmp_path)


@pytest.mark.parametrize("method", ["dense", "sca"])
def test_a_resumed_run_of_adamw_decays_what_it_decayed_before(method, few_digits, tmp_path):
    task = task_of(epochs=3, optimizer="adamw", lr=0.003, weight_decay=5.0)
    task = task.model_copy(update={"prune": task.prune.model_copy(update={"compact": True})})
    trial = DENSE if METHODS[method] is None else trial_of(0.5)
    assert_same_end(lambda: training.Run(few_digits, task, trial, 0), tmp_path)
    resumed = training.Run(few_digits, task, trial, 0)
    assert resumed.resume(tmp_path / "1.pt")
    assert [group["weight_decay"] for group in resumed.optimizer.param_groups] == [5.0, 0.0]


def test_nothing_to_resume_is_no_error(few_digits, tmp_path):
    assert not training.Run(few_digits, task_of(), DENSE, 0).resume(tmp_path / "run.pt")


def test_a_checkpoint_stopped_while_it_is_written_leaves_the_last_one(few_digits, tmp_path, monkeypatch):
    run = training.Run(few_digits, task_of(), DENSE, 0)
    run.checkpoint(tmp_path / "run.pt")
    before = (tmp_path / "run.pt").read_bytes()

    def stopped(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", stopped)
    with pytest.raises(KeyboardInterrupt):
        run.checkpoint(tmp_path / "run.pt")
    assert (tmp_path / "run.pt").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_no_damage_to_a_checkpoint_is_taken_up(few_digits, tmp_path, capsys):
    """Every byte in turn would take long: each 199th is flipped, and it is cut there."""
    path = tmp_path / "run.pt"
    run = training.Run(few_digits, task_of().model_copy(update={"width": 0.25}), DENSE, 0)
    run.epoch()
    run.checkpoint(path)
    whole, expected = path.read_bytes(), load_tensors(path)
    for place in range(0, len(whole), 199):
        for damaged in (whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :], whole[:place]):
            path.write_bytes(damaged)
            state = checkpoint.read(path)
            assert state is None or same(state, expected), place
            told = capsys.readouterr().out
            assert state is not None or (
                told.count("\n") == 1 and "begins anew" in told and not path.exists()
            )


def same(a, b) -> bool:
    """Of nested states."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("other", ["a wider network", "a network"])
def test_the_checkpoint_of_another_training_is_refused_in_a_line(other, few_digits, tmp_path):
    path = tmp_path / "run.pt"
    run = training.Run(few_digits, task_of().model_copy(update={"width": 0.25}), DENSE, 0)
    run.checkpoint(path) if other == "a wider network" else models.save(run.net, path)
    with pytest.raises(
        ConfigError, match="run.pt: the checkpoint of another training; remove it and run again"
    ):
        training.Run(few_digits, task_of(), DENSE, 0).resume(path)


def test_a_run_whose_beginning_is_damaged_begins_anew(few_digits, tmp_path, capsys):
    (tmp_path / "0.pt").write_bytes(b"half")
    run = training.Run(few_digits, task_of(), DENSE, 0)
    run.resume_prefix(tmp_path / "0.pt")
    assert run.log == [] and "begins anew" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["loss", "weights"])
def test_numbers_that_are_no_longer_finite_end_the_training_and_leave_the_last_checkpoint(
    where, few_digits, tmp_path
):
    path = tmp_path / "run.pt"
    run = training.Run(few_digits, task_of(), DENSE, 0)
    run.epoch()
    run.checkpoint(path)
    before = path.read_bytes()
    if where == "loss":
        run.net.head.bias.data[0] = torch.nan
    else:
        steps = iter(range(1, 6))
        run.pruner.after_step = lambda optimizer: (
            run.net.head.bias.data.fill_(torch.inf) if next(steps) == 5 else None
        )
    said = {"loss": "epoch 2: the loss is nan at step 0", "weights": "epoch 2: weights are no longer finite"}[
        where
    ]
    with pytest.raises(TrainingError, match=said) as told:
        run.epoch()
    assert "lr: 0.05" in str(told.value) and "\n" not in str(told.value)
    assert path.read_bytes() == before and len(run.log) == 1


def test_sigterm_ends_a_training_when_its_epoch_is_kept(few_digits, tmp_path):
    run = training.Run(few_digits, task_of(), DENSE, 0)
    run.epoch()
    checkpoint.sigterm.set()
    with pytest.raises(Stopped, match="stopped after epoch 1 of 2, which is kept"):
        run.checkpoint(tmp_path / "run.pt")
    assert len(load_tensors(tmp_path / "run.pt")["log"]) == 1
    run.checkpoint(tmp_path / "run.pt")  # by hand it can be run on


def test_only_the_kernel_of_a_notebook_heeds_sigterm(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    for parent in ("", str(os.getppid() + 1)):  # a script; a process that a kernel has started
        monkeypatch.setenv("JPY_PARENT_PID", parent)
        checkpoint.install_sigterm()
    assert signal.getsignal(signal.SIGTERM) == before
