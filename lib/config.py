"""params.yaml -> frozen settings, checked whole before anything is computed; the repository's paths.

Names of scores, networks and the like are looked up by `lib.check`, so that this file, which every notebook reads, depends on
no criterion and an edit of one remakes no figure.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent

from lib.errors import ConfigError, explain, pick
from lib.settings import (
    Ablation,
    Cell,
    Control,
    ControlPoint,
    Data,
    Grid,
    Inside,
    Method,
    Name,
    Point,
    Positive,
    Settings,
    TokenMethod,
    TokenPoint,
    WeightMethod,
    WeightPoint,
)

ROOT = Path(__file__).resolve().parent.parent

NEEDED = {  # what a cell must say to be in a part of the grid
    "pruned": ("prune", "ratios"),
    "rewired": ("rewire", "densities"),
    "selected": ("student", "rhos", "densities"),
}


class Study(Settings):
    study: Name
    root: Inside  # of the repository, seen from the folder of the params.yaml
    params: Inside  # this file, seen from the root of the repository
    out: Inside  # where data/, runs/, results/ and figures/ go, seen from the root of the repository
    threads: Positive
    data: Data
    grid: Annotated[Grid, AfterValidator(lambda grid: grid.kept or grid)]  # what has been run
    planned: Grid | None = None  # what is meant to be run some day
    cells: dict[Name, Cell]
    methods: Annotated[dict[Name, Method], Field(min_length=1)]
    ablations: Annotated[dict[Name, Ablation], Field(min_length=1)]
    controls: Annotated[dict[Name, Control], Field(min_length=1)]
    weights: Annotated[dict[Name, WeightMethod], Field(min_length=1)]
    tokens: Annotated[dict[Name, TokenMethod], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self):
        self._fit_data()
        for where, grid in {"grid": self.grid, "planned": self.planned or self.grid}.items():
            self._fit_grid(where, grid)
        names = [*self.methods, *self.ablations, *self.controls, *self.weights, *self.tokens]
        for name, control in self.controls.items():
            pick(self.methods, control.of, f"controls.{name}.of")
        for name in (name for name in names if names.count(name) > 1):
            raise ValueError(f"{name}: two of methods, ablations, controls, weights and tokens have this name; rename one")
        return self

    def _fit_grid(self, where: str, grid: Grid):
        if not grid.cells and (where == "planned" or self.planned is None):
            raise ValueError(f"{where}.cells: empty: give at least one of {', '.join(self.cells)}")
        for name in grid.cells:
            pick(self.cells, name, f"{where}.cells")
        for part in ("pruned", "rewired", "selected", "ablated", "controlled"):
            chosen = grid.pruned if part in ("ablated", "controlled") else grid.cells
            for name in getattr(grid, part):
                pick(dict.fromkeys(chosen), name, f"{where}.{part}")
        for part, needed in NEEDED.items():
            for name in getattr(grid, part):
                missing = [field for field in needed if not getattr(self.cells[name], field)]
                if missing:
                    raise ValueError(f"{where}.{part}: cell {name} has no {' and no '.join(missing)}; add what is missing")
        for name in grid.pruned:
            for method, settings in self.methods.items():
                for ratio in self.cells[name].ratios:
                    check_fractions(f"cell {name}, method {method}", Point(ratio=ratio, method=settings))
        for name in grid.ablated:
            for ablation in self.ablations:
                self.points(name, ablation)
        for name in grid.controlled:
            for control in self.controls:
                self.points(name, control)

    def _fit_data(self):
        used = {cell.data for cell in self.cells.values()}
        for field in ("images", "frames"):
            for name in sorted(set(getattr(self.data, field)) - used):
                raise ValueError(f"data.{field}: {name!r} is the data of no cell; the cells use {', '.join(sorted(used))}")
        for name, cell in self.cells.items():
            if (frames := self.data.frames.get(cell.data, cell.T)) != cell.T:
                raise ValueError(f"cells.{name}.T: {cell.T}: data.frames gives {cell.data} {frames} frames; make them equal")

    def points(self, cell: str, method: str) -> list[Point] | list[ControlPoint] | list[WeightPoint] | list[TokenPoint]:
        """What one stage trains: a method at each of the cell's ratios, densities or rhos, or the variants of an ablation."""
        settings = pick(self.cells, cell, "cell")
        if method in self.tokens:
            return token_points(settings, self.tokens[method])
        if method in self.weights:
            weights = self.weights[method]
            return [WeightPoint(density=density, method=weights) for density in weights.densities or settings.densities]
        if method in self.controls:
            return self._control_points(settings, method)
        if method not in self.ablations:
            every = {**self.methods, **dict.fromkeys([*self.ablations, *self.controls, *self.weights, *self.tokens])}
            pick(every, method, f"method in study {self.study}")
            filled = self.fill(settings, self.methods[method])
            return [Point(ratio=ratio, method=filled) for ratio in settings.ratios]
        ablation = self.ablations[method]
        base = pick(self.methods, ablation.base, f"ablations.{method}.base")
        points = []
        for variant in ablation.variants:
            try:
                varied = Method.model_validate({**base.model_dump(), **variant})
            except ValidationError as error:
                raise ConfigError(f"ablations.{method}.variants: {explain(error)}") from None
            points.append(Point(ratio=ablation.ratio, method=self.fill(settings, varied), variant=variant))
            check_fractions(f"ablation {method}", points[-1])
        return points

    def _control_points(self, cell: Cell, name: str) -> list[ControlPoint]:
        control = self.controls[name]
        for ratio in control.ratios or ():
            if ratio not in cell.ratios:
                raise ConfigError(f"controls.{name}.ratios: {ratio}: the cell's ratios are {list(cell.ratios)}; take of them")
        return [ControlPoint(ratio=ratio, method=control) for ratio in control.ratios or cell.ratios]

    @staticmethod
    def fill(cell: Cell, method: Method) -> Method:
        """The method with the cell's L1 and interval where it has none of its own."""
        interval = method.interval or (cell.prune and cell.prune.interval)
        return method.model_copy(update={"l1": cell.train.l1 if method.l1 is None else method.l1, "interval": interval})

    @property
    def folder(self) -> Path:
        return ROOT / self.out

    def data_path(self, name: str) -> Path:
        return self.folder / "data" / self.study / f"{name}.npz"

    def run_folder(self, stage: str, cell: str, method: str, seed: int) -> Path:
        return self.folder / "runs" / self.study / stage / f"{cell}-{method}" / str(seed)

    def result_path(self, stage: str, cell: str, method: str, seed: int) -> Path:
        return self.results / stage / f"{cell}-{method}" / f"{seed}.json"

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.study

    @property
    def figures(self) -> Path:
        return self.folder / "figures" / self.study


