"""The training of a network that was taken over (`lib.models.adopt`), by any task's recipe."""

from lib import data, models
from lib.core.errors import ConfigError
from lib.models import SpikingNet, known
from lib.settings import Task, Trial
from lib.training.run import Run


class Adopted(Run):
    """A `lib.training.Run` that starts from `net` as it is, in the place of the task's network.

    task: its recipe and when its structure changes; what it says of the network does not count
    raises: ConfigError if the network is none of this study's, or does not take these images
    """

    def __init__(self, splits: data.Splits, task: Task, trial: Trial, seed: int, net: SpikingNet):
        self.given = known(net)
        takes = (net.in_shape, net.spec["num_classes"], net.spec["events"])
        there = (splits.in_shape, splits.classes, splits.events)
        if takes != there:
            names = ("images of {}", "{} classes", "events: {}")
            told = [
                f"{name.format(a)}, not {name.format(b)}"
                for name, a, b in zip(names, takes, there, strict=True)
                if a != b
            ]
            raise ConfigError(f"the network is for {'; '.join(told)}; adopt it for these data")
        super().__init__(splits, task.model_copy(update={"T": net.spec["T"]}), trial, seed)

    def making(self) -> tuple:
        return *super().making(), self.given

    def build(self) -> SpikingNet:
        return models.clone(self.given, next(self.given.parameters()).dtype)
