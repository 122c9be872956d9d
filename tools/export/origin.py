"""Where a network file comes from, whether the record beside it is its own, and what it is fed."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from lib import measure, models
from lib.core.errors import ConfigError, pick
from lib.data import Images
from lib.models import SpikingNet, sparse
from lib.settings import STAGES, config, records
from lib.settings.given import Job

LAYOUT = "runs/<study>/<stage>/<task>/<method>/<seed>/<file>, as `make repro` leaves it"


class Origin(NamedTuple):
    """The training that a network is from; number: of its trial in the record."""

    job: Job
    seed: int
    number: int

    @property
    def record(self) -> Path:
        return self.job.settings.result_path(*self.job[1:], self.seed)

    @property
    def dvc_stage(self) -> str:
        settings, stage, task, method = self.job
        name = f"{stage}@{task}" + ("" if stage == "dense" else f"-{method}")
        return name if settings.study == "quick" else f"studies/{settings.study}/dvc.yaml:{name}"

    @property
    def identity(self) -> dict:
        names = {**self.job._asdict(), "settings": self.job.settings.study}
        return {"study": names.pop("settings"), **names, "seed": self.seed, "number": self.number}


def locate(path: Path) -> Origin | None:
    """Whose network lies at `path`; None if it lies outside runs/.
    raises: ConfigError if it is a wrong place under runs/"""
    parts = path.absolute().parts[-7:]
    if len(parts) < 7 or parts[0] != "runs":
        return None
    if not parts[5].isdecimal():
        raise ConfigError(f"{path}: no place of a network; give {LAYOUT}")
    _, name, stage, task, method, seed, file = parts
    settings = config.load(name)
    pick(STAGES, stage, f"{path}: stage")
    pick(settings.tasks, task, f"{path}: task")
    pick(settings.group(stage), method, f"{path}: method")
    number = file.split("-")[0]
    if not number.isdecimal():
        raise ConfigError(f"{path}: {file!r}: must begin with the number of a training; give {LAYOUT}")
    return Origin(Job(settings, stage, task, method), int(seed), int(number))


def read_network(path: Path) -> SpikingNet:
    """What lib.models or lib.models.sparse wrote. raises: ConfigError for a file that is not there or not
    whole"""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; `make repro` leaves networks under runs/")
    try:
        return (sparse if path.suffix == ".safetensors" else models).load(path)
    except Exception as error:  # a damaged file may raise anything: of zip, of safetensors, of JSON
        raise ConfigError(
            f"{path}: no whole network ({type(error).__name__}); train it again with `make repro`"
        ) from None


def record_of(origin: Origin) -> dict:
    """What was measured of the training. raises: ResultsError if it is not there or was asked for something
    else"""
    settings, stage, task, method = origin.job
    try:
        trials = records.read(settings, stage, task, method, origin.seed)
    except records.ResultsError as error:
        where = f"results/{settings.study}/{stage}"
        raise records.ResultsError(f"{where}: {error}; run `make repro`") from None
    if origin.number >= len(trials):
        raise ConfigError(f"training {origin.number}: {origin.record.name} has {len(trials)}; give {LAYOUT}")
    return trials[origin.number]


def belong(net: SpikingNet, images: Tensor, right: float, origin: Origin, record: dict) -> None:
    """Raises ConfigError if the record is another network's:
    of a training that was repeated since, or on another machine.

    images: those that the costs of the record were counted on;
    right: share of the test images that the network gets right
    """
    parameters = measure.count_parameters(net)["all"]
    ac = measure.synops(net, images)["ac"]
    told = {  # found, said, and how far they may be apart: what spikes that rounding flips can do
        "accuracy": (right, record["accuracy"], 0.01),
        "parameters": (parameters, record["parameters"]["total"], 0),
        "AC": (ac, record["synops"]["ac"], 0.01 * record["synops"]["ac"]),
    }
    for name, (found, said, allowed) in told.items():
        if abs(found - said) > allowed:
            raise ConfigError(
                f"{name} {found:.6g}, where {origin.record} says {said:.6g}: "
                "network and result are of two trainings; "
                f"`dvc repro -f -s {origin.dvc_stage}` makes both anew"
            )


def feeding(net: SpikingNet, images: Images | Tensor) -> dict:
    """What the input is: which dimensions, and how pixels become it.
    images: a tensor if the data set is not known"""
    shape = ["N", *net.in_shape]
    if net.spec.get("events"):
        return {
            "name": "images",
            "shape": [net.T, *shape],
            "dtype": "float32",
            "values": "events of each frame, as counted",
        }
    still = {"name": "images", "shape": shape, "dtype": "float32"}
    if isinstance(images, Tensor):
        return {
            **still,
            "values": "normalised as in its training; with which mean and std, the file does not say",
        }
    return {
        **still,
        "values": "(pixel / 255 - mean) / std, of each channel",
        "mean": images.shift.flatten().tolist(),
        "std": images.scale.flatten().tolist(),
    }
