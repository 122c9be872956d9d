"""params.yaml -> frozen settings, checked whole before anything is computed; the repository's paths.

Names of scores, networks and the like are looked up by `lib.check`, so that this file, which every notebook reads, depends on
no other and an edit of a criterion remakes no figure.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

ROOT = Path(__file__).resolve().parent.parent


class ConfigError(Exception):
    """One line: the value, what is allowed, what to do."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the line, without the stack above it (IPython's hook)."""
        return [f"ConfigError: {self}"]


Ratio = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]  # goes into file and stage names


class Settings(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Data(Settings):
    """Where raw data lies (SNN_DATA overrides it) and how the validation images are held out of the training images."""

    root: str
    validation: Annotated[float, Field(gt=0, lt=1)]
    split_seed: int


class Train(Settings):
    epochs: Positive
    batch: Positive
    lr: Annotated[float, Field(gt=0)]
    momentum: Ratio
    weight_decay: Annotated[float, Field(ge=0)]
    l1: Annotated[float, Field(ge=0)]
    lr_schedule: str


class Prune(Settings):
    """When the structure changes, in epochs; floor: channels each layer keeps; probes: batches for the growth gradient."""

    warmup: Annotated[int, Field(ge=0)]
    interval: Positive
    floor: Positive
    probes: Positive


class Cell(Settings):
    """A network on a data set, with its recipe and its ratios (fraction of channels removed)."""

    data: str
    augment: str
    net: str
    neuron: str
    T: Positive
    width: Annotated[float, Field(gt=0)]
    train: Train
    prune: Prune
    ratios: Annotated[tuple[Ratio, ...], Field(min_length=1, strict=False)]


class Method(Settings):
    """score x growth x schedule. What is not given is SCA's, in gated mode; l1 and interval replace the cell's."""

    label: str
    score: str = "spike_abs_v"
    growth: str = "bn_grad"
    ratio_schedule: str = "constant"
    regrow_schedule: str = "constant"
    regrow: Ratio = 0.1
    mode: Literal["gated", "literal", "fixed"] = "gated"
    normalise: bool = False
    l1: Annotated[float, Field(ge=0)] | None = None
    interval: Positive | None = None

    @model_validator(mode="after")
    def _composes(self):
        if self.mode == "fixed" and (self.score, self.growth) != ("random", "none"):
            raise ValueError("mode fixed is one random mask drawn before training: it takes score random and growth none")
        return self


class Ablation(Settings):
    """One method at one ratio, again and again with some of its settings replaced."""

    label: str
    base: str
    ratio: Ratio
    variants: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, strict=False)]


class Point(Settings):
    """One training: a method at a ratio; variant: what an ablation replaced, empty otherwise."""

    ratio: Ratio
    method: Method
    variant: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return ", ".join([f"ratio {self.ratio}", *(f"{key} {value}" for key, value in self.variant.items())])


class Grid(Settings):
    """What the pipeline runs: every cell with every method and ablation and every seed; data: the sets of these cells."""

    data: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    cells: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, strict=False)]


