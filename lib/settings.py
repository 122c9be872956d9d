"""What params.yaml may hold, piece by piece: keys, types and ranges, as frozen pydantic models."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Ratio = Annotated[float, Field(ge=0, lt=1)]
Density = Annotated[float, Field(gt=0, le=1)]
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


class Rewire(Settings):
    """When single weights are rewired, in epochs: after `warmup`, then every `interval`; not after `stop` of the training."""

    warmup: Positive
    interval: Positive
    stop: Annotated[float, Field(gt=0, le=1)]


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
    """A network on a data set, with its recipe, its ratios (fraction of channels removed) and, if single weights of it are
    pruned, its densities (fraction of weights kept)."""

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
    rewire: Rewire | None = None
    densities: _list_of(Density, least=0) = ()


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


class Rewiring(Settings):
    """Single weights under a mask: start x how much goes x criterion x growth. What is not given is PQ's (methods B1-B13).

    init, start: how the first mask is drawn, and its density; start null: the final density
    ratio: where the share that goes comes from: the PQ index, or a schedule from the first to the final density
    exchange: share of what is left that is exchanged, decaying as a cosine; null: the share that goes, once more
    densities, warmup, interval: replace the cell's
    """

    kind: Literal["rewiring"]
    label: str
    init: Literal["erk", "er", "uniform"] = "erk"
    start: Density | None = 0.5
    ratio: Literal["pq", "geometric", "cubic", "once", "constant"] = "pq"
    scope: Literal["neuron", "layer", "global"] = "layer"
    rewire: Literal["shrink+exchange", "constant_density", "shrink_only"] = "shrink+exchange"
    growth: Literal["momentum", "gradient", "random", "none"] = "momentum"
    exchange: Ratio | None = None
    p: Annotated[float, Field(gt=0)] = 0.5
    q: Annotated[float, Field(gt=0)] = 1.0
    gamma: Annotated[float, Field(gt=0)] = 1.0
    eta: Annotated[float, Field(ge=0)] = 0.001
    beta: Annotated[float, Field(gt=0, le=1)] = 0.9
    densities: _list_of(Density) | None = None
    warmup: Positive | None = None
    interval: Positive | None = None

    @model_validator(mode="after")
    def _composes(self):
        if self.p >= self.q:
            raise ValueError(f"p {self.p}, q {self.q}: p must be smaller than q")
        if (self.growth == "none") != (self.rewire == "shrink_only"):
            raise ValueError(
                f"growth {self.growth} with rewire {self.rewire}: growth none and rewire shrink_only belong together"
            )
        if self.rewire == "shrink_only" and self.exchange is not None:
            raise ValueError(f"exchange {self.exchange} with rewire shrink_only: nothing is exchanged; leave it out")
        if self.rewire == "constant_density" and self.ratio not in ("pq", "constant"):
            raise ValueError(f"ratio {self.ratio} with rewire constant_density: nothing would go; take pq or constant")
        constant = (self.ratio == "constant", self.start is None)
        if any(constant) and not (all(constant) and self.rewire == "constant_density" and self.exchange):
            raise ValueError("ratio constant, start null, rewire constant_density and an exchange belong together")
        return self


class Tickets(Settings):
    """Lottery tickets: `share` of the weights goes each round, then all is rewound to epoch `rewind`."""

    kind: Literal["tickets"]
    label: str
    share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    rewind: Positive = 1
    densities: _list_of(Density) | None = None


class Threshold(Settings):
    """Weights that come and go by a threshold at each step; strength: Grad R's prior, STDS's final threshold."""

    kind: Literal["threshold"]
    label: str
    rule: Literal["grad_r", "stds"]
    strength: Annotated[float, Field(gt=0)]
    densities: _list_of(Density) | None = None


WeightMethod = Annotated[Rewiring | Tickets | Threshold, Field(discriminator="kind")]


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

    @property
    def record(self) -> dict:
        """What a result says of its training."""
        return {"ratio": self.ratio, "variant": self.variant, "settings": self.method.model_dump()}


class WeightPoint(Settings):
    """One training: a method that ends at a density."""

    density: Density
    method: WeightMethod

    @property
    def name(self) -> str:
        return f"density {self.density:.4g}"

    @property
    def record(self) -> dict:
        return {"asked": self.density, "settings": self.method.model_dump()}


class Grid(Settings):
    """What the pipeline runs, with every seed: all cells dense, the pruned ones with every method, the ablated ones with every
    ablation, the rewired ones with every method for single weights; data: their sets."""

    data: _list_of(str, least=0)
    cells: _list_of(Name, least=0)
    pruned: _list_of(Name, least=0)
    ablated: _list_of(Name, least=0)
    rewired: _list_of(Name, least=0)
    seeds: _list_of(Annotated[int, Field(ge=0)])
