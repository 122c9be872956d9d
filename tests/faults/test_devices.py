"""One training on two devices equals one process that normalises two ghost batches; in float64, on networks
that spike.

Real processes, joined by gloo. All cases run in one pair of them: starting up takes longer than any
training here.
"""

import shutil
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from helpers import make_net, task_of, trial_of
from processes import shared
from torch import multiprocessing

from lib import models, training
from lib.core import collectives
from lib.core.errors import ConfigError
from lib.measure import count_correct, firing
from lib.models.start import recalibrate
from lib.pruning import channels
from lib.settings import DENSE, Fast, Rewire, Select, TokenTickets, Trial
from lib.training import distillation, distributed
from lib.training import run as loop

EPOCHS, BATCH, IMAGES = 4, 32, 96  # 32: probes of 16 images at most are a device's share, too
PLAIN = Fast(static_once=False)  # of the reference: all T steps are seen
REWIRED = {
    "pq": {"kind": "rewiring"},
    "rigl": {
        "kind": "rewiring",
        "start": None,
        "ratio": "constant",
        "rewire": "constant_density",
        "growth": "gradient",
        "grows": "anywhere",
        "exchange": 0.3,
        "exchange_schedule": "decay",
    },
    "tickets": {"kind": "tickets", "share": 0.5},
    "stds": {"kind": "threshold", "rule": "stds", "strength": 0.1},
}
TOKENS = {
    "attention": Select(kind="select", label="test", rule="attention"),
    "token-tickets": TokenTickets(kind="tickets", label="test", share=0.5),
}
CASES = ["dense", "sca", "sca-compact", "sca-soft", *REWIRED, *TOKENS]
LEFT_OUT = ["gradients", "scores", "growth", "statistics"]
RESUMED = ["sca-compact", "pq", "tickets"]


class Lively(training.Run):
    """A run that starts from a network whose every layer fires."""

    def build(self):
        torch.manual_seed(self.seed)
        return make_net().to(torch.get_default_dtype())


def make(name, splits, fast):
    """The run of a case."""
    recipe = task_of(EPOCHS, batch=BATCH, devices=2, lr=0.001 if name in TOKENS else 0.05)
    prune = recipe.prune.model_copy(update={"compact": name == "sca-compact"})
    rewire = Rewire(warmup=1, interval=1, stop=0.9)
    task = recipe.model_copy(update={"prune": prune, "rewire": rewire, "densities": (0.25,), "fast": fast})
    if name in TOKENS:
        shape = {"net": "spikformer-digits", "neuron": "lif", "T": 2, "width": 1 / 3}
        task = task.model_copy(update={**shape, "student": task.train, "rhos": (0.6,)})
        rho, density = (0.6, 1.0) if name == "attention" else (1.0, 0.25)
        return distillation.Student(
            splits, task, Trial(rho=rho, density=density, method=TOKENS[name]), 0, teacher(splits)
        )
    if name in REWIRED:
        return Lively(splits, task, Trial(density=0.25, method={"label": "test", **REWIRED[name]}), 0)
    trial = DENSE if name == "dense" else trial_of(0.3, mode="soft" if name == "sca-soft" else "frozen")
    return Lively(splits, task, trial, 0)


def teacher(splits):
    """Not trained, but every layer of it fires."""
    torch.manual_seed(0)
    net = models.build("spikformer-digits", 10, (1, 8, 8), 2, neuron="lif", width=1 / 3)
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 1.0, 2.5)
            torch.nn.init.uniform_(module.bias, 0.5, 1.5)
    recalibrate(net, [splits.train])
    return net


def two_ghosts(T):
    """F.batch_norm of [T * BATCH, ...] where each half of the images has statistics of its own, the running
    ones their mean."""
    plain = F.batch_norm

    def normalise(x, mean, var, weight, bias, training, momentum, eps):
        if not training:
            return plain(x, mean, var, weight, bias, training, momentum, eps)
        steps, outs, running = x.unflatten(0, (T, BATCH, -1)), [], []
        for half in steps.chunk(2, 1):
            running.append((mean.clone(), var.clone()))
            out = plain(half.flatten(0, 2), *running[-1], weight, bias, True, momentum, eps)
            outs.append(out.unflatten(0, half.shape[:3]))
        for kept, seen in zip((mean, var), zip(*running, strict=True), strict=True):
            kept.copy_(sum(seen) / 2)
        return torch.cat(outs, 1).flatten(0, 2)

    return normalise


def reference(name, splits):
    """The same run in one process, on whole batches, with ghost batch normalisation while it trains."""
    run = make(name, splits, PLAIN)
    loss, plain, ghosts = run.loss, F.batch_norm, two_ghosts(run.task.T)

    def ghost_loss(net, x, y):
        F.batch_norm = ghosts
        try:
            return loss(net, x, y)
        finally:
            F.batch_norm = plain

    run.loss = ghost_loss
    for _ in run.recipe_epochs:
        run.epoch()
    return run


