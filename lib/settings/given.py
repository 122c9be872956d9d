"""What a notebook is given: a parameter that names nothing is refused in one line,
the others are held together.

Papermill sets a name that a notebook does not have, and says nothing; the kernel of an open notebook still
holds what was made for an earlier choice. So a notebook asks here, in the cell after its parameters, and
names all that it writes by the answer: the parameters may be newer than what was computed.
"""

import ast
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import NamedTuple

from IPython import get_ipython

from lib.core.errors import pick
from lib.settings import config
from lib.settings.grid import STAGES, WARMUPS
from lib.settings.study import Study
from lib.settings.task import Task
from lib.settings.trial import Trial

KEPT = (ModuleType, FunctionType, BuiltinFunctionType, type)  # what a cell imports or defines
earlier: set[str] | None = None  # the names that there were at the last choice of this kernel


class Job(NamedTuple):
    """A method on a task in a stage: what one compute notebook trains."""

    settings: Study
    stage: str
    task: str
    method: str

    @property
    def recipe(self) -> Task:
        return self.settings.tasks[self.task]

    @property
    def trials(self) -> list[Trial]:
        return self.settings.trials(self.task, self.method)

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.settings.seeds(self.task, self.method)

    @property
    def runs(self) -> dict[tuple[int, int], Trial]:
        """{(seed, number of the trial): trial}, seed by seed."""
        return {(seed, number): trial for seed in self.seeds for number, trial in enumerate(self.trials)}

    def folder(self, seed: int) -> Path:
        """Where the networks of a seed go."""
        return self.settings.run_folder(self.stage, self.task, self.method, seed)


class StudyData(NamedTuple):
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


def data_set(**given) -> StudyData:
    """given: study, name. raises: as `study` does"""
    settings = study(**given)
    known = {task.data: task for task in settings.tasks.values()}
    pick(known, given["name"], f"name in study {settings.study}")
    return StudyData(settings, given["name"])


def job(*stages: str, **given) -> Job:
    """stages: those that the notebook can run; given: study, task and, where it has them, stage and method.

    raises: as `study` does
    """
    settings = study(**given)
    stage = given.get("stage", stages[0])
    pick(dict.fromkeys(stages), stage, "stage")
    needs = STAGES[WARMUPS.get(stage, stage)].needs
    fit = [name for name, task in settings.tasks.items() if all(getattr(task, field) for field in needs)]
    pick(dict.fromkeys(fit), given["task"], f"task of stage {stage} in study {settings.study}")
    method = given.get("method", "dense")
    methods = {"dense": None} if stage in WARMUPS else settings.group(stage)
    pick(methods, method, f"method of stage {stage} in study {settings.study}")
    return Job(settings, stage, given["task"], method)


def injected() -> list[str]:
    """The names that papermill has set: in a cell of its own,
    which it puts after the one with the defaults."""
    shell = get_ipython()
    run = shell.history_manager.input_hist_raw if shell else []
    before = run[-2:-1]  # the last one is the cell that asks
    if not before or not before[0].startswith("# Parameters\n"):
        return []
    lines = [line for line in ast.parse(before[0]).body if isinstance(line, ast.Assign)]
    return [line.targets[0].id for line in lines if not line.targets[0].id.startswith("PAPERMILL_")]


def forget() -> None:
    """Takes out of the notebook what the cells below an earlier choice have made: if this choice or a cell
    after it fails, there is nothing old to run on with. Imports,
    functions and what was there before the choice stay."""
    global earlier
    if (shell := get_ipython()) is None:
        return
    names = set(shell.run_line_magic("who_ls", ""))
    for name in names - (names if earlier is None else earlier):
        if not isinstance(shell.user_ns[name], KEPT):
            del shell.user_ns[name]
    earlier = set(shell.run_line_magic("who_ls", ""))
