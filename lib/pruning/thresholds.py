"""Weights that come and go by a threshold at every step: Grad R and STDS. The optimiser steps on the weight
that the network uses; what it adds is handed to a hidden parameter, and the weight is read off that again."""

import math

import torch
from torch import Tensor

from lib.core.errors import pick
from lib.models import SpikingNet
from lib.pruning.pruner import Pruner
from lib.settings import Threshold


def grad_r(
    hidden: Tensor, sign: Tensor, lr: float, method: Threshold, final: float, progress: float
) -> Tensor:
    """w = s max(theta, 0), with a fixed sign s and theta = s * hidden;
    a dormant theta < 0 goes on hearing the gradient.

    A Laplace prior of scale 1 / strength pulls theta to its centre, ln(2 final) / strength, which lies below
    0 where less than half of the weights are to stay: theta -= lr strength sign(theta - centre) (Chen et al.,
    IJCAI 2021).
    """
    theta = hidden * sign
    theta -= lr * method.strength * (theta - math.log(2 * final) / method.strength).sign()
    hidden.copy_(theta * sign)
    return theta.clamp(min=0) * sign


def stds(hidden: Tensor, sign: Tensor, lr: float, method: Threshold, final: float, progress: float) -> Tensor:
    """w = sign(hidden) max(|hidden| - d, 0), with a straight-through gradient; d rises from 0 to `strength`
    as a sine from its trough to its crest (Chen et al., ICML 2022)."""
    d = method.strength * (1 + math.sin(math.pi * (progress - 0.5))) / 2
    return hidden.sign() * (hidden.abs() - d).clamp(min=0)


SHOWN = {"grad_r": grad_r, "stds": stds}


class ThresholdPruner(Pruner):
    """final: the density that Grad R's prior asks for. What density the network ends at follows from the
    training: it is measured, not set."""

    removes = "weights"

    def __init__(self, net: SpikingNet, method: Threshold, final: float, epochs: int):
        super().__init__(net)
        self.method = method
        self.final = final
        self.epochs = epochs
        self.done = 0
        self.hidden = {name: w.detach().clone() for name, w in net.weights().items()}
        self.sign = {name: w.sign() for name, w in self.hidden.items()}
        self.shown = {name: w.clone() for name, w in self.hidden.items()}

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        self._show(optimizer.param_groups[0]["lr"])

    @torch.no_grad()
    def _show(self, lr: float) -> None:
        # the last epoch trains at the final threshold
        progress = min(1.0, self.done / max(1, self.epochs - 1))
        for name, weight in self.net.weights().items():
            self.hidden[name] += weight - self.shown[name]
            seen = pick(SHOWN, self.method.rule, "rule")(
                self.hidden[name], self.sign[name], lr, self.method, self.final, progress
            )
            weight.copy_(seen + 0.0)  # + 0.0: no -0.0
            self.shown[name] = weight.detach().clone()

    def after_epoch(self, epoch: int) -> None:
        """The threshold rises, and the density that this leaves is written down."""
        self.done = epoch
        if epoch < self.epochs:
            self._show(lr=0.0)
        weights = self.net.weights().values()
        left = sum(int(w.count_nonzero()) for w in weights) / sum(w.numel() for w in weights)
        self.history.append({"epoch": epoch, "density": left})

    def state(self) -> dict:
        return {
            **super().state(),
            "hidden": self.hidden,
            "sign": self.sign,
            "shown": self.shown,
            "done": self.done,
        }

    def restore(self, state: dict) -> None:
        super().restore(state)
        self.hidden = state["hidden"]
        self.sign = state["sign"]
        self.shown = state["shown"]
        self.done = state["done"]
