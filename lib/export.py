"""A network to take away: `python -m lib.export runs/quick/channels/digits-vgg-sca-plus/0/0-ratio-0.5.pt [--to FOLDER]`.

Writes network.onnx, network.nir where NIR has a node for each layer, and network.json, which says how to feed them, what they
score and cost, and where they come from. Nothing is written unless the files give what the network gives.
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

from lib import config, data, formats, measure, models, results, sparse, train
from lib.config import Study
from lib.data import Splits
from lib.errors import ConfigError, pick
from lib.files import whole
from lib.formats import agreement, share
from lib.models import SpikingNet

LAYOUT = "runs/<study>/<stage>/<cell>-<method>/<seed>/<file>, as `make repro` leaves it"
PACKAGES = ("onnx", "onnxscript", "onnxruntime", "nir", "nirtorch")


class Training(NamedTuple):
    """The training that a network is from; number: of its point in the result."""

    study: Study
    stage: str
    cell: str
    method: str
    seed: int
    number: int

    @property
    def result(self) -> Path:
        return self.study.result_path(self.stage, self.cell, self.method, self.seed)

    @property
    def dvc_stage(self) -> str:
        name = f"{self.stage}@{self.cell}" + ("" if self.stage == "dense" else f"-{self.method}")
        return name if self.study.study == "quick" else f"studies/{self.study.study}/dvc.yaml:{name}"

    @property
    def identity(self) -> dict:
        return {**self._asdict(), "study": self.study.study}


def locate(path: Path) -> Training:
    """Whose network lies at `path`. raises: ConfigError if that is no place of a network"""
    parts = path.absolute().parts[-6:]
    if len(parts) < 6 or parts[0] != "runs" or not parts[4].isdecimal():
        raise ConfigError(f"{path}: no place of a network; give {LAYOUT}")
    _, name, stage, folder, seed, file = parts
    study = config.load(name)
    stages = {"dense": ["dense"], "channels": study.methods, "ablate": study.ablations}
    stages |= {"controls": study.controls, "weights": study.weights, "tokens": study.tokens}
    methods = pick(stages, stage, f"{path}: stage")
    pairs = {f"{cell}-{method}": (cell, method) for cell in study.cells for method in methods}
    cell, method = pick(pairs, folder, f"{path}: cell and method")
    number = "0" if file == "dense.pt" else file.split("-")[0]
    if not number.isdecimal():
        raise ConfigError(f"{path}: {file!r}: must begin with the number of a training; give {LAYOUT}")
    return Training(study, stage, cell, method, int(seed), int(number))


def read_network(path: Path) -> SpikingNet:
    """What lib.models or lib.sparse wrote. raises: ConfigError for a file that is not there or not whole"""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; `make repro` leaves networks under runs/")
    try:
        return (sparse if path.suffix == ".safetensors" else models).load(path)
    except Exception as error:  # of a damaged file each reader raises what it likes: zip, pickle, safetensors, JSON
        raise ConfigError(f"{path}: no whole network ({type(error).__name__}); train it again with `make repro`") from None


def read_point(training: Training) -> dict:
    """What was measured of the training. raises: ResultsError if it is not there or was asked for something else"""
    try:
        points = results.read(training.study, *training[1:5])
    except results.ResultsError as error:
        raise results.ResultsError(f"results/{training.study.study}/{training.stage}: {error}; run `make repro`") from None
    if training.number >= len(points):
        raise ConfigError(f"training {training.number}: {training.result.name} has {len(points)}; give {LAYOUT}")
    return points[training.number]


def belong(net: SpikingNet, images: Tensor, right: float, training: Training, point: dict) -> None:
    """Raises ConfigError if the result is another network's: of a training that was repeated since, or on another machine.

    images: those that the costs of the result were counted on; right: share of the test images that the network gets right
    """
    found = {"accuracy": right, "parameters": measure.count_parameters(net)["all"], "AC": measure.synops(net, images)["ac"]}
    told = {"accuracy": point["accuracy"], "parameters": point["parameters"]["total"], "AC": point["synops"]["ac"]}
    allowed = {"accuracy": 0.01, "parameters": 0, "AC": 0.01 * told["AC"]}  # what spikes that rounding flips can do
    for name, value in found.items():
        if abs(value - told[name]) > allowed[name]:
            raise ConfigError(
                f"{name} {value:.6g}, where {training.result} says {told[name]:.6g}: network and result are of two trainings; "
                f"`dvc repro -f -s {training.dvc_stage}` makes both anew"
            )


def feeding(net: SpikingNet, splits: Splits) -> dict:
    """What the input is: which dimensions, and how pixels become it."""
    images, shape = splits.test[0], ["N", *net.in_shape]
    if images.events:
        return {"name": "images", "shape": [net.T, *shape], "dtype": "float32", "values": "events of each frame, as counted"}
    return {
        "name": "images",
        "shape": shape,
        "dtype": "float32",
        "values": "(pixel / 255 - mean) / std, of each channel",
        "mean": images.shift.flatten().tolist(),
        "std": images.scale.flatten().tolist(),
    }


def commit() -> str | None:
    """Of this repository, '-dirty' if files differ from it; None where there is no git."""
    try:
        command = ["git", "-C", str(config.ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def make(net: SpikingNet, splits: Splits, expected: Tensor) -> tuple[dict[str, bytes], dict[str, dict]]:
    """{format: file} and {format: its digest, how far it is from the network, what it gets right; or why there is none}.

    expected: the network's logits of the test images
    raises: ConfigError if no format can hold the network, or if what a file holds is not the network
    """
    images, labels = splits.test
    few = images[: measure.PROOF_IMAGES].double()
    exact, files, checked = measure.run(models.clone(net, torch.float64), few), {}, {}
    for kind, (write_and_run, use) in formats.FORMATS.items():
        try:
            files[kind], found, logits = write_and_run(net, images, few)
        except formats.NoForm as error:
            checked[kind] = {"refused": str(error)}
            continue
        checked[kind] = {
            "use": use,
            "sha256": hashlib.sha256(files[kind]).hexdigest(),
            "accuracy": share(logits.argmax(1), labels),
            "apart": agreement(kind, (found, exact), (logits, expected)),
        }
    if not files:
        raise ConfigError("; ".join(found["refused"] for found in checked.values()))
    return files, checked


def export(path: Path, folder: Path) -> dict:
    """Writes the network at `path` into `folder`, network.json last: a folder that has one is whole. Returns what it says.

    raises: ConfigError, and nothing is written
    """
    training = locate(path)
    net, point = read_network(path), read_point(training)
    cell = training.study.cells[training.cell]
    splits = data.open_or_prepare(training.study, cell.data)
    images, labels = splits.test
    net.use(cell.fast)
    expected = torch.cat([measure.run(net, batch) for batch in images.split(formats.BATCH)])
    right = share(expected.argmax(1), labels)
    belong(net, images[: measure.COST_IMAGES], right, training, point)
    files, checked = make(net, splits, expected)
    about = {
        "training": training.identity,
        "settings": {key: point[key] for key in ("ratio", "asked", "rho", "variant", "settings") if key in point},
        "recipe": results.recipe(training.study, training.stage, training.cell),
        "network": net.spec,
        "files": checked,
        "accuracy": {"result": point["accuracy"], "network": right},
        **{key: point[key] for key in ("parameters", "synops", "energy_pj", "widths")},
        "trained_with": json.loads(training.result.read_text())["made_with"],
        "made_with": {**results.provenance(), **{name: version(name) for name in PACKAGES}, "commit": commit()},
    }
    return write(folder, files, {**results.rounded(about), "input": feeding(net, splits)})


def write(folder: Path, files: dict[str, bytes], about: dict) -> dict:
    for name in ("network.json", *(f"network.{kind}" for kind in formats.FORMATS)):
        (folder / name).unlink(missing_ok=True)  # of an earlier export, which may have had one file more
    for kind, content in files.items():
        with whole(folder / f"network.{kind}") as beside:
            beside.write_bytes(content)
    results.write_text(folder / "network.json", json.dumps(about, sort_keys=True, indent=1, allow_nan=False) + "\n")
    return about


def line(kind: str, about: dict) -> str:
    found = about["files"][kind]
    if "refused" in found:
        return f"no network.{kind}: {found['refused']}"
    exact, rough = found["apart"]["float64"], found["apart"]["float32"]
    return (
        f"network.{kind}: {found['accuracy']:.2%} right, the network {about['accuracy']['network']:.2%}; logits apart by "
        f"{exact['largest_difference']:.2g} in float64, {rough['largest_difference']:.2g} in float32; "
        f"of {rough['images']} images {rough['same_class']:.2%} get the same class, in {rough['flipped']} a spike flips"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.export", description="Writes a trained network as ONNX and NIR.")
    parser.add_argument("network", type=Path, help=LAYOUT)
    parser.add_argument(
        "--to", type=lambda to: Path(to).expanduser(), help="folder to write to; build/export/<study>/... if not given"
    )
    given = parser.parse_args()
    try:
        training = locate(given.network)
        train.set_up(training.study.threads)
        folder = given.to or config.ROOT.joinpath("build", "export", *given.network.absolute().with_suffix("").parts[-5:])
        about = export(given.network, folder)
    except (ConfigError, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"{folder}:", *(line(kind, about) for kind in formats.FORMATS), sep="\n  ")


if __name__ == "__main__":
    main()
