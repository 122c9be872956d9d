"""Training that gets cheaper as it prunes: between two structure updates only the kept channels exist.

A masked channel is frozen in frozen mode (methods A22), so training the masked network and training the small
one are the same
algorithm: the full network is needed at the updates alone, to hold what is frozen and to be probed.
"""

import torch
from torch import Tensor

from lib.models import SpikingNet
from lib.pruning.channels import ChannelPruner
from lib.pruning.compact import compact, compact_optimizer, expand, expand_optimizer
from lib.pruning.scores import ScoreMeter


class ShrinkingPruner(ChannelPruner):
    """`ChannelPruner` in frozen or fixed mode; `trained` is a network of the kept channels alone."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.small_meter = self.meter
        self.outdated = None
        if not all(mask.all() for mask in self.masks.values()):
            self._shrink()

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Nothing to put back: what is frozen is not there."""

    def after_epoch(self, epoch: int) -> None:
        if epoch in self.updates:
            if self.trained is not self.net:
                expand(self.trained, self.net, self.masks)
            super().after_epoch(epoch)
            self._shrink()
        elif self.trained is self.net:
            super().after_epoch(epoch)

    def carry(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        if self.outdated is None:
            return optimizer
        small, masks = self.outdated
        self.outdated = None
        if small is not self.net:
            optimizer = expand_optimizer(optimizer, small, self.net, masks)
        return compact_optimizer(optimizer, self.net, self.trained, self.masks)

    def finish(self) -> SpikingNet:
        if self.trained is not self.net:
            expand(self.trained, self.net, self.masks)
        return super().finish()

    def _meter(self) -> ScoreMeter | None:
        return self.small_meter

    def _rebuild(self) -> None:
        super()._rebuild()
        if not all(mask.all() for mask in self.masks.values()):
            self._shrink()
            self.outdated = None  # the optimiser is restored in its new shape

    def _shrink(self) -> None:
        self.outdated = self.trained, self.held if self.trained is not self.net else None
        self.trained = compact(self.net, self.masks)
        self.held = self.masks
        if self.meter is not None:
            self.small_meter = ScoreMeter(self.trained, self.method.score)

    def _measured(self) -> dict[str, Tensor]:
        if self.meter is None or self.trained is self.net:
            return super()._measured()
        return self._spread(self.small_meter.mean())

    def _kept(self) -> SpikingNet:
        return self.trained
