"""params.yaml -> frozen settings, checked whole before anything is computed; the repository's paths.

Names of scores, networks and the like are looked up by `lib.check`, so that this file, which every notebook reads, depends on
no criterion and an edit of one remakes no figure.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.error import MarkedYAMLError

from lib.errors import ConfigError, explain, pick

ROOT = Path(__file__).resolve().parent.parent


Ratio = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
NAME = r"^[a-z0-9][a-z0-9-]*$"
Name = Annotated[str, Field(pattern=NAME)]  # goes into file and stage names


def _unique(values: tuple) -> tuple:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands there more than once; list each value once")
    return values


def _list_of(item: type, least: int = 1) -> Any:
    """A list in YAML, a tuple here: of at least so many values, none of them twice."""
    return Annotated[tuple[item, ...], Field(min_length=least, strict=False), AfterValidator(_unique)]


class Settings(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given):
        """Refuses unknown keys before missing ones are looked for: most are misspelt, and one line is enough."""
        unknown = [str(key) for key in given if key not in cls.model_fields] if isinstance(given, dict) else []
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; mend or remove it; known are {', '.join(cls.model_fields)}")
        return given


class Data(Settings):
    """Where raw data lies (SNN_DATA overrides it) and how the validation images are held out of the training images.

    images: {data set: training images at most, validation ones included; the first ones, as many of each class}
    frames: {event set: frames of each recording, the T of its cells}; a set that is not named there has its usual number
    """

    root: str
    validation: Annotated[float, Field(gt=0, lt=1)]
    split_seed: int
    images: dict[Name, Positive] = {}
    frames: dict[Name, Positive] = {}


class Train(Settings):
    epochs: Positive
    batch: Positive
    lr: Annotated[float, Field(gt=0)]
    momentum: Ratio
    weight_decay: Annotated[float, Field(ge=0)]
    l1: Annotated[float, Field(ge=0)]
    lr_schedule: str


class Prune(Settings):
    """When the structure changes, in epochs; floor: channels each layer keeps; probes: batches for the growth gradient;
    compact: whether gated methods train the kept channels alone between two updates (the same numbers, cheaper)."""

    warmup: Annotated[int, Field(ge=0)]
    interval: Positive
    floor: Positive
    probes: Positive
    compact: bool


class Fast(Settings):
    """How a step is computed, not what; the defaults are what measures fastest on small networks and short runs.

    neurons: SpikingJelly's operators; all T steps in one autograd node (fused); that, compiled: ten seconds in each process
    static_once: the first convolution of a still image once instead of T times, which gives the same numbers
    channels_last: the layout that convolutions take without reordering; it pays on VGGs
    bf16: training under autocast; membrane, parameters and BN's statistics stay in float32, and so do validation and test
    """

    neurons: Literal["spikingjelly", "fused", "compiled"] = "fused"
    static_once: bool = True
    channels_last: bool = False
    bf16: bool = False


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
    fast: Fast = Fast()
    ratios: _list_of(Ratio)


class Method(Settings):
    """score x growth x schedule. What is not given is SCA's, in gated mode; l1 and interval replace the cell's.

    normalise: each score divided by its layer's mean; stop: share of the training after which the structure stays
    """

    label: str
    score: str = "spike_abs_v"
    growth: str = "bn_grad"
    ratio_schedule: str = "constant"
    regrow_schedule: str = "constant"
    regrow: Ratio = 0.1
    mode: Literal["gated", "literal", "fixed"] = "gated"
    normalise: bool = False
    stop: Annotated[float, Field(gt=0, le=1)] = 1.0
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
    variants: _list_of(dict[str, Any])


class Point(Settings):
    """One training: a method at a ratio; variant: what an ablation replaced, empty otherwise."""

    ratio: Ratio
    method: Method
    variant: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return ", ".join([f"ratio {self.ratio}", *(f"{key} {value}" for key, value in self.variant.items())])


class Grid(Settings):
    """What the pipeline runs: every cell with every method and seed, the ablated ones with every ablation; data: their sets."""

    data: _list_of(str, least=0)
    cells: _list_of(Name, least=0)
    ablated: _list_of(Name, least=0)
    seeds: _list_of(Annotated[int, Field(ge=0)])


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

    @model_validator(mode="after")
    def _fits(self):
        self._fit_data()
        for where, grid in {"grid": self.grid, "planned": self.planned or self.grid}.items():
            self._fit_grid(where, grid)
        clash = set(self.methods) & set(self.ablations)
        if clash:
            raise ValueError(f"{', '.join(sorted(clash))} is the name of a method and of an ablation; rename one")
        return self

    def _fit_grid(self, where: str, grid: Grid):
        if not grid.cells and (where == "planned" or self.planned is None):
            raise ValueError(f"{where}.cells: empty: give at least one of {', '.join(self.cells)}")
        for name in grid.cells:
            pick(self.cells, name, f"{where}.cells")
            for method in self.methods:
                for ratio in self.cells[name].ratios:
                    check_fractions(f"cell {name}, method {method}", ratio, self.methods[method])
        for name in grid.ablated:
            pick(dict.fromkeys(grid.cells), name, f"{where}.ablated")
            for ablation in self.ablations:
                self.points(name, ablation)

    def _fit_data(self):
        used = {cell.data for cell in self.cells.values()}
        for field in ("images", "frames"):
            for name in sorted(set(getattr(self.data, field)) - used):
                raise ValueError(f"data.{field}: {name!r} is the data of no cell; the cells use {', '.join(sorted(used))}")
        for name, cell in self.cells.items():
            if (frames := self.data.frames.get(cell.data, cell.T)) != cell.T:
                raise ValueError(f"cells.{name}.T: {cell.T}: data.frames gives {cell.data} {frames} frames; make them equal")

    def points(self, cell: str, method: str) -> list[Point]:
        """What one stage trains: a method at each of the cell's ratios, or the variants of an ablation."""
        settings = pick(self.cells, cell, "cell")
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
        return self.folder / "runs" / self.study / stage / f"{cell}-{method}-{seed}"

    def result_path(self, stage: str, cell: str, method: str, seed: int) -> Path:
        return self.results / stage / f"{cell}-{method}-{seed}.json"

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
