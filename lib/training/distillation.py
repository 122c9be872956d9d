"""A transformer that works on fewer tokens: it starts as the dense one,
and learns from it (SparseSpikformer, C11, C12)."""

import torch
from torch import Tensor

from lib import models
from lib.core import collectives
from lib.core.errors import ConfigError
from lib.data import Splits
from lib.models import SpikingNet
from lib.models.start import recalibrate
from lib.pruning.tokens import teach, token_loss
from lib.settings import DENSE, Study, Task, Trial
from lib.training.fastest import chosen
from lib.training.phases import CALIBRATION
from lib.training.run import Run


def teacher(settings: Study, splits: Splits, task: str, seed: int) -> SpikingNet:
    """The task's dense network of this seed, as the stage `dense` has left it;
    the smoke study trains it here if there is none.

    raises: ConfigError that says which stage to run
    """
    path = settings.run_folder("dense", task, "dense", seed) / "0-dense.pt"
    if path.exists():
        return models.load(path)
    if settings.study != "smoke":
        raise ConfigError(f"{path.relative_to(settings.folder)} is missing; run `dvc repro -s dense@{task}`")
    run = Run(splits, settings.tasks[task], DENSE, seed)
    run.fit(f"{task} dense, seed {seed}")
    return run.net.eval()


def make(splits: Splits, task: Task, trial: Trial, seed: int, teacher: SpikingNet) -> Run:
    """The training of a trial: a student, or, for tickets that start from scratch,
    a run by the dense network's recipe."""
    if trial.method.kind == "tickets" and trial.method.start == "scratch":
        return Run(splits, task, trial, seed)
    return Student(splits, task, trial, seed, teacher)


# differs from the paper: lottery tickets start from the dense network and have a teacher with and without
# selection, so that the two differ in selection alone; `start: scratch` gives the usual ones
class Student(Run):
    """A `lib.training.Run` by the task's recipe for students.

    teacher: the dense network of the same task and seed; its weights are where the student starts
    raises: ConfigError if the teacher is no network of this task
    """

    def __init__(self, splits: Splits, task: Task, trial: Trial, seed: int, teacher: SpikingNet):
        self.teacher = teacher.use(chosen(task.fast)).to(collectives.device())
        self.finished = None, None  # how many epochs it was trained when it was finished, and what came of it
        super().__init__(splits, task.model_copy(update={"train": task.student}), trial, seed)
        if self._untrained:
            self.recipe_epochs = []

    def making(self) -> tuple:
        return *super().making(), models.clone(self.teacher, next(self.teacher.parameters()).dtype).cpu()

    def build(self) -> SpikingNet:
        expected = super().build().spec
        given = self.teacher.spec
        wrong = [f"{key} {given[key]}, not {value}" for key, value in expected.items() if given[key] != value]
        if wrong:
            advice = "give the dense network of this task, trained as params.yaml says now"
            raise ConfigError(f"teacher: {'; '.join(wrong)}; {advice}")
        net = models.build(**{**given, "selector": self.trial.selector})
        own = {name: tensor for name, tensor in net.state_dict().items() if name.startswith("selector.")}
        net.load_state_dict({**self.teacher.state_dict(), **own})
        return net

    def loss(self, net: SpikingNet, x: Tensor, y: Tensor) -> Tensor:
        return token_loss(net(x), y, teach(self.teacher, x), net.selector, self.task.train.smoothing)

    def epoch(self) -> None:
        """As every run's; noise and random tokens of an epoch are the same whether the run was stopped before
        it or not.

        Each of several devices draws its own.
        """
        torch.manual_seed(1_000_000 * (self.seed + 1) + 100_000 * collectives.rank() + len(self.log))
        super().epoch()

    def finish(self) -> SpikingNet:
        """The network that is reported, dropped tokens really gone,
        its statistics those of the tokens that are left."""
        if self.finished[0] != len(self.log):
            self.finished = len(self.log), self._recalibrated()
        # random tokens: the same ones in what is measured next, whenever this is called
        torch.manual_seed(self.seed)
        return self.finished[1]

    def _recalibrated(self) -> SpikingNet:
        torch.manual_seed(self.seed)  # random tokens: the same ones for every run that has come as far
        net = models.clone(self.net, next(self.net.parameters()).dtype).eval()
        if not self._untrained:  # where every token goes on, too: a baseline differs in one thing alone
            # differs from the paper: it keeps the running statistics,
            # in which dropped tokens took part (3.5, item 4)
            recalibrate(net, self.batches(torch.Generator().manual_seed(self.seed), CALIBRATION))
        return net

    def masked(self) -> SpikingNet:
        """The same network, dropped tokens masked."""
        net = models.clone(self.finish(), next(self.net.parameters()).dtype)
        if net.selector is not None:
            net.selector.gathered = False
        return net

    @property
    def _untrained(self) -> bool:
        """Skipping takes the dense network as it is."""
        return self.trial.method.kind == "select" and self.trial.method.rule == "skip"
