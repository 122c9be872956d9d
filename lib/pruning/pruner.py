"""What the training loop knows of a pruner. This one changes nothing: it trains the dense network."""

import torch

from lib.models import SpikingNet


class Pruner:
    """net: the network with all that was pruned still in it; trained: the one that the loop trains
    updates: the epochs, counted from 1, after which the structure changes; history: what each update did
    removes: what it may remove: "channels", "weights" (single ones), or None: nothing
    """

    removes: str | None = None

    def __init__(self, net: SpikingNet, updates: list[int] = ()):
        self.net = net
        self.trained = net
        self.updates = list(updates)
        self.history = []

    def recipe_epochs(self, epochs: int) -> list[int]:
        """For each epoch trained, which epoch of the recipe it is (counted from 0)."""
        return list(range(epochs))

    def extends(self, other: "Pruner") -> bool:
        """Whether a run with this pruner begins as a whole run with the other one does."""
        return False

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Called after each step of the optimiser."""

    def stats_to_sync(self) -> list[torch.Tensor]:
        """What each device has gathered from its own images since the last update:
        averaged over devices after each epoch."""
        return []

    def after_epoch(self, epoch: int) -> None:
        """Called after each epoch, counted from 1, before it is validated."""

    def carry(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """The optimiser of `trained` after an update, with the state that `optimizer` had gathered."""
        return optimizer

    def finish(self) -> SpikingNet:
        """The network that is reported."""
        return self.net

    def state(self) -> dict:
        """What a training stopped after an epoch needs, beside the trained network,
        to go on as if nothing had happened."""
        return {"history": self.history}

    def restore(self, state: dict) -> None:
        """Takes up what `state` gave."""
        self.history = state["history"]