class Study(Settings):
    study: Name
    root: str  # of the repository, seen from the folder of the params.yaml
    params: str  # this file, seen from the root of the repository
    out: str  # where data/, runs/, results/ and figures/ go, seen from the root of the repository
    threads: Positive
    data: Data
    grid: Grid
    cells: dict[Name, Cell]
    methods: dict[Name, Method]
    ablations: dict[Name, Ablation]

    @model_validator(mode="after")
    def _fits(self):
        for name in self.grid.cells:
            pick(self.cells, name, "grid.cells")
            for method in self.methods:
                for ratio in self.cells[name].ratios:
                    check_fractions(f"cell {name}, method {method}", ratio, self.methods[method])
            for ablation in self.ablations:
                self.points(name, ablation)
        needed = {self.cells[name].data for name in self.grid.cells}
        if set(self.grid.data) != needed:
            raise ValueError(f"grid.data: {', '.join(self.grid.data)}; the cells of the grid need exactly {', '.join(sorted(needed))}")
        clash = set(self.methods) & set(self.ablations)
        if clash:
            raise ValueError(f"{', '.join(sorted(clash))} is the name of a method and of an ablation; rename one")
        return self

    def points(self, cell: str, method: str) -> list[Point]:
        """What one stage trains: a method at each of the cell's ratios, or the variants of an ablation."""
        settings = pick(self.cells, cell, "cell")
        if method not in self.ablations:
            return [Point(ratio=ratio, method=self.fill(settings, pick(self.methods, method, "method"))) for ratio in settings.ratios]
        ablation = self.ablations[method]
        base = pick(self.methods, ablation.base, f"ablations.{method}.base")
        points = []
        for variant in ablation.variants:
            varied = Method.model_validate({**base.model_dump(), **variant})
            check_fractions(f"ablation {method}", ablation.ratio, varied)
            points.append(Point(ratio=ablation.ratio, method=self.fill(settings, varied), variant=variant))
        return points

    @staticmethod
    def fill(cell: Cell, method: Method) -> Method:
        """The method with the cell's L1 and interval where it has none of its own."""
        return method.model_copy(update={"l1": cell.train.l1 if method.l1 is None else method.l1,
                                         "interval": method.interval or cell.prune.interval})

    @cached_property
    def folder(self) -> Path:
        return ROOT / self.out

    def data_path(self, name: str) -> Path:
        return self.folder / "data" / self.study / f"{name}.npz"

    def run_folder(self, stage: str, cell: str, method: str, seed: int) -> Path:
        return self.folder / "runs" / self.study / stage / f"{cell}-{method}-{seed}"

    def result_path(self, stage: str, cell: str, method: str, seed: int) -> Path:
        return self.results / stage / f"{cell}-{method}-{seed}.json"

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.study

    @property
    def figures(self) -> Path:
        return self.folder / "figures" / self.study


def pick(table: dict, name: str, where: str):
    """table[name], or a ConfigError that says what there is."""
    if name not in table:
        raise ConfigError(f"{where}: {name!r} is not known; known are {', '.join(table)}")
    return table[name]


def check_fractions(where: str, ratio: float, method: Method) -> None:
    if ratio + method.regrow >= 1 and method.growth != "none":
        raise ValueError(f"{where}: ratio {ratio} + regrow {method.regrow} >= 1 leaves no channel to keep by score; lower one of them")


def load(study: str) -> Study:
    """The settings of a study: 'quick' (params.yaml at the root) or one under studies/. raises: ConfigError"""
    path = ROOT / ("params.yaml" if study == "quick" else f"studies/{study}/params.yaml")
    if not path.exists():
        known = ["quick", *sorted(p.parent.name for p in ROOT.glob("studies/*/params.yaml"))]
        raise ConfigError(f"study {study!r} is not known; known are {', '.join(known)}")
    return read(path)


def read(path: Path) -> Study:
    """A params.yaml, checked whole. raises: ConfigError, one line that names each wrong value"""
    try:
        raw = yaml.safe_load(path.read_text())
        return Study.model_validate(raw)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from error
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path.name}: " + "; ".join(map(explain, error.errors()))) from None


def explain(error: dict) -> str:
    """One pydantic error as 'place: value: what is allowed'."""
    place = ".".join(map(str, error["loc"]))
    value, message = error.get("input"), error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key; remove it or mend its spelling"
    if error["type"] == "missing":
        return f"{place}: missing; add it"
    if error["type"] == "value_error":
        return f"{place}: {message}" if place else message
    hint = " (YAML reads it as text: write 1.0e-3, without quotes)" if error["type"] == "float_type" and isinstance(value, str) else ""
    return f"{place}: {value!r}: {message[0].lower()}{message[1:]}{hint}"
