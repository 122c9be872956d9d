"""One loop: train an epoch, evaluate. It knows a pruner's `after_step` and nothing of methods."""

import math
import os
import random
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib import data, models, ranks, resume
from lib.errors import ConfigError, TrainingError, pick
from lib.files import save_tensors
from lib.measure import hits
from lib.models import SpikingNet
from lib.pruning import make_pruner
from lib.settings import Cell, Point, TokenPoint, Train, WeightPoint


def seed_everything(seed: int) -> torch.Generator:
    """Seeds Python, NumPy and torch; returns the generator that orders and augments the batches."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def make_optimizer(net: nn.Module, recipe: Train) -> torch.optim.Optimizer:
    """The recipe's optimiser. AdamW decays no biases, and no scales and shifts of BN, as timm's, which trains
    Spikformer, decays no tensor of one dimension (methods C17). SGD decays all, as TET's does (B15)."""
    if recipe.optimizer == "adamw":
        decayed = [parameter for parameter in net.parameters() if parameter.dim() > 1]
        others = [parameter for parameter in net.parameters() if parameter.dim() <= 1]
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        betas = (recipe.momentum, 0.999)
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=betas, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(net.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def cosine(epoch: int, recipe: Train) -> float:
    """From lr to 0 over the epochs. epoch counts from 0."""
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))


def step(epoch: int, recipe: Train) -> float:
    """A tenth every third of the epochs: the published decay every 100 of 300 epochs (A26)."""
    return recipe.lr * 0.1 ** (3 * epoch // recipe.epochs)


LR_SCHEDULES = {"cosine": cosine, "step": step}


def set_lr(optimizer: torch.optim.Optimizer, epoch: int, recipe: Train) -> None:
    """The schedule's rate; during the warm-up the share of it that the epoch (from 0) has come to."""
    rate = pick(LR_SCHEDULES, recipe.lr_schedule, "lr_schedule")(epoch, recipe)
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, (epoch + 1) / (recipe.warmup + 1))


