"""A network to take away: `python -m tools.export runs/quick/channels/digits-vgg-sca-plus/0/0-ratio-0.5.pt [--to FOLDER]`.

Writes network.onnx, network.nir where NIR has a node for each layer, and network.json, which says how to feed them, what they
score and cost, and where they come from. Nothing is written unless the files give what the network gives. A network file that
lies outside runs/ is exported, too; network.json then says what cannot be known of it.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lib import data, measure, models
from lib.core.errors import ConfigError, pick
from lib.core.files import whole
from lib.data import Images
from lib.models import SpikingNet, sparse
from lib.report import results
from lib.settings import config
from lib.settings.config import Study
from tools.export import formats
from tools.export.formats import agreement, share

LAYOUT = "runs/<study>/<stage>/<task>-<method>/<seed>/<file>, as `make repro` leaves it"
RANDOM = 100  # images on which a network is tried whose data set is not known
UNKNOWN = ["training", "accuracy", "cost", "normalisation of the images"]  # of a network file by itself
PACKAGES = ("onnx", "onnxscript", "onnxruntime", "nir", "nirtorch")


class Training(NamedTuple):
    """The training that a network is from; number: of its trial in the result."""

    study: Study
    stage: str
    task: str
    method: str
    seed: int
    number: int

    @property
    def result(self) -> Path:
        return self.study.result_path(self.stage, self.task, self.method, self.seed)

    @property
    def dvc_stage(self) -> str:
        name = f"{self.stage}@{self.task}" + ("" if self.stage == "dense" else f"-{self.method}")
        return name if self.study.study == "quick" else f"studies/{self.study.study}/dvc.yaml:{name}"

    @property
    def identity(self) -> dict:
        return {**self._asdict(), "study": self.study.study}


def locate(path: Path) -> Training | None:
    """Whose network lies at `path`; None if it lies outside runs/. raises: ConfigError if it is a wrong place under runs/"""
    parts = path.absolute().parts[-6:]
    if len(parts) < 6 or parts[0] != "runs":
        return None
    if not parts[4].isdecimal():
        raise ConfigError(f"{path}: no place of a network; give {LAYOUT}")
    _, name, stage, folder, seed, file = parts
    study = config.load(name)
    stages = {"dense": ["dense"], "channels": study.methods, "ablate": study.ablations}
    stages |= {"baselines": study.baselines, "weights": study.weights, "tokens": study.tokens}
    methods = pick(stages, stage, f"{path}: stage")
    pairs = {f"{task}-{method}": (task, method) for task in study.tasks for method in methods}
    task, method = pick(pairs, folder, f"{path}: task and method")
    number = "0" if file == "dense.pt" else file.split("-")[0]
    if not number.isdecimal():
        raise ConfigError(f"{path}: {file!r}: must begin with the number of a training; give {LAYOUT}")
    return Training(study, stage, task, method, int(seed), int(number))


def read_network(path: Path) -> SpikingNet:
    """What lib.models or lib.models.sparse wrote. raises: ConfigError for a file that is not there or not whole"""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; `make repro` leaves networks under runs/")
    try:
        return (sparse if path.suffix == ".safetensors" else models).load(path)
    except (
        Exception
    ) as error:  # of a damaged file each reader raises what it likes: zip, pickle, safetensors, JSON
        raise ConfigError(
            f"{path}: no whole network ({type(error).__name__}); train it again with `make repro`"
        ) from None


def read_point(training: Training) -> dict:
    """What was measured of the training. raises: ResultsError if it is not there or was asked for something else"""
    try:
        trials = results.read(training.study, *training[1:5])
    except results.ResultsError as error:
        raise results.ResultsError(
            f"results/{training.study.study}/{training.stage}: {error}; run `make repro`"
        ) from None
    if training.number >= len(trials):
        raise ConfigError(
            f"training {training.number}: {training.result.name} has {len(trials)}; give {LAYOUT}"
        )
    return trials[training.number]


def belong(net: SpikingNet, images: Tensor, right: float, training: Training, trial: dict) -> None:
    """Raises ConfigError if the result is another network's: of a training that was repeated since, or on another machine.

    images: those that the costs of the result were counted on; right: share of the test images that the network gets right
    """
    found = {
        "accuracy": right,
        "parameters": measure.count_parameters(net)["all"],
        "AC": measure.synops(net, images)["ac"],
    }
    told = {
        "accuracy": trial["accuracy"],
        "parameters": trial["parameters"]["total"],
        "AC": trial["synops"]["ac"],
    }
    allowed = {
        "accuracy": 0.01,
        "parameters": 0,
        "AC": 0.01 * told["AC"],
    }  # what spikes that rounding flips can do
    for name, value in found.items():
        if abs(value - told[name]) > allowed[name]:
            raise ConfigError(
                f"{name} {value:.6g}, where {training.result} says {told[name]:.6g}: network and result are of two trainings; "
                f"`dvc repro -f -s {training.dvc_stage}` makes both anew"
            )


def commit() -> str | None:
    """Of this repository, '-dirty' if files differ from it; None where there is no git."""
    try:
        command = [
            "git",
            "-C",
            str(config.ROOT),
            "describe",
            "--always",
            "--dirty",
            "--abbrev=40",
            "--exclude=*",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def make(net: SpikingNet, images, labels: Tensor | None = None) -> tuple[dict[str, bytes], dict]:
    """{format: file}, and what network.json says of each: its digest, how far it is from the network, what it gets right; or
    why there is none.

    images, labels: to try them on; labels None: not known
    raises: ConfigError if no format can hold the network, or if what a file holds is not the network
    """
    few, expected = images[: measure.PROOF_IMAGES].double(), logits_of(net, images)
    exact, files, checked = measure.predict(models.clone(net, torch.float64), few), {}, {}
    for kind, (write_and_run, use) in formats.FORMATS.items():
        try:
            files[kind], found, logits = write_and_run(net, images, few)
        except formats.NoForm as error:
            checked[kind] = {"refused": str(error)}
            continue
        checked[kind] = {
            "use": use,
            "sha256": hashlib.sha256(files[kind]).hexdigest(),
            "accuracy": None if labels is None else share(logits.argmax(1), labels),
            "apart": agreement(kind, (found, exact), (logits, expected)),
        }
    if not files:
        raise ConfigError("; ".join(found["refused"] for found in checked.values()))
    return files, checked


def logits_of(net: SpikingNet, images) -> Tensor:
    return torch.cat([measure.predict(net, batch) for batch in images.split(formats.BATCH)])


def known(net: SpikingNet, training: Training) -> tuple[dict, Images, Tensor]:
    """What the result says of the network, and the test images and labels. raises: ConfigError if it is another network's"""
    trial, task = read_point(training), training.study.tasks[training.task]
    images, labels = data.open_or_prepare(training.study, task.data).test
    net.use(task.fast)
    right = share(logits_of(net, images).argmax(1), labels)
    belong(net, images[: measure.COST_IMAGES], right, training, trial)
    about = {
        "training": training.identity,
        "settings": {
            key: trial[key] for key in ("ratio", "asked", "rho", "variant", "settings") if key in trial
        },
        "recipe": results.recipe(training.study, training.stage, training.task),
        "accuracy": {"result": trial["accuracy"], "network": right},
        **{key: trial[key] for key in ("parameters", "synops", "energy_pj", "widths")},
        "trained_with": json.loads(training.result.read_text())["made_with"],
    }
    return about, images, labels


