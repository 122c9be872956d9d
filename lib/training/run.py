"""One loop: train an epoch, let the pruner change the structure, validate, keep."""

from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from lib import data, models
from lib.core import collectives
from lib.core.errors import ConfigError, TrainingError, pick
from lib.core.tensors import save_tensors
from lib.measure import count_correct
from lib.models import SpikingNet
from lib.models.start import whiten
from lib.pruning import make_pruner
from lib.settings import Fast, Method, Task, Trial
from lib.training import checkpoint
from lib.training.fastest import chosen
from lib.training.phases import fit_to_units
from lib.training.setup import seed_everything
from lib.training.steps import make_optimizer, set_lr, train_epoch

WHITENED = 5_000  # training images whose patches start the first convolution


class Run:
    """One training: a network, its optimiser, its pruner (the dense network has one that does nothing), a
    log with a line an epoch. On a GPU if there is one.

    parallel: network -> the one to train with, whose gradients are the mean over all devices;
    set by `lib.training.distributed`
    """

    parallel = staticmethod(lambda net: net)

    def __init__(self, splits: data.Splits, task: Task, trial: Trial, seed: int):
        self.splits = splits
        self.task = task
        self.trial = trial
        self.seed = seed
        self.log = []
        fast = chosen(task.fast)
        self.order = seed_everything(seed)
        self.device = collectives.device()
        self.net = self.build().use(fast).to(self.device)
        if task.whiten:
            whiten(self.net, splits.train[0][:WHITENED])
        self.optimizer = make_optimizer(self.net, task.train)
        chance = torch.Generator().manual_seed(seed + 1_000_003)  # not the batches of the first epoch again
        self.l1 = trial.method.l1 if isinstance(trial.method, Method) else task.train.l1
        self.pruner = make_pruner(
            self.net, task, trial, chance, lambda: self.batches(chance, task.prune.probes)
        )
        self.recipe_epochs = self.pruner.recipe_epochs(task.train.epochs)
        self._follow(1)

    def making(self) -> tuple:
        """The class and its arguments: what another process needs to make this run, untrained, once more."""
        return type(self), self.splits, self.task, self.trial, self.seed

    def build(self) -> SpikingNet:
        """The network to start from."""
        task = self.task
        splits = self.splits
        return models.build(
            task.net, splits.classes, splits.in_shape, task.T, task.neuron, task.width, events=splits.events
        )

    def loss(self, net: SpikingNet, x: Tensor, y: Tensor) -> Tensor:
        """What goes down."""
        return F.cross_entropy(net(x), y, label_smoothing=self.task.train.smoothing)

    def batches(self, generator: torch.Generator, count: int | None = None):
        """The training batches of an epoch, augmented; the first `count` of them.
        Of several devices, each has its share."""
        augment = pick(data.AUGMENT, self.task.augment, "augment")
        size = self.task.train.batch
        every = data.batches(*self.splits.train, size, generator, augment, len(self.log))
        shared = islice(every, count)
        return (
            (collectives.shard(x, -4).to(self.device), collectives.shard(y, 0).to(self.device))
            for x, y in shared
        )

    def paced(self, epoch: int):
        """The training batches of an epoch of the recipe, the rate of learning set before each."""
        steps = len(self.splits.train[0]) // self.task.train.batch
        for number, batch in enumerate(self.batches(self.order)):
            set_lr(self.optimizer, epoch + number / steps, self.task.train)
            yield batch

    def fit(self, label: str, kept: Path | None = None, until: int | None = None, after=lambda: None) -> None:
        """Trains to the end, or until so many epochs are trained, with a progress bar.

        kept: where each epoch is kept; after: called after each epoch, before it is kept
        """
        last = len(self.recipe_epochs) if until is None else until
        epochs = range(len(self.log), last)
        for _ in tqdm(epochs, desc=label, unit="epoch", disable=collectives.rank() > 0):
            self.epoch()
            after()
            if kept is not None and collectives.rank() == 0:
                self.checkpoint(kept)

    def epoch(self) -> None:
        """Trains one epoch, changes the structure if it is time, then validates: always the masked network.

        raises: TrainingError if the loss or a weight is not finite
        """
        number = len(self.log) + 1
        recipe = self.task.train
        self._begin(number)
        batches = self.paced(self.recipe_epochs[number - 1])
        net = self.parallel(self.net)
        try:
            loss = train_epoch(net, batches, self.optimizer, self.l1, self.pruner, self.loss)
        except FloatingPointError as error:
            advice = f"lower the task's learning rate in params.yaml (lr: {recipe.lr}) and run again"
            raise TrainingError(f"epoch {number}: {error}; {advice}; the epochs before it are kept") from None
        statistics = [buffer for buffer in self.net.buffers() if buffer.is_floating_point()]  # of BN
        collectives.all_mean([*statistics, *self.pruner.stats_to_sync()])
        line = {"epoch": number, "loss": collectives.all_sum(loss) / collectives.world_size()}
        if number in self.pruner.updates:  # what the stretch that ends here has reached, before its cut
            line["before_update"] = self.validate()
        self.pruner.after_epoch(number)
        self._follow(number)
        self.log.append({**line, "validation": self.validate()})
        collectives.check_same(self.state(), f"epoch {number}")

    def validate(self) -> float:
        """Accuracy on the validation images. Of several devices, each takes its turn of the batches."""
        x, y = self.splits.validation
        right = count_correct(self.net, x, y, collectives.rank(), collectives.world_size())
        return collectives.all_sum(right) / len(y)

    def state(self) -> dict:
        """Everything that the next epoch depends on."""
        return {
            "fast": self.net.fast.model_dump(),
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
        checkpoint.stop_if_asked(f"after epoch {len(self.log)} of {len(self.recipe_epochs)}")

    def resume(self, path: Path) -> bool:
        """Takes up the training that `checkpoint` kept, if there is one and it is whole: on a CPU the numbers
        are those of an unbroken run (`set_up`). raises: ConfigError if it is another training's"""
        state = checkpoint.read(path, self.device)
        if state is None:
            return False
        try:
            self.pruner.restore(state["pruner"])
            self.net = self.pruner.trained.use(Fast(**state["fast"]))
            self.net.load_state_dict(state["net"])
            self.optimizer = make_optimizer(self.net, self.task.train)
            self.optimizer.load_state_dict(state["optimizer"])
            self.order.set_state(state["order"].cpu())
            self.log = state["log"]
            self._set_units(max(1, len(self.log)))
        except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{path}: the checkpoint of another training; remove it and run again"
            ) from error
        return True

    def resume_prefix(self, path: Path) -> None:
        """Takes up what a run kept at its end that is the beginning of this one (lottery tickets at a larger
        density): the numbers are those of a run of its own, which it is if nothing whole was kept."""
        if self.resume(path):
            self._note()

    def trunk(self) -> dict:
        """What other runs need to fork from here, before any structure has changed."""
        kept = ("net", "optimizer", "order", "log")
        gradients = {name: p.grad for name, p in self.net.named_parameters() if p.grad is not None}
        return {key: value for key, value in self.state().items() if key in kept} | {"gradients": gradients}

    def fork(self, trunk: dict) -> None:
        """Begins where a run that began alike kept its `trunk`: the numbers are those of a run of its own."""
        self.net.load_state_dict(trunk["net"])
        self.optimizer = make_optimizer(self.net, self.task.train)
        self.optimizer.load_state_dict(trunk["optimizer"])
        self.order.set_state(trunk["order"].cpu())
        self.log = trunk["log"]
        for name, parameter in self.net.named_parameters():
            parameter.grad = trunk["gradients"].get(name)
        self._note()

    def _note(self) -> None:
        """The pruner's part of an epoch that another run has trained."""
        last = self.log[-1]
        self._set_units(last["epoch"])
        self.pruner.after_step(self.optimizer)
        self.pruner.after_epoch(last["epoch"])
        if last["epoch"] in self.pruner.updates:
            self._follow(last["epoch"])
            self.log[-1] = {**last, "before_update": last["validation"], "validation": self.validate()}

    def finish(self) -> SpikingNet:
        """The network that is reported: compacted if it was pruned; in eval mode."""
        return self.pruner.finish().eval()

    def masked(self) -> SpikingNet:
        """The network that `finish` was cut from, all its channels in it;
        the same one if nothing was pruned."""
        return self.pruner.net

    def _follow(self, epoch: int) -> None:
        """Trains on with the network that the pruner leaves, in the units of an epoch."""
        self.net = self.pruner.trained
        self._set_units(epoch)
        self.optimizer = self.pruner.carry(self.optimizer)

    def _set_units(self, epoch: int) -> None:
        units, T = self.task.units_at(epoch)
        for net in (self.net, self.pruner.net):
            net.run_for(T, units)

    def _begin(self, epoch: int) -> None:
        """The units of an epoch; the network is fitted to them where they are others than before."""
        self._set_units(epoch)
        before = self.task.units_at(epoch - 1)
        if before != self.task.units_at(epoch):
            chance = torch.Generator().manual_seed(self.seed)
            fit_to_units(self.net, before[0], lambda count: self.batches(chance, count), self.loss)
