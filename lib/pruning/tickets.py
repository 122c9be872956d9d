"""Lottery tickets: train, remove a share of what is left by magnitude over all layers, rewind to an early
epoch, and again (Frankle & Carbin 2019, late rewinding 2020; in SNNs Kim et al., ECCV 2022)."""

import copy

import torch

from lib.models import SpikingNet
from lib.pruning.pruner import Pruner
from lib.pruning.rewiring import SCOPES, lowest, protected, unrows
from lib.pruning.sparse_init import total_count
from lib.pruning.weights import apply_weight_masks, density
from lib.settings import Tickets


def kept_shares(final: float, share: float) -> list[float]:
    """Density after each round: (1 - share)^r until `final`; the last round takes only what is missing."""
    kept = []
    left = 1.0
    while left > final * (1 + 1e-9):
        left = max(final, left * (1 - share))
        kept.append(left)
    return kept


class TicketPruner(Pruner):
    """final: the density to end at, in (0, 1]; epochs: of one training.
    The network reported is the last round's."""

    removes = "weights"

    def __init__(self, net: SpikingNet, method: Tickets, final: float, epochs: int):
        self.rounds = kept_shares(final, method.share)
        self.rewind = method.rewind
        self.epochs = epochs
        super().__init__(
            net, [epochs + round * (epochs - method.rewind) for round in range(len(self.rounds))]
        )
        self.masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in net.weights().items()}
        self.optimizer = None
        self.early = None

    def extends(self, other: "TicketPruner") -> bool:
        """At the next smaller density."""
        return self.rounds[: len(other.rounds)] == other.rounds != self.rounds

    def recipe_epochs(self, epochs: int) -> list[int]:
        return [*range(epochs), *list(range(self.rewind, epochs)) * len(self.rounds)]

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        apply_weight_masks(self.net, self.masks)

    def after_epoch(self, epoch: int) -> None:
        # differs from the paper: optimiser, schedule and BN's statistics are rewound, too; published: the
        # first two begin anew, BN's running statistics stay as they are (C15)
        if epoch == self.rewind:  # every tensor is cloned: the training goes on in those of the network
            self.early = copy.deepcopy(
                {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()["state"]}
            )
        if epoch in self.updates:
            self._remove(self.rounds[self.updates.index(epoch)])
            self.net.load_state_dict(self.early["net"])
            self.optimizer.load_state_dict(
                {**self.optimizer.state_dict(), "state": copy.deepcopy(self.early["optimizer"])}
            )
            apply_weight_masks(self.net, self.masks)
            self.history.append({"epoch": epoch, "density": density(self.masks)})

    @torch.no_grad()
    def _remove(self, kept: float) -> None:
        weights = list(self.net.weights().values())
        active = list(self.masks.values())
        [w] = SCOPES["global"](protected(weights))
        [mask] = SCOPES["global"](active)
        count = mask.sum() - total_count(kept, mask.numel())
        left = unrows([mask & ~lowest(w.abs(), mask, count[None])], weights)
        self.masks = dict(zip(self.masks, left, strict=True))

    def state(self) -> dict:
        return {**super().state(), "masks": self.masks, "early": self.early}

    def restore(self, state: dict) -> None:
        super().restore(state)
        self.masks = state["masks"]
        self.early = state["early"]
