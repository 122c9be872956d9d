"""Which channels go, which come back, and their removal. A method is score x growth x schedule, composed in params.yaml."""

from lib.pruning.channels import ChannelPruner, choose, probe, zero_channels
from lib.pruning.compact import compact, compact_optimizer
from lib.pruning.growth import GROWTH
from lib.pruning.masks import (
    apply_channel_masks,
    current_masks,
    keep_top,
    kept_count,
    kept_entries,
    prunable_channels,
    uniform_random,
)
from lib.pruning.schedules import RATIO_SCHEDULES, REGROW_SCHEDULES, update_epochs
from lib.pruning.scores import SCORES, ScoreMeter, activity_scores
from lib.pruning.shrinking import ShrinkingPruner

__all__ = [
    "GROWTH",
    "RATIO_SCHEDULES",
    "REGROW_SCHEDULES",
    "SCORES",
    "ChannelPruner",
    "ScoreMeter",
    "ShrinkingPruner",
    "activity_scores",
    "apply_channel_masks",
    "choose",
    "compact",
    "compact_optimizer",
    "current_masks",
    "keep_top",
    "kept_count",
    "kept_entries",
    "probe",
    "prunable_channels",
    "uniform_random",
    "update_epochs",
    "zero_channels",
]
