"""A training stopped after any epoch goes on with the numbers of an unbroken one."""

from pathlib import Path

import pytest
import torch
from helpers import cell_of, point_of

from lib import train
from lib.settings import Rewire, WeightPoint

METHODS = {
    "dense": None,
    "sca": {},
    "sca-literal": {"mode": "literal"},
    "sca-plus": {"ratio_schedule": "gradual", "regrow_schedule": "decay", "stop": 0.75},
    "random": {"mode": "fixed", "score": "random", "growth": "none", "regrow": 0.0},
    "by-weights": {"score": "filter_l1"},
    "random-scores": {"score": "random", "growth": "random"},
}


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("compact", [False, True], ids=["masked", "compact"])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_ends_as_an_unbroken_one(method, compact, stop, few_digits, tmp_path):
    cell = cell_of(epochs=4)
    cell = cell.model_copy(update={"prune": cell.prune.model_copy(update={"compact": compact})})
    point = None if METHODS[method] is None else point_of(0.5, **METHODS[method])
    unbroken = train.Run(few_digits, cell, point, 0)
    for _ in range(4):
        unbroken.epoch()
    broken = train.Run(few_digits, cell, point, 0)
    for _ in range(stop):
        broken.epoch()
    broken.checkpoint(tmp_path / "run.pt")
    torch.manual_seed(123)  # another process
    resumed = train.Run(few_digits, cell, point, 0)
    assert resumed.resume(tmp_path / "run.pt")
    for _ in range(4 - stop):
        resumed.epoch()
    assert resumed.log == unbroken.log
    theirs = unbroken.finish().state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in resumed.finish().state_dict().items())
    if point is not None:
        assert resumed.pruner.history == unbroken.pruner.history


WEIGHTS = {
    "pq": {"kind": "rewiring"},
    "esl": {"kind": "rewiring", "start": None, "ratio": "constant", "rewire": "constant_density", "exchange": 0.3},
    "by-chance": {"kind": "rewiring", "growth": "random"},
    "tickets": {"kind": "tickets", "share": 0.5},
    "grad-r": {"kind": "threshold", "rule": "grad_r", "strength": 0.02},
    "stds": {"kind": "threshold", "rule": "stds", "strength": 0.1},
}


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
@pytest.mark.parametrize("method", WEIGHTS)
def test_a_resumed_run_of_single_weights_ends_as_an_unbroken_one(method, stop, few_digits, tmp_path):
    """Lottery tickets train all rounds in one run: a stop after epoch 5 is in a later round than the first."""
    rewire = Rewire(warmup=1, interval=1, stop=0.8)
    cell = cell_of(epochs=4).model_copy(update={"rewire": rewire, "densities": (0.25,)})
    asked = WeightPoint(density=0.25, method={"label": "test", **WEIGHTS[method]})
    unbroken = train.Run(few_digits, cell, asked, 0)
    epochs = len(unbroken.recipe_epochs)
    if stop >= epochs:
        pytest.skip("it has no more epochs")
    for _ in range(epochs):
        unbroken.epoch()
    broken = train.Run(few_digits, cell, asked, 0)
    for _ in range(stop):
        broken.epoch()
    broken.checkpoint(tmp_path / "run.pt")
    torch.manual_seed(123)  # another process
    resumed = train.Run(few_digits, cell, asked, 0)
    assert resumed.resume(tmp_path / "run.pt")
    for _ in range(epochs - stop):
        resumed.epoch()
    assert resumed.log == unbroken.log and resumed.pruner.history == unbroken.pruner.history
    theirs = unbroken.finish().state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in resumed.finish().state_dict().items())


def test_nothing_to_resume_is_no_error(few_digits, tmp_path):
    assert not train.Run(few_digits, cell_of(), None, 0).resume(tmp_path / "run.pt")


def test_a_checkpoint_stopped_while_it_is_written_leaves_the_last_one(few_digits, tmp_path, monkeypatch):
    run = train.Run(few_digits, cell_of(), None, 0)
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