@contextmanager
def without(what, fabric):
    """Yields a Fabric; within, one of the reductions is left out."""
    unshared = SimpleNamespace(**{**vars(collectives), "all_mean": lambda tensors: None})
    if what == "gradients":
        names = {name: getattr(fabric, name) for name in ("world_size", "global_rank", "barrier")}
        fabric = SimpleNamespace(setup_module=lambda net: net, **names)
    left_out = {
        "scores": patch.object(channels.ChannelPruner, "stats_to_sync", lambda self: []),
        "growth": patch.object(channels, "collectives", unshared),
        "statistics": patch.object(loop, "collectives", unshared),
    }
    with left_out.get(what, nullcontext()):
        yield fabric


def work(rank, port, folder):
    """What each of the two processes does."""
    torch.set_default_dtype(torch.float64)
    training.set_up(1)
    fabric = distributed.join(rank, 2, port)
    splits = torch.load(folder / "splits.pt", weights_only=False)
    for name in CASES:
        run = make(name, splits, Fast())
        distributed.train(run, fabric, folder / f"{name}.pt")
        torch.save({**run.state(), "history": run.pruner.history}, folder / f"{name}-{rank}.pt")
    for name in RESUMED:
        broken = make(name, splits, Fast())
        broken.parallel = fabric.setup_module
        for _ in range(2):
            broken.epoch()
        if rank == 0:
            broken.checkpoint(folder / f"{name}-broken.pt")
        fabric.barrier()
        resumed = make(name, splits, Fast())
        assert resumed.resume(folder / f"{name}-broken.pt")
        distributed.train(resumed, fabric, folder / f"{name}-resumed.pt")
    for what in LEFT_OUT:
        run, said = make("sca", splits, Fast()), "nothing was noticed"
        with without(what, fabric) as poorer:
            try:
                distributed.train(run, poorer, folder / "unused.pt")
            except RuntimeError as error:
                said = str(error)
        (folder / f"{what}-{rank}.txt").write_text(said)
        torch.save({"net": run.net.state_dict(), "log": run.log}, folder / f"{what}-{rank}.pt")
    mixed(rank, fabric, splits, folder)