def token_points(cell: Cell, method: TokenMethod) -> list[TokenPoint]:
    if method.kind == "tickets":
        densities, rho = method.densities or cell.densities, method.rho or 1.0
        return [TokenPoint(rho=rho, density=density, method=method) for density in densities]
    rhos = (1.0,) if method.rule == "all" else method.rhos or cell.rhos
    return [TokenPoint(rho=rho, density=1.0, method=method) for rho in rhos]


def check_fractions(where: str, point: Point) -> None:
    ratio, regrow = point.ratio, point.method.regrow
    if ratio + regrow >= 1 and point.method.growth != "none":
        said = f"{where}: ratio {ratio} + regrow {regrow} >= 1"
        raise ValueError(f"{said}: none is left to keep by score; lower one")


def home(study: str) -> Path:
    """Where the params.yaml of a study lies."""
    return ROOT / ("params.yaml" if study == "quick" else f"studies/{study}/params.yaml")


def load(study: str) -> Study:
    """The settings of a study: 'quick' (params.yaml at the root) or one under studies/. raises: ConfigError"""
    if not home(study).exists():
        known = ["quick", *sorted(p.parent.name for p in ROOT.glob("studies/*/params.yaml"))]
        raise ConfigError(f"study {study!r} is not known; known are {', '.join(known)}")
    return read(home(study))


def refuse_shared(text: bytes) -> None:
    """raises: ConfigError at the first `*alias`: `dvc exp run -S` writes the places that share a value one
    after another, so that the last one's value is that of all, and ends with exit status 0 whatever it is
    """
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, AliasEvent):
            where = f"line {event.start_mark.line + 1}: *{event.anchor}"
            raise ConfigError(f"{where}: places that share a value cannot be set apart; write it out")


def stays_inside(study: Study) -> None:
    """Raises ConfigError if a folder of a study leads out of the repository: DVC would refuse it, after the work."""
    for part in ("data", "runs", "results", "figures"):
        folder = study.folder / part / study.study
        if not folder.resolve().is_relative_to(ROOT):
            raise ConfigError(
                f"{folder} leads to {folder.resolve()}, and DVC follows no link out of the repository; "
                f"put a folder there, and see README.md, 'Another disk'"
            )


def read(path: Path) -> Study:
    """A params.yaml, read as DVC reads it (YAML 1.2), checked whole. raises: ConfigError, one line with each wrong value"""
    try:
        text = path.read_bytes()
        refuse_shared(text)
        study = Study.model_validate(YAML(typ="safe").load(text))
        if "DVC_STAGE" in os.environ:  # DVC sets it for what it runs; whoever only reads may have links
            stays_inside(study)
        return study
    except MarkedYAMLError as error:
        raise ConfigError(f"{path.name}, line {error.problem_mark.line + 1}: not valid YAML: {error.problem}") from None
    except YAMLError as error:
        raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path.name}: {explain(error)}") from None
