"""How a training begins, up to the first update of its structure: trials that begin alike share that part.

Computed from settings alone, so that a warm-up can be planned without building a network.
"""

from typing import NamedTuple

from lib.pruning.schedules import update_epochs
from lib.pruning.scores import WEIGHT_SCORES
from lib.settings import Method, Rewiring, Select, Task, Tickets, Trial


class Prefix(NamedTuple):
    """start: what tells this beginning from others of the same task and seed; epochs: how many of it other
    trials can share; marks: earlier epochs at whose end the pruner takes something down"""

    start: dict
    epochs: int
    marks: tuple[int, ...] = ()


def prefix(task: Task, trial: Trial) -> Prefix | None:
    """None: nobody else begins like this trial, or it cannot share. A student's is that of its own recipe,
    from its teacher on."""
    method = trial.method
    recipe = task.student if trains_student(trial) else task.train
    if recipe.devices > 1:
        return None  # batch normalisation sees a device's share of a batch
    dense = {"student": trains_student(trial), "selector": trial.selector, "l1": recipe.l1}
    if method is None:
        return Prefix(dense, recipe.epochs)
    if isinstance(method, Select):
        return None if method.rule == "skip" else Prefix(dense, recipe.epochs)
    if isinstance(method, Tickets):
        return Prefix(dense, recipe.epochs, (method.rewind,))
    if isinstance(method, Method) and method.mode != "fixed":
        return Prefix(dense | {"l1": method.l1}, before_listening(task, method))
    if isinstance(method, Rewiring):
        start = trial.density if method.start is None else method.start
        sparse = {"density": start, "init": method.init} if start < 1 else {}
        return Prefix(dense | sparse, first_exchange(task, method))
    return None  # a random mask, a size of its own, or a threshold at work from the first step on


def trains_student(trial: Trial) -> bool:
    return isinstance(trial.method, Select) or getattr(trial.method, "start", "") == "dense"


def before_listening(task: Task, method: Method) -> int:
    """Activity is listened to over the last interval before an update; weights are read at the update
    itself."""
    soft = method.mode == "soft"
    updates = update_epochs(task.train.epochs, task.prune.warmup, method.interval, soft, method.stop)
    if not updates:
        return task.train.epochs
    return updates[0] if method.score in WEIGHT_SCORES else max(0, updates[0] - method.interval)


def first_exchange(task: Task, method: Rewiring) -> int:
    warmup = method.warmup or task.rewire.warmup
    interval = method.interval or task.rewire.interval
    updates = update_epochs(task.train.epochs, warmup, interval, last_too=False, stop=task.rewire.stop)
    return updates[0] if updates else task.train.epochs
