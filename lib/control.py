"""Dense networks beside a pruned one: does its size, or its layers' widths, explain what it reaches? (Liu et al., Rethinking
the Value of Network Pruning, ICLR 2019; Blalock et al., What is the State of Neural Network Pruning?, MLSys 2020)."""

import torch
from tqdm.auto import tqdm

from lib import measure, models, results
from lib.config import Study
from lib.data import Splits
from lib.models import SpikingNet
from lib.settings import Cell, ControlPoint, Point
from lib.train import Run


def pruned_record(settings: Study, splits: Splits, cell: str, point: ControlPoint, seed: int) -> dict:
    """The record of the pruned network that a control stands beside; the smoke study trains it here if there is none.

    raises: lib.results.ResultsError that says how to make it
    """
    method = point.method.of
    try:
        records = results.read(settings, "channels", cell, method, seed)
    except results.ResultsError:
        if settings.study != "smoke":
            raise
        records = [trained(splits, settings.cells[cell], other, seed) for other in settings.points(cell, method)]
    return next(record for record in records if record["ratio"] == point.ratio)


def trained(splits: Splits, cell: Cell, point: Point, seed: int) -> dict:
    run = Run(splits, cell, point, seed)
    for _ in tqdm(run.recipe_epochs, desc=f"{point.name}, seed {seed}", unit="epoch"):
        run.epoch()
    return results.rounded({**point.record, **measure.report(run)})


class Control(Run):
    """A `lib.train.Run` of a dense network from a new initialisation.

    found: the record of the pruned network that it stands beside, as `lib.results.read` gives it
    """

    def __init__(self, splits: Splits, cell: Cell, point: ControlPoint, seed: int, found: dict):
        self.control, self.found, self.widths, self.asked = point, found, found["widths"], cell
        if point.method.widths == "uniform":
            self.widths = uniform(cell, splits, found["channels"], found["parameters"]["total"])
        if point.method.epochs == "cost":
            epochs = max(1, round(training_cost(cell, splits, found) / image_cost(cell, splits, self.widths)))
            cell = cell.model_copy(update={"train": cell.train.model_copy(update={"epochs": epochs})})
        super().__init__(splits, cell, None, seed)

    def making(self) -> tuple:
        return type(self), self.splits, self.asked, self.control, self.seed, self.found

    def build(self) -> SpikingNet:
        return network(self.cell, self.splits, self.widths)


def network(cell: Cell, splits: Splits, widths: dict[str, int]) -> SpikingNet:
    """The cell's network, untrained. widths: {site: channels}"""
    return models.build(
        cell.net, splits.classes, splits.in_shape, cell.T, cell.neuron, cell.width, widths, events=splits.events
    )


def uniform(cell: Cell, splits: Splits, channels: dict[str, int], parameters: int) -> dict[str, int]:
    """{site: channels} with the same share of every layer, whose number of parameters comes nearest to `parameters`.

    channels: {site: those of the whole network}
    """
    tried = {}
    low, high = 0.0, 1.0
    for _ in range(30):  # bisection: parameters grow with the share
        share = (low + high) / 2
        widths = {site: max(1, round(share * count)) for site, count in channels.items()}
        with torch.device("meta"):
            size = sum(p.numel() for p in network(cell, splits, widths).parameters())
        tried[abs(size - parameters)] = widths
        low, high = (share, high) if size < parameters else (low, share)
    return tried[min(tried)]


def image_cost(cell: Cell, splits: Splits, widths: dict[str, int]) -> float:
    """Multiply-accumulates of a pass over one image, every layer counted as dense: what a training step costs, but for a factor
    that all convolutional networks share."""
    return measure.flops(network(cell, splits, widths), splits.test[0][..., :1, :, :, :])


def training_cost(cell: Cell, splits: Splits, found: dict) -> float:
    """What the pruned network's training cost, in passes of `image_cost` summed over its epochs: the whole network's until the
    first update, then that of the channels kept; always the whole one's in literal mode or if nothing is compacted. Probes are
    not counted."""
    mode = found["settings"]["mode"]
    whole = mode == "literal" or not cell.prune.compact
    kept = {} if whole else {update["epoch"]: update["kept"] for update in found["updates"]}
    begins = found["widths" if mode == "fixed" and not whole else "channels"]
    ends = [*kept, cell.train.epochs]  # of the stretches of epochs that train one network
    lengths = [end - begin for begin, end in zip([0, *kept], ends, strict=True)]
    return sum(
        length * image_cost(cell, splits, widths) for length, widths in zip(lengths, [begins, *kept.values()], strict=True)
    )
