"""What goes, what comes back, and its removal. A method is a composition, written down in params.yaml."""

import torch

from lib.models import SpikingNet
from lib.pruning.channels import ChannelPruner, choose
from lib.pruning.compact import compact, compact_optimizer
from lib.pruning.compressibility import pq_index
from lib.pruning.growth import GROWTH
from lib.pruning.masks import (
    apply_channel_masks,
    current_masks,
    keep_top,
    kept_count,
    kept_entries,
    prunable_channels,
    uniform_random,
    zero_channels,
)
from lib.pruning.probing import probe
from lib.pruning.pruner import Pruner
from lib.pruning.schedules import RATIO_SCHEDULES, REGROW_SCHEDULES, update_epochs
from lib.pruning.scores import SCORES, ScoreMeter, activity_scores
from lib.pruning.shrinking import ShrinkingPruner
from lib.pruning.thresholds import ThresholdPruner
from lib.pruning.tickets import TicketPruner
from lib.pruning.weights import WeightPruner, apply_weight_masks
from lib.settings import Method, Rewiring, Select, Task, Trial

__all__ = [
    "GROWTH", "RATIO_SCHEDULES", "REGROW_SCHEDULES", "SCORES", "ChannelPruner", "Pruner", "ScoreMeter",
    "ShrinkingPruner", "ThresholdPruner", "TicketPruner", "WeightPruner", "activity_scores",
    "apply_channel_masks", "apply_weight_masks", "choose", "compact", "compact_optimizer", "current_masks",
    "keep_top", "kept_count", "kept_entries", "make_pruner", "pq_index", "probe", "prunable_channels",
    "uniform_random", "update_epochs", "zero_channels",
]  # fmt: skip


def make_pruner(net: SpikingNet, task: Task, trial: Trial, chance: torch.Generator, probes) -> Pruner:
    """The pruner of one training. chance: draws what a method leaves to it;
    probes: called for the batches of `probe`"""
    epochs = task.train.epochs
    method = trial.method
    if method is None or isinstance(method, Select):
        return Pruner(net)  # which tokens go on is the network's own affair
    if isinstance(method, Method):
        compacting = task.prune.compact and method.mode != "soft"
        made = ShrinkingPruner if compacting else ChannelPruner
        return made(net, method, trial.ratio, epochs, task.prune.warmup, task.prune.floor, chance, probes)
    if isinstance(method, Rewiring):
        return WeightPruner(net, method, trial.density, epochs, task.rewire, chance)
    made = {"tickets": TicketPruner, "threshold": ThresholdPruner}[method.kind]
    return made(net, method, trial.density, epochs)
