"""What a study says before its first training that it will find: docs/protocol.md."""

from typing import Annotated, Literal

from pydantic import Field

from lib.core.errors import pick
from lib.settings.base import Name, Ratio, Settings, list_of

FRONTIER = "frontier"


class Hypothesis(Settings):
    """In a task, `ours` reaches a higher test accuracy than `theirs`: the mean over ratios, seed by seed.

    ours: a method for channels; theirs: another one, a baseline, "dense", or "frontier": the best dense
    network of the study that is no larger
    at: equal ratio; or equal parameters or SynOps (AC): theirs is read off its curve at the size of ours
    """

    says: Annotated[str, Field(min_length=1)]
    task: Name
    ours: Name
    theirs: str
    ratios: list_of(Ratio)
    at: Literal["ratio", "parameters", "AC"] = "ratio"


def frontier_is_alike(study) -> None:
    """Dense networks that classify the same images as the headline's."""
    for name in study.frontier:
        task = pick(study.tasks, name, "frontier")
        if task.data != study.tasks[study.headline].data:
            raise ValueError(
                f"frontier: {name} classifies {task.data}, the headline {study.headline} "
                f"{study.tasks[study.headline].data}; take it out"
            )


def hypotheses_name_trials(study) -> None:
    """Each sets a method for channels beside something that the study trains, at ratios of its task."""
    trained = {**study.methods, **study.baselines, "dense": None, FRONTIER: None}
    for name, asked in study.primary.items():
        where = f"primary.{name}"
        task = pick(study.tasks, asked.task, f"{where}.task")
        pick(study.methods, asked.ours, f"{where}.ours")
        pick(trained, asked.theirs, f"{where}.theirs")
        for ratio in asked.ratios:
            if ratio not in task.ratios:
                raise ValueError(
                    f"{where}.ratios: {ratio}: task {asked.task} is pruned at {list(task.ratios)}; take one"
                )
        if asked.theirs == FRONTIER and asked.at == "ratio":
            raise ValueError(f"{where}.at: ratio: nothing of the frontier is pruned; take parameters or AC")
