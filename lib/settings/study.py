"""A whole params.yaml: the tasks of a study, its methods, its grid;
the trials of each stage, and where they are kept."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lib.core.errors import ConfigError, explain, pick
from lib.core.files import ROOT
from lib.settings import rules
from lib.settings.base import Inside, Name, Positive, Settings, list_of
from lib.settings.grid import STAGES, Grid
from lib.settings.method import Ablation, Baseline, Method, TokenMethod, WeightMethod
from lib.settings.primary import Hypothesis
from lib.settings.task import Data, Task
from lib.settings.trial import DENSE, Trial


class Study(Settings):
    study: Name
    root: Inside  # of the repository, seen from the folder of the params.yaml
    params: Inside  # this file, seen from the root of the repository
    out: Inside  # where data/, runs/, results/, figures/ and tables/ go, seen from the root of the repository
    threads: Positive
    headline: Name  # the task of the accuracy figure, which `make repro` draws first
    data: Data
    grid: Annotated[Grid, AfterValidator(lambda grid: grid.kept or grid)]  # what has been run
    planned: Grid | None = None  # what is meant to be run some day
    tasks: dict[Name, Task]
    methods: Annotated[dict[Name, Method], Field(min_length=1)]
    ablations: Annotated[dict[Name, Ablation], Field(min_length=1)]
    baselines: Annotated[dict[Name, Baseline], Field(min_length=1)]
    weights: Annotated[dict[Name, WeightMethod], Field(min_length=1)]
    tokens: Annotated[dict[Name, TokenMethod], Field(min_length=1)]
    frontier: list_of(Name, least=0) = ()  # dense networks that pruned ones of the headline's task must beat
    margin: Annotated[float, Field(gt=0)] = 0.5  # points: differences that are smaller do not matter
    primary: dict[Name, Hypothesis] = {}

    @model_validator(mode="after")
    def _fits(self):
        rules.check(self)
        return self

    def group(self, stage: str) -> dict:
        """{name: method} of a stage; of the dense networks {"dense": None}."""
        methods = STAGES[stage].methods
        return {"dense": None} if methods is None else getattr(self, methods)

    def seeds(self, task: str, method: str = "dense") -> tuple[int, ...]:
        """Those that a task is trained with by a method. Its dense networks have the most."""
        fewer = [self.grid.fewer[name] for name in (task, method) if name in self.grid.fewer]
        return self.grid.seeds[: min(fewer, default=None)]

    @property
    def labels(self) -> dict[str, str]:
        """{method: its label}; of ablations, what they vary."""
        named = self.methods | self.baselines | self.weights | self.tokens
        return {"dense": "dense"} | {name: method.label for name, method in named.items()}

    def trials(self, task: str, method: str) -> list[Trial]:
        """What one stage trains: a method at each of the task's ratios, densities or rhos,
        or the variants of an ablation."""
        settings = pick(self.tasks, task, "task")
        if method == "dense":
            return [DENSE]
        if method in self.tokens:
            return token_trials(settings, self.tokens[method])
        if method in self.weights:
            weights = self.weights[method]
            return [
                Trial(density=density, method=weights) for density in weights.densities or settings.densities
            ]
        if method in self.baselines:
            return baseline_trials(settings, method, self.baselines[method])
        if method in self.ablations:
            return self._variants(settings, method)
        every = dict.fromkeys(name for stage in STAGES for name in self.group(stage))
        pick({**every, **self.methods}, method, f"method in study {self.study}")
        filled = fill(settings, self.methods[method])
        return [Trial(ratio=ratio, method=filled) for ratio in settings.ratios]

    def _variants(self, task: Task, name: str) -> list[Trial]:
        ablation = self.ablations[name]
        base = pick(self.methods, ablation.base, f"ablations.{name}.base")
        trials = []
        for variant in ablation.variants:
            try:
                varied = Method.model_validate({**base.model_dump(), **variant})
            except ValidationError as error:
                raise ConfigError(f"ablations.{name}.variants: {explain(error)}") from None
            trials.append(Trial(ratio=ablation.ratio, method=fill(task, varied), variant=variant))
        return trials

    def data_path(self, name: str) -> Path:
        return self.folder / "data" / self.study / f"{name}.npz"

    def run_folder(self, stage: str, task: str, method: str, seed: int) -> Path:
        return self.folder / "runs" / self.study / stage / task / method / str(seed)

    def result_path(self, stage: str, task: str, method: str, seed: int) -> Path:
        return self.results / stage / task / method / f"{seed}.json"

    @property
    def folder(self) -> Path:
        return ROOT / self.out

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.study

    @property
    def figures(self) -> Path:
        return self.folder / "figures" / self.study

    @property
    def tables(self) -> Path:
        return self.folder / "tables" / self.study


def fill(task: Task, method: Method) -> Method:
    """The method with the task's L1 and interval where it has none of its own."""
    interval = method.interval or (task.prune and task.prune.interval)
    return method.model_copy(
        update={"l1": task.train.l1 if method.l1 is None else method.l1, "interval": interval}
    )


def baseline_trials(task: Task, name: str, baseline: Baseline) -> list[Trial]:
    for ratio in baseline.ratios or ():
        if ratio not in task.ratios:
            raise ConfigError(
                f"baselines.{name}.ratios: {ratio}: the task's ratios are {list(task.ratios)}; take of them"
            )
    return [Trial(ratio=ratio, method=baseline) for ratio in baseline.ratios or task.ratios]


def token_trials(task: Task, method: TokenMethod) -> list[Trial]:
    if method.kind == "tickets":
        densities = method.densities or task.densities
        return [Trial(rho=method.rho or 1.0, density=density, method=method) for density in densities]
    rhos = (1.0,) if method.rule == "all" else method.rhos or task.rhos
    return [Trial(rho=rho, density=1.0, method=method) for rho in rhos]
