"""What a study says before its first training that it will find: docs/protocol.md."""

from typing import Literal

from lib.settings.base import Name, Ratio, Settings, list_of

FRONTIER = "frontier"


class Hypothesis(Settings):
    """In a task, `ours` reaches a higher test accuracy than `theirs`: the mean over ratios, seed by seed.

    ours: a method for channels; theirs: another one, a baseline, "dense", or "frontier": the best dense
    network of the study that is no larger
    at: equal ratio; or equal parameters or SynOps (AC): theirs is read off its curve at the size of ours
    """

    says: str
    task: Name
    ours: Name
    theirs: str
    ratios: list_of(Ratio)
    at: Literal["ratio", "parameters", "AC"] = "ratio"