def mixed(rank, fabric, splits, folder):
    """A training in mixed precision; float32 beside bfloat16, so it comes last in its process."""
    torch.set_default_dtype(torch.float32)
    run, seen = make("sca-compact", in_single(splits), Fast(bf16=True)), set()
    first = next(module for module in run.net.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_hook(
        lambda module, given, out: seen.add(str(out.dtype)) if run.net.training else None
    )
    distributed.train(run, fabric, folder / "mixed.pt")
    torch.save(
        {**run.state(), "history": run.pruner.history, "seen": sorted(seen)}, folder / f"mixed-{rank}.pt"
    )


def in_single(splits):
    """Images in float32."""
    parts = {name: (x[:].float(), y) for name in ("train", "validation") for x, y in [getattr(splits, name)]}
    return replace(splits, **parts)


@pytest.fixture(scope="module")
def splits(few_digits):
    return replace(
        few_digits,
        train=(few_digits.train[0][:IMAGES].double(), few_digits.train[1][:IMAGES]),
        validation=(few_digits.validation[0][:].double(), few_digits.validation[1]),
    )


@pytest.fixture(scope="module")
def folder(splits, tmp_path_factory):
    """What two processes have left, and `splits.pt` that they had."""

    def run(folder):
        folder.mkdir()
        torch.save(splits, folder / "splits.pt")
        multiprocessing.spawn(work, (distributed.free_port(), folder), nprocs=2)

    return shared(tmp_path_factory, "devices", run)


@pytest.fixture
def in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def kept(path):
    return torch.load(path, weights_only=True)


def apart(one, two):
    """The largest difference of two states; infinite if anything but a float differs."""
    if isinstance(one, torch.Tensor) and one.is_floating_point():
        return (
            (one - two).abs().max().item()
            if one.shape == two.shape and one.numel()
            else float(one.shape != two.shape)
        )
    if isinstance(one, torch.Tensor):
        return 0.0 if torch.equal(one, two) else torch.inf
    if isinstance(one, dict):
        return (
            max((apart(value, two[key]) for key, value in one.items()), default=0.0)
            if list(one) == list(two)
            else torch.inf
        )
    if isinstance(one, (list, tuple)):
        return max(map(apart, one, two), default=0.0) if len(one) == len(two) else torch.inf
    return abs(one - two) if isinstance(one, float) else 0.0 if one == two else torch.inf


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_devices_equal_one_with_two_ghost_batches(name, folder, splits, in_float64, record_property):
    alone, ours = reference(name, splits), kept(folder / f"{name}-0.pt")
    state = {**alone.state(), "history": alone.pruner.history}
    assert len(ours["log"]) == len(alone.recipe_epochs) >= EPOCHS
    assert len(ours["history"]) > 1 or name in ("dense", "attention")
    # the reference sees all T steps of an image: how it is computed is all that differs
    assert {**state.pop("fast"), "static_once": True} == ours.pop("fast")
    difference = apart(state, ours)
    record_property("two_devices", difference)
    assert difference < 1e-10
    rates = firing(alone.net, splits.validation[0])
    silent = {layer: rate.mean().item() for layer, rate in rates.items() if not 0.001 < rate.mean() < 0.95}
    assert not silent


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_both_devices_hold_the_same_bits(name, folder):
    one, two = kept(folder / f"{name}-0.pt"), kept(folder / f"{name}-1.pt")
    assert apart(one, two) == 0.0
    masks = one["pruner"].get("masks", {})
    assert not masks or 0 < sum(int(mask.sum()) for mask in masks.values()) < sum(
        mask.numel() for mask in masks.values()
    )


@pytest.mark.slow
def test_two_devices_train_in_mixed_precision_and_hold_the_same_bits(folder):
    one, two = kept(folder / "mixed-0.pt"), kept(folder / "mixed-1.pt")
    assert one["seen"] == two["seen"] == ["torch.bfloat16"]
    assert apart(one, two) == 0.0 and len(one["history"]) > 1 and len(one["log"]) == EPOCHS
    masks = one["pruner"]["masks"]
    assert 0 < sum(int(mask.sum()) for mask in masks.values()) < sum(mask.numel() for mask in masks.values())
    weights = [tensor for name, tensor in one["net"].items() if name.endswith("weight")]
    assert {tensor.dtype for tensor in weights} == {torch.float32} and all(
        tensor.isfinite().all() for tensor in weights
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_on_two_devices_ends_as_an_unbroken_one(name, folder):
    assert apart(kept(folder / f"{name}.pt"), kept(folder / f"{name}-resumed.pt")) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("what", LEFT_OUT)
def test_a_reduction_that_is_left_out_is_noticed_by_both(what, folder):
    said = {(folder / f"{what}-{rank}.txt").read_text() for rank in (0, 1)}
    [line] = said
    assert (
        line.startswith("epoch ")
        and "device 1 holds another network or other masks than device 0; start again" in line
    )


@pytest.mark.slow
def test_a_run_spread_over_devices_comes_back_as_if_trained_here(folder, splits, in_float64, tmp_path):
    path = tmp_path / "run.pt"
    shutil.copy(folder / "sca-compact-broken.pt", path)
    run = make("sca-compact", splits, Fast())
    assert run.resume(path) and len(run.log) == 2
    distributed.fit(run, path)
    unbroken = kept(folder / "sca-compact.pt")
    assert (
        len(run.log) == EPOCHS and apart(run.state(), unbroken) == 0.0 and apart(unbroken, kept(path)) == 0.0
    )
    assert run.validate() == run.log[-1]["validation"]


def test_one_device_starts_no_process(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(multiprocessing, "spawn", None)
    run = training.Run(few_digits, task_of(), DENSE, 0)
    distributed.fit(run, tmp_path / "run.pt")
    assert run.log == [] and list(tmp_path.iterdir()) == [] and run.parallel(run.net) is run.net


@pytest.mark.parametrize(
    ("devices", "gpus", "cores", "said"),
    [
        (4, 2, 64, "devices: 4: this machine has 2 GPUs; lower it in params.yaml"),
        (2, 1, 64, "devices: 2: this machine has 1 GPU; lower it in params.yaml"),
        (8, 0, 4, "devices: 8: this machine has 4 CPU cores; lower it in params.yaml"),
    ],
)
def test_more_devices_than_there_are_is_told_in_one_line(devices, gpus, cores, said):
    with pytest.raises(ConfigError) as told:
        distributed.check_there(devices, gpus, cores)
    assert str(told.value) == said
    distributed.check_there(min(devices, gpus or cores), gpus, cores)


def test_devices_take_turns_of_the_validation_batches(few_digits):
    net = training.Run(few_digits, task_of(), DENSE, 0).net
    x, y = few_digits.validation
    turns = [count_correct(net, x, y, first, 3, batch=7) for first in range(3)]
    assert sum(turns) == count_correct(net, x, y) > max(turns) > 0


def test_shares_of_a_batch_are_equal_and_make_it_up(monkeypatch):
    monkeypatch.setattr(collectives, "world_size", lambda: 3)
    frames, found = torch.arange(2 * 6).view(2, 6, 1, 1, 1), []
    for number in range(3):
        monkeypatch.setattr(collectives, "rank", lambda number=number: number)
        found.append(collectives.shard(frames, -4))
    assert [one.shape for one in found] == [(2, 2, 1, 1, 1)] * 3 and torch.equal(torch.cat(found, 1), frames)