def cross_entropy(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(net(x), y)


@torch.no_grad()
def add_l1(net: nn.Module, strength: float) -> None:
    """Adds strength * sign(w) to the gradients of all 3x3 convolution weights (SCA, A25)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            module.weight.grad.add_(module.weight.sign(), alpha=strength)


def train_epoch(
    net: nn.Module, batches, optimizer: torch.optim.Optimizer, l1: float = 0.0, pruner=None, loss_of=cross_entropy
) -> float:
    """One pass over `batches` of (x, y); returns the mean loss. loss_of: (net, x, y) -> a number to go down

    raises: FloatingPointError if it, or a weight at the end, is not finite
    """
    net.train()
    losses = []
    for x, y in batches:
        loss = loss_of(net, x, y)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {len(losses)} of the epoch")
        optimizer.zero_grad()
        loss.backward()
        if l1:
            add_l1(net, l1)
        optimizer.step()
        if pruner is not None:
            pruner.after_step(optimizer)
        losses.append(loss.detach())
    if not all(weight.isfinite().all() for weight in net.parameters()):
        raise FloatingPointError("weights are no longer finite after the last step of the epoch")
    return torch.stack(losses).mean().item()


def set_up(threads: int) -> None:
    """Threads a process; denormal numbers to 0 (L1 makes many, and they are slow); SIGTERM heeded;
    deterministic algorithms. Call it before anything is computed: cuBLAS reads its setting at its first use.

    On a CPU the same code, settings and threads give the same bits, stopped and taken up again or not: tests
    hold that. On a GPU it is asked for, not proven: an operation without a deterministic algorithm warns and
    goes on, for there was no GPU to see whether there is one.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products may differ
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads it, and filling it costs
    resume.heed_sigterm()


class Run:
    """One training: a network, its optimiser, its pruner (for the dense baseline one that does nothing), a log with a line an
    epoch. On a GPU if there is one.

    parallel: network -> the one to train with, whose gradients are the mean over all devices; set by `lib.launch`
    """

    parallel = staticmethod(lambda net: net)

    def __init__(self, splits: data.Splits, cell: Cell, point: Point | WeightPoint | TokenPoint | None, seed: int):
        self.splits, self.cell, self.point, self.seed, self.log = splits, cell, point, seed, []
        self.order, self.device = seed_everything(seed), ranks.device()
        self.net = self.build().use(cell.fast).to(self.device)
        self.optimizer = make_optimizer(self.net, cell.train)
        chance = torch.Generator().manual_seed(seed + 1_000_003)  # not the batches of the first epoch once more
        self.l1 = point.method.l1 if isinstance(point, Point) else cell.train.l1
        self.pruner = make_pruner(self.net, cell, point, chance, lambda: self.batches(chance, cell.prune.probes))
        self.recipe_epochs = self.pruner.recipe_epochs(cell.train.epochs)
        self._follow()

    def making(self) -> tuple:
        """The class and its arguments: what another process needs to make this run, untrained, once more."""
        return type(self), self.splits, self.cell, self.point, self.seed

    def build(self) -> SpikingNet:
        """The network to start from."""
        cell, splits = self.cell, self.splits
        return models.build(cell.net, splits.classes, splits.in_shape, cell.T, cell.neuron, cell.width, events=splits.events)

    def loss(self, net: SpikingNet, x: Tensor, y: Tensor) -> Tensor:
        """What goes down."""
        return F.cross_entropy(net(x), y, label_smoothing=self.cell.train.smoothing)

    def batches(self, generator: torch.Generator, count: int | None = None):
        """The training batches of an epoch, augmented; the first `count` of them. Of several devices, each has its share."""
        augment = pick(data.AUGMENT, self.cell.augment, "augment")
        whole = islice(data.batches(*self.splits.train, self.cell.train.batch, generator, augment), count)
        return ((ranks.part(x, -4).to(self.device), ranks.part(y, 0).to(self.device)) for x, y in whole)

    def epoch(self) -> None:
        """Trains one epoch, changes the structure if it is time, then validates: always the masked network.

        raises: TrainingError if the loss or a weight is not finite
        """
        number, recipe = len(self.log) + 1, self.cell.train
        set_lr(self.optimizer, self.recipe_epochs[number - 1], recipe)
        net = self.parallel(self.net)
        try:
            loss = train_epoch(net, self.batches(self.order), self.optimizer, self.l1, self.pruner, self.loss)
        except FloatingPointError as error:
            advice = f"lower the cell's learning rate in params.yaml (lr: {recipe.lr}) and run again"
            raise TrainingError(f"epoch {number}: {error}; {advice}; the epochs before it are kept") from None
        statistics = [buffer for buffer in self.net.buffers() if buffer.is_floating_point()]  # of BN
        ranks.average([*statistics, *self.pruner.gathered()])
        line = {"epoch": number, "loss": ranks.total(loss) / ranks.count()}
        if number in self.pruner.updates:  # what the segment that ends here has reached, and what its cut leaves of it
            line["before_update"] = self.validate()
        self.pruner.after_epoch(number)
        self._follow()
        self.log.append({**line, "validation": self.validate()})
        ranks.check_same(self.state(), f"epoch {number}")

    def validate(self) -> float:
        """Accuracy on the validation images. Of several devices, each takes its turn of the batches."""
        x, y = self.splits.validation
        return ranks.total(hits(self.net, x, y, ranks.number(), ranks.count())) / len(y)

    def state(self) -> dict:
        """Everything that the next epoch depends on."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.get_state(),
            "log": self.log,
            "pruner": self.pruner.state(),
        }

    def checkpoint(self, path: Path) -> None:
        """Keeps the state; a stop while it is written leaves the last one.

        raises: Stopped, when it is written, if SIGTERM has come
        """
        save_tensors(self.state(), path)
        resume.stop_if_asked(f"after epoch {len(self.log)} of {len(self.recipe_epochs)}")

    def resume(self, path: Path) -> bool:
        """Takes up the training that `checkpoint` kept, if there is one and it is whole: on a CPU the numbers
        are those of an unbroken run (`set_up`). raises: ConfigError if it is another training's"""
        state = resume.read(path, self.device)
        if state is None:
            return False
        try:
            self.pruner.restore(state["pruner"])
            self.net = self.pruner.trained
            self.net.load_state_dict(state["net"])
            self.optimizer = make_optimizer(self.net, self.cell.train)
            self.optimizer.load_state_dict(state["optimizer"])
            self.order.set_state(state["order"].cpu())
            self.log = state["log"]
        except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{path}: the checkpoint of another training; remove it and run again") from error
        return True

    def go_on(self, path: Path) -> None:
        """Takes up what a run kept at its end that is the beginning of this one (lottery tickets at a larger density), and
        makes the update that comes next: the numbers are those of a run of its own, which it is if nothing whole was kept."""
        if not self.resume(path):
            return
        self.pruner.after_step(self.optimizer)
        last = self.log[-1]
        self.pruner.after_epoch(last["epoch"])
        self._follow()
        self.log[-1] = {**last, "before_update": last["validation"], "validation": self.validate()}

    def finish(self) -> SpikingNet:
        """The network that is reported: compacted if it was pruned."""
        return self.pruner.finish()

    def masked(self) -> SpikingNet:
        """The network that `finish` was cut from, all its channels in it; the same one if nothing was pruned."""
        return self.pruner.net

    def _follow(self) -> None:
        """Trains on with the network that the pruner leaves."""
        self.net, self.optimizer = self.pruner.trained, self.pruner.carry(self.optimizer)
