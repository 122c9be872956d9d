"""Dense networks beside a pruned one: does its size, or its layers' widths, explain what it reaches? (Liu et
al., Rethinking the Value of Network Pruning, ICLR 2019; Blalock et al.,
What is the State of Neural Network Pruning?, MLSys 2020)."""

import torch

from lib import measure, models
from lib.data import Splits
from lib.models import SpikingNet
from lib.settings import DENSE, Study, Task, Trial, records
from lib.training.run import Run


def pruned_record(settings: Study, splits: Splits, task: str, trial: Trial, seed: int) -> dict:
    """The record of the pruned network that a baseline stands beside;
    the smoke study trains it here if there is none.

    raises: lib.settings.records.ResultsError that says how to make it
    """
    method = trial.method.matches
    try:
        made = records.read(settings, "channels", task, method, seed)
    except records.ResultsError:
        if settings.study != "smoke":
            raise
        made = [trained(splits, settings.tasks[task], other, seed) for other in settings.trials(task, method)]
    return next(record for record in made if record["ratio"] == records.rounded(trial.ratio))


def trained(splits: Splits, task: Task, trial: Trial, seed: int) -> dict:
    run = Run(splits, task, trial, seed)
    run.fit(f"{trial.name}, seed {seed}")
    return records.rounded({**trial.record, **measure.report(run)})


class Matched(Run):
    """A `lib.training.Run` of a dense network from a new initialisation.

    found: the record of the pruned network that it stands beside, as `lib.settings.records.read` gives it
    """

    def __init__(self, splits: Splits, task: Task, trial: Trial, seed: int, found: dict):
        self.baseline = trial
        self.found = found
        self.widths = found["widths"]
        self.whole_task = task
        if trial.method.widths == "uniform":
            self.widths = uniform(task, splits, found["channels"], found["parameters"]["total"])
        if trial.method.epochs == "cost":
            epochs = max(1, round(training_cost(task, splits, found) / image_cost(task, splits, self.widths)))
            task = task.model_copy(update={"train": task.train.model_copy(update={"epochs": epochs})})
        super().__init__(splits, task, DENSE, seed)

    def making(self) -> tuple:
        return type(self), self.splits, self.whole_task, self.baseline, self.seed, self.found

    def build(self) -> SpikingNet:
        return network(self.task, self.splits, self.widths)


def network(task: Task, splits: Splits, widths: dict[str, int]) -> SpikingNet:
    """The task's network, untrained. widths: {site: channels}"""
    return models.build(
        task.net,
        splits.classes,
        splits.in_shape,
        task.T,
        task.neuron,
        task.width,
        widths,
        events=splits.events,
    )


def uniform(task: Task, splits: Splits, channels: dict[str, int], parameters: int) -> dict[str, int]:
    """{site: channels} with the same share of every layer, whose number of parameters comes nearest to
    `parameters`.

    channels: {site: those of the whole network}
    """
    tried = {}
    low, high = 0.0, 1.0
    for _ in range(30):  # bisection: parameters grow with the share
        share = (low + high) / 2
        widths = {site: max(1, round(share * count)) for site, count in channels.items()}
        with torch.device("meta"):
            size = sum(p.numel() for p in network(task, splits, widths).parameters())
        tried[abs(size - parameters)] = widths
        low, high = (share, high) if size < parameters else (low, share)
    return tried[min(tried)]


def image_cost(task: Task, splits: Splits, widths: dict[str, int]) -> float:
    """Multiply-accumulates of a pass over one image, every layer counted as dense: what a training step
    costs, but for a factor that all convolutional networks share."""
    return measure.flops(network(task, splits, widths), splits.test[0][..., :1, :, :, :])


def training_cost(task: Task, splits: Splits, found: dict) -> float:
    """What the pruned network's training cost, in passes of `image_cost` summed over its epochs: the whole
    network's until the first update, then that of the channels kept; always the whole one's in soft mode or
    if nothing is compacted. Probes are not counted."""
    mode = found["settings"]["mode"]
    whole = mode == "soft" or not task.prune.compact
    kept = {} if whole else {update["epoch"]: update["kept"] for update in found["updates"]}
    begins = found["widths" if mode == "fixed" and not whole else "channels"]
    ends = [*kept, task.train.epochs]  # of the stretches of epochs that train one network
    lengths = [end - begin for begin, end in zip([0, *kept], ends, strict=True)]
    return sum(
        length * image_cost(task, splits, widths)
        for length, widths in zip(lengths, [begins, *kept.values()], strict=True)
    )
