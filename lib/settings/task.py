"""Where and how a network is trained: data, recipe, when its structure changes."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.settings.base import LARGEST_SEED, Anywhere, Density, Positive, Ratio, Settings, list_of, unsaid
from lib.settings.datasets import DATASETS

DataName = Literal[tuple(DATASETS)]
# what the registries of lib.data, lib.models and lib.training hold: a test keeps them equal
Augment = Literal["none", "crop_flip", "crop_flip_rotate", "shift_turn", "roll_flip"]
Net = Literal[
    "vgg7",
    "vgg9",
    "vgg11",
    "vgg16",
    "conv6fc2",
    "dvs5conv",
    "vggsnn",
    "dvs-digits",
    "vgg-digits",
    "vgg6-digits",
    "resnet18",
    "resnet19",
    "resnet-digits",
    "preresnet18",
    "preresnet-digits",
    "spikformer4-384",
    "spikformer4-256-dvs",
    "spikformer-digits",
]
Neuron = Literal["if", "lif", "relu"]
LrSchedule = Literal["cosine", "step", "triangular"]


class Data(Settings):
    """Where raw data lies, and how the validation images are held out of the training images.

    root: ~ and $VARIABLES are replaced; SNN_DATA overrides it
    images: {data set: training images at most, validation ones included: the first ones, as many a class}
    frames: {event set: frames of each recording, the T of its tasks}; if not named there: its usual number
    """

    root: Anywhere
    validation: Annotated[float, Field(ge=0.005, le=0.9)]
    split_seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)]
    images: dict[DataName, Positive] = {}
    frames: dict[DataName, Positive] = {}


class Phase(Settings):
    """Epochs in which a network does not yet spike as it does in the end.

    units: 'relu' puts rectified units in the place of the neurons, which then take over what those have
    learned (hybrid training, Rathi et al., ICLR 2020); of 'rate', each neuron runs for the task's T steps on
    one input and passes on one value, its firing rate, so that a layer above is computed once (after
    rate-based backpropagation, Yu et al., NeurIPS 2024); 'spiking' is at T steps, fewer than the task's
    """

    epochs: Positive
    units: Literal["relu", "rate", "spiking"]
    T: Positive | None = unsaid(None)

    @model_validator(mode="after")
    def _has_steps(self):
        if self.T is not None and self.units != "spiking":
            raise ValueError(f"T: {self.T} with units {self.units}: only spiking takes it; leave it out")
        if self.T is None and self.units == "spiking":
            raise ValueError("units: spiking without T: say at how many steps, fewer than the task's")
        return self


class Train(Settings):
    """optimizer: 'adamw' takes `momentum` as its first beta; 'muon' moves the convolutions at the rate
    `lr_convolutions` and the rest by SGD at `lr`; warmup: epochs in which the rate of learning
    rises; smoothing: of labels; phases: how the network begins; the epochs after them spike at all T steps

    devices: GPUs, or processes where there is none, that share each batch; batch normalisation sees each
    share by itself
    """

    epochs: Positive
    batch: Positive
    lr: Annotated[float, Field(gt=0, le=100)]
    momentum: Ratio
    weight_decay: Annotated[float, Field(ge=0, le=100)]
    l1: Annotated[float, Field(ge=0, le=100)]
    lr_schedule: LrSchedule
    optimizer: Literal["sgd", "adamw", "muon"] = "sgd"
    lr_convolutions: Annotated[float, Field(gt=0, le=100)] | None = unsaid(None)
    warmup: Annotated[int, Field(ge=0)] = 0
    smoothing: Ratio = 0.0
    phases: list_of(Phase, least=0) = unsaid(())
    devices: Annotated[int, Field(ge=1, le=1000)] = unsaid(1)

    @model_validator(mode="after")
    def _rises(self):
        if self.warmup >= self.epochs:
            raise ValueError(f"warmup: {self.warmup}: the training has {self.epochs} epochs; lower it")
        return self

    @model_validator(mode="after")
    def _ends_in_spikes(self):
        taken = sum(phase.epochs for phase in self.phases)
        if self.phases and taken >= self.epochs:
            raise ValueError(
                f"phases: {taken} epochs in all: the training has {self.epochs}, and the last must spike at "
                "all steps; shorten a phase"
            )
        return self

    @model_validator(mode="after")
    def _has_its_rates(self):
        if (self.optimizer == "muon") != (self.lr_convolutions is not None):
            raise ValueError(
                f"lr_convolutions: {self.lr_convolutions} with optimizer {self.optimizer}: "
                "muon needs it, and no other takes it"
            )
        return self

    @model_validator(mode="after")
    def _divides(self):
        if self.batch % self.devices:
            raise ValueError(
                f"devices: {self.devices}: batch {self.batch} cannot be shared evenly; take a divisor of it"
            )
        return self


class Prune(Settings):
    """When the structure changes, in epochs.

    floor: channels each layer keeps; probes: batches for the growth gradient
    compact: whether frozen methods train the kept channels alone between two updates (the same, cheaper)
    """

    warmup: Annotated[int, Field(ge=0)]
    interval: Positive
    floor: Positive
    probes: Positive
    compact: bool


class Rewire(Settings):
    """When single weights are rewired, in epochs: after `warmup`, then every `interval`;
    not after `stop` of the training."""

    warmup: Positive
    interval: Positive
    stop: Annotated[float, Field(gt=0, le=1)]


class Fast(Settings):
    """How a step is computed, not what; the defaults are fastest on small networks and short runs.

    neurons: SpikingJelly's operators; all T steps in one autograd node (fused); that, with BN and 2x2 pooling
    where a layer has them, compiled: ten seconds in each process
    static_once: the first convolution of a still image once instead of T times, which gives the same numbers
    channels_last: the layout that convolutions take without reordering; it pays on VGGs
    bf16: training under autocast; membrane, parameters and BN's statistics stay in float32,
    and so do validation and test
    products: convolutions on maps of 2x2 as matrix products; multiple: numbers of channels are filled up to
    multiples of it with zeros while a convolution is computed; both in training alone
    measured: all of these as this processor is found to compute them fastest, when a training starts
    """

    neurons: Literal["spikingjelly", "fused", "compiled"] = "fused"
    static_once: bool = True
    channels_last: bool = False
    bf16: bool = False
    products: bool = unsaid(False)
    multiple: Positive = unsaid(1)
    measured: bool = unsaid(False)

    @model_validator(mode="after")
    def _is_alone(self):
        if self.measured and self.model_fields_set != {"measured"}:
            others = ", ".join(sorted(self.model_fields_set - {"measured"}))
            raise ValueError(f"measured: it chooses {others}, too; leave them out, or measured")
        return self


class Task(Settings):
    """A network on a data set, with its recipe; and what each way of pruning it needs: channels `prune` and
    `ratios` (fraction removed); single weights `rewire` and `densities` (fraction kept); tokens `student`,
    the recipe of a network that starts from the dense one, `rhos` (fraction kept from stage to stage), and
    `densities` for its lottery tickets.

    whiten: the first convolution starts from the principal components of the training images' patches
    """

    data: DataName
    augment: Augment
    net: Net
    neuron: Neuron
    T: Annotated[int, Field(ge=1, le=1000)]
    width: Annotated[float, Field(gt=0, le=16)]
    whiten: bool = unsaid(False)
    train: Train
    fast: Fast = Fast()
    prune: Prune | None = None
    ratios: list_of(Ratio, least=0) = ()
    rewire: Rewire | None = None
    densities: list_of(Density, least=0) = ()
    student: Train | None = None
    rhos: list_of(Density, least=0) = ()

    def units_at(self, epoch: int) -> tuple[str, int]:
        """What the network computes with in an epoch of its training, counted from 1 (before it, 0: as in the
        first), and at how many steps: as `lib.models.SpikingNet.run_for` takes them."""
        for phase in self.train.phases:
            if epoch <= phase.epochs:
                return phase.units, phase.T or self.T
            epoch -= phase.epochs
        return "spiking", self.T
