"""What params.yaml may hold, as frozen types; what a notebook is given; the record that a trial leaves."""

from lib.settings.base import Settings
from lib.settings.datasets import DATASETS
from lib.settings.grid import STAGES, Grid
from lib.settings.method import (
    Ablation,
    Baseline,
    Method,
    Rewiring,
    Select,
    Threshold,
    Tickets,
    TokenMethod,
    TokenTickets,
    WeightMethod,
)
from lib.settings.study import Study
from lib.settings.task import Data, Fast, Prune, Rewire, Task, Train
from lib.settings.trial import DENSE, Trial

__all__ = [
    "DATASETS", "DENSE", "STAGES", "Ablation", "Baseline", "Data", "Fast", "Grid", "Method", "Prune",
    "Rewire", "Rewiring", "Select", "Settings", "Study", "Task", "Threshold", "Tickets", "TokenMethod",
    "TokenTickets", "Train", "Trial", "WeightMethod",
]  # fmt: skip
