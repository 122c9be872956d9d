"""What params.yaml may hold, piece by piece: keys, types and ranges, as frozen pydantic models."""

from lib.settings.base import Inside, Name, Positive, Settings
from lib.settings.cell import Cell, Data, Fast, Prune, Rewire, Train
from lib.settings.method import (
    Ablation,
    Control,
    Method,
    Rewiring,
    Select,
    Threshold,
    Tickets,
    TokenMethod,
    TokenTickets,
    WeightMethod,
)
from lib.settings.points import ControlPoint, Grid, Point, TokenPoint, WeightPoint

__all__ = [
    "Ablation",
    "Cell",
    "Control",
    "ControlPoint",
    "Data",
    "Fast",
    "Grid",
    "Inside",
    "Method",
    "Name",
    "Point",
    "Positive",
    "Prune",
    "Rewire",
    "Rewiring",
    "Select",
    "Settings",
    "Threshold",
    "Tickets",
    "TokenMethod",
    "TokenPoint",
    "TokenTickets",
    "Train",
    "WeightMethod",
    "WeightPoint",
]
