"""Which stages there are, which tasks each runs, and with which seeds."""

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from lib.settings.base import LARGEST_SEED, Name, Positive, Settings, list_of
from lib.settings.task import DataName


class Stage(NamedTuple):
    """grid: the part of the grid that it runs over; methods: where params.yaml has its methods; needs: what a
    task must say, beside the dense network's recipe, to be in it"""

    grid: str
    methods: str | None
    needs: tuple[str, ...]


STAGES = {
    "dense": Stage("tasks", None, ()),
    "channels": Stage("pruned", "methods", ("prune", "ratios")),
    "ablate": Stage("ablated", "ablations", ("prune", "ratios")),
    "baselines": Stage("matched", "baselines", ("prune", "ratios")),
    "weights": Stage("rewired", "weights", ("rewire", "densities")),
    "tokens": Stage("selected", "tokens", ("student", "rhos", "densities")),
}
WARMUPS = {"warmup": "dense", "warmup-students": "tokens"}  # stage -> a stage that goes on from it


def commits(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{7,40}(\.\.[0-9a-f]{7,40})?", value):
        raise ValueError(f"{value!r}: give the commit that made the results, or first..last of several")
    return value


class Grid(Settings):
    """What the pipeline runs, with every seed: all tasks dense, the pruned ones with every method, the
    ablated ones with every ablation, the matched ones with every baseline, the rewired ones with every method
    for single weights, the selected ones with every method for tokens; data: their sets.

    fewer: {a task or a method: with how many of the seeds, the first ones, it is run}"""

    data: list_of(DataName, least=0)
    tasks: list_of(Name, least=0)
    pruned: list_of(Name, least=0)
    ablated: list_of(Name, least=0)
    matched: list_of(Name, least=0)
    rewired: list_of(Name, least=0)
    selected: list_of(Name, least=0)
    seeds: list_of(Annotated[int, Field(ge=0, le=LARGEST_SEED)])
    fewer: dict[Name, Positive] = {}
    kept: "Kept | None" = None

    @model_validator(mode="after")
    def _is_run_or_kept(self):
        if self.kept and (self.tasks or self.data):
            own = ", ".join(self.tasks or self.data)
            raise ValueError(f"{own}: the grid has kept results, too; empty its own lists, or take kept out")
        return self


class Kept(Grid):
    """What older code has run, kept as it is: DVC, which reads the grid's own lists alone, trains nothing of
    it and draws figures from its results."""

    kept: None = None
    made_by: Annotated[str, AfterValidator(commits)]
