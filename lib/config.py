"""params.yaml -> frozen settings, checked whole before anything is computed; the repository's paths.

Names of scores, networks and the like are looked up by `lib.check`, so that this file, which every notebook reads, depends on
no criterion and an edit of one remakes no figure.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.error import MarkedYAMLError

from lib.errors import ConfigError, explain, pick
from lib.settings import Ablation, Cell, Data, Grid, Method, Name, Point, Positive, Settings, WeightMethod, WeightPoint

ROOT = Path(__file__).resolve().parent.parent


class Study(Settings):
    study: Name
    root: str  # of the repository, seen from the folder of the params.yaml
    params: str  # this file, seen from the root of the repository
    out: str  # where data/, runs/, results/ and figures/ go, seen from the root of the repository
    threads: Positive
    data: Data
    grid: Grid
    planned: Grid | None = None  # what is meant to be run some day; the grid is what has been run
    cells: dict[Name, Cell]
    methods: Annotated[dict[Name, Method], Field(min_length=1)]
    ablations: Annotated[dict[Name, Ablation], Field(min_length=1)]
    weights: Annotated[dict[Name, WeightMethod], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self):
        self._fit_data()
        for where, grid in {"grid": self.grid, "planned": self.planned or self.grid}.items():
            self._fit_grid(where, grid)
        names = [*self.methods, *self.ablations, *self.weights]
        for name in (name for name in names if names.count(name) > 1):
            raise ValueError(f"{name}: two of methods, ablations and weights have this name; rename one")
        return self

    def _fit_grid(self, where: str, grid: Grid):
        if not grid.cells and (where == "planned" or self.planned is None):
            raise ValueError(f"{where}.cells: empty: give at least one of {', '.join(self.cells)}")
        for name in grid.cells:
            pick(self.cells, name, f"{where}.cells")
        for part, chosen in {"pruned": grid.cells, "rewired": grid.cells, "ablated": grid.pruned}.items():
            for name in getattr(grid, part):
                pick(dict.fromkeys(chosen), name, f"{where}.{part}")
        for name in grid.pruned:
            for method in self.methods:
                for ratio in self.cells[name].ratios:
                    check_fractions(f"cell {name}, method {method}", ratio, self.methods[method])
        for name in grid.ablated:
            for ablation in self.ablations:
                self.points(name, ablation)
        for name in grid.rewired:
            if self.cells[name].rewire is None or not self.cells[name].densities:
                raise ValueError(f"{where}.rewired: cell {name} has no rewire and densities; add them")

    def _fit_data(self):
        used = {cell.data for cell in self.cells.values()}
        for field in ("images", "frames"):
            for name in sorted(set(getattr(self.data, field)) - used):
                raise ValueError(f"data.{field}: {name!r} is the data of no cell; the cells use {', '.join(sorted(used))}")
        for name, cell in self.cells.items():
            if (frames := self.data.frames.get(cell.data, cell.T)) != cell.T:
                raise ValueError(f"cells.{name}.T: {cell.T}: data.frames gives {cell.data} {frames} frames; make them equal")

    def points(self, cell: str, method: str) -> list[Point] | list[WeightPoint]:
        """What one stage trains: a method at each of the cell's ratios or densities, or the variants of an ablation."""
        settings = pick(self.cells, cell, "cell")
        if method in self.weights:
            weights = self.weights[method]
            return [WeightPoint(density=density, method=weights) for density in weights.densities or settings.densities]
        if method not in self.ablations:
            filled = self.fill(settings, pick(self.methods, method, "method"))
            return [Point(ratio=ratio, method=filled) for ratio in settings.ratios]
        ablation = self.ablations[method]
        base = pick(self.methods, ablation.base, f"ablations.{method}.base")
        points = []
        for variant in ablation.variants:
            try:
                varied = Method.model_validate({**base.model_dump(), **variant})
            except ValidationError as error:
                raise ConfigError(f"ablations.{method}.variants: {explain(error)}") from None
            check_fractions(f"ablation {method}", ablation.ratio, varied)
            points.append(Point(ratio=ablation.ratio, method=self.fill(settings, varied), variant=variant))
        return points

    @staticmethod
    def fill(cell: Cell, method: Method) -> Method:
        """The method with the cell's L1 and interval where it has none of its own."""
        return method.model_copy(
            update={"l1": cell.train.l1 if method.l1 is None else method.l1, "interval": method.interval or cell.prune.interval}
        )

    @cached_property
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


def check_fractions(where: str, ratio: float, method: Method) -> None:
    if ratio + method.regrow >= 1 and method.growth != "none":
        raise ValueError(f"{where}: ratio {ratio} + regrow {method.regrow} >= 1: none is left to keep by score; lower one")


def home(study: str) -> Path:
    """Where the params.yaml of a study lies."""
    return ROOT / ("params.yaml" if study == "quick" else f"studies/{study}/params.yaml")


def load(study: str) -> Study:
    """The settings of a study: 'quick' (params.yaml at the root) or one under studies/. raises: ConfigError"""
    if not home(study).exists():
        known = ["quick", *sorted(p.parent.name for p in ROOT.glob("studies/*/params.yaml"))]
        raise ConfigError(f"study {study!r} is not known; known are {', '.join(known)}")
    return read(home(study))


def read(path: Path) -> Study:
    """A params.yaml, read as DVC reads it (YAML 1.2), checked whole. raises: ConfigError, one line with each wrong value"""
    try:
        return Study.model_validate(YAML(typ="safe").load(path.read_bytes()))
    except MarkedYAMLError as error:
        raise ConfigError(f"{path.name}, line {error.problem_mark.line + 1}: not valid YAML: {error.problem}") from None
    except YAMLError as error:
        raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path.name}: {explain(error)}") from None
