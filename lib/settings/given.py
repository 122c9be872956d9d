"""What a notebook is given: a parameter that names nothing is refused in one line, the others are held together.

Papermill sets a name that a notebook does not have, and says nothing; the kernel of an open notebook still holds
what was made for an earlier choice. So a notebook asks here, in the cell after its parameters, and names all
that it writes by the answer: the parameters may be newer than what was computed.
"""

import ast
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import NamedTuple

from IPython import get_ipython

from lib import config
from lib.config import NEEDED, Study
from lib.errors import pick
from lib.settings.cell import Cell

STAGES = {  # what a cell must say to be in a stage, and where params.yaml has the stage's methods
    "dense": ((), None),
    "channels": (NEEDED["pruned"], "methods"),
    "ablate": (NEEDED["pruned"], "ablations"),
    "controls": (NEEDED["pruned"], "controls"),
    "weights": (NEEDED["rewired"], "weights"),
    "tokens": (NEEDED["selected"], "tokens"),
}
KEPT = (ModuleType, FunctionType, BuiltinFunctionType, type)  # what a cell imports or defines
earlier: set[str] | None = None  # the names that there were at the last choice of this kernel


class Job(NamedTuple):
    """A method on a cell in a stage: what one compute notebook trains."""

    settings: Study
    stage: str
    cell: str
    method: str

    @property
    def recipe(self) -> Cell:
        return self.settings.cells[self.cell]

    @property
    def points(self) -> list:
        return self.settings.points(self.cell, self.method)

    def folder(self, seed: int) -> Path:
        """Where the networks of a seed go."""
        return self.settings.run_folder(self.stage, self.cell, self.method, seed)


class DataSet(NamedTuple):
    """A data set of a study."""

    settings: Study
    name: str

    @property
    def path(self) -> Path:
        """Where its splits go."""
        return self.settings.data_path(self.name)


def study(**given) -> Study:
    """The settings of a study. given: all parameters of the notebook, by name

    raises: ConfigError, one line that names the value and says what there is
    """
    forget()
    for name in injected():
        pick(given, name, "parameter")
    return config.load(given["study"])


def data_set(**given) -> DataSet:
    """given: study, name. raises: as `study` does"""
    settings = study(**given)
    known = {cell.data: cell for cell in settings.cells.values()}
    pick(known, given["name"], f"name in study {settings.study}")
    return DataSet(settings, given["name"])


def job(*stages: str, **given) -> Job:
    """stages: those that the notebook can run; given: study, cell and, where it has them, stage and method.

    raises: as `study` does
    """
    settings = study(**given)
    stage, cell = given.get("stage", stages[0]), given["cell"]
    pick(dict.fromkeys(stages), stage, "stage")
    needed, group = STAGES[stage]
    fit = [name for name, each in settings.cells.items() if all(getattr(each, field) for field in needed)]
    pick(dict.fromkeys(fit), cell, f"cell of stage {stage} in study {settings.study}")
    if group is None:
        return Job(settings, stage, cell, stage)
    pick(getattr(settings, group), given["method"], f"method of stage {stage} in study {settings.study}")
    return Job(settings, stage, cell, given["method"])


def injected() -> list[str]:
    """The names that papermill has set: in a cell of its own, which it puts after the one with the defaults."""
    shell = get_ipython()
    run = shell.history_manager.input_hist_raw if shell else []
    before = run[-2:-1]  # the last one is the cell that asks
    if not before or not before[0].startswith("# Parameters\n"):
        return []
    lines = [line for line in ast.parse(before[0]).body if isinstance(line, ast.Assign)]
    return [line.targets[0].id for line in lines if not line.targets[0].id.startswith("PAPERMILL_")]


def forget() -> None:
    """Takes out of the notebook what the cells below an earlier choice have made: if this choice or a cell after it
    fails, there is nothing old to run on with. Imports, functions and what was there before the choice stay."""
    global earlier
    if (shell := get_ipython()) is None:
        return
    names = set(shell.run_line_magic("who_ls", ""))
    for name in names - (names if earlier is None else earlier):
        if not isinstance(shell.user_ns[name], KEPT):
            del shell.user_ns[name]
    earlier = set(shell.run_line_magic("who_ls", ""))