def alone(net: SpikingNet) -> tuple[dict, Images | Tensor, None]:
    """The same of a network that lies outside runs/: nothing is known, and it is tried on random images or events."""
    generator = torch.Generator().manual_seed(0)
    if formats.counts_events(net):
        images = Images(
            torch.poisson(torch.full((RANDOM, net.T, *net.in_shape), 0.5), generator).to(torch.uint8)
        )
    else:
        images = torch.randn(RANDOM, *net.in_shape, generator=generator)
    return {"training": None, "unknown": UNKNOWN, "accuracy": None}, images, None


def export(path: Path, folder: Path) -> dict:
    """Writes the network at `path` into `folder`, network.json last: a folder that has one is whole. Returns what it says.

    raises: ConfigError, and nothing is written
    """
    training, net = locate(path), read_network(path)
    about, images, labels = known(net, training) if training else alone(net)
    files, checked = make(net, images, labels)
    made_with = {**results.provenance(), **{name: version(name) for name in PACKAGES}, "commit": commit()}
    about |= {"network": net.spec, "files": checked, "made_with": made_with}
    return write(folder, files, {**results.rounded(about), "input": formats.feeding(net, images)})


def write(folder: Path, files: dict[str, bytes], about: dict) -> dict:
    for name in ("network.json", *(f"network.{kind}" for kind in formats.FORMATS)):
        (folder / name).unlink(missing_ok=True)  # of an earlier export, which may have had one file more
    for kind, content in files.items():
        with whole(folder / f"network.{kind}") as beside:
            beside.write_bytes(content)
    results.write_text(
        folder / "network.json", json.dumps(about, sort_keys=True, indent=1, allow_nan=False) + "\n"
    )
    return about


def line(kind: str, about: dict) -> str:
    """What is said of one file."""
    found = about["files"][kind]
    if "refused" in found:
        return f"no network.{kind}: {found['refused']}"
    exact, rough = found["apart"]["float64"], found["apart"]["float32"]
    right = (
        f"{found['accuracy']:.2%} right, the network {about['accuracy']['network']:.2%}; "
        if about["accuracy"]
        else ""
    )
    return (
        f"network.{kind}: {right}logits apart by "
        f"{exact['largest_difference']:.2g} in float64, {rough['largest_difference']:.2g} in float32; "
        f"of {rough['images']} images {rough['same_class']:.2%} get the same class, in {rough['flipped']} a spike flips"
    )


def place(path: Path, training: Training | None) -> Path:
    """Where an export goes if nothing else is asked for."""
    name = path.absolute().with_suffix("").parts[-5 if training else -1 :]
    return config.ROOT.joinpath("build", "export", *name)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.export", description="Writes a trained network as ONNX and NIR."
    )
    parser.add_argument("network", type=Path, help=f"{LAYOUT}; or a network file that lies elsewhere")
    where = "folder to write to; under build/export/ if not given"
    parser.add_argument("--to", type=lambda to: Path(to).expanduser(), help=where)
    given = parser.parse_args()
    try:
        training = locate(given.network)
        training.set_up(training.study.threads if training else 1)
        folder = given.to or place(given.network, training)
        about = export(given.network, folder)
    except (ConfigError, OSError) as error:
        sys.exit(f"error: {error}")
    if not training:
        unknown = ", ".join(UNKNOWN)
        print(f"{given.network} lies outside runs/: tried on {RANDOM} random images; not known are {unknown}")
    print(f"{folder}:", *(line(kind, about) for kind in formats.FORMATS), sep="\n  ")


if __name__ == "__main__":
    main()
