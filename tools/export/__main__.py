"""A network to take away: `python -m tools.export runs/quick/channels/digits-vgg/sca-plus/0/0-ratio-0.5.pt
[--to FOLDER]`.

Writes network.onnx, network.nir where NIR has a node for each layer, and network.json, which says how to feed
them, what they score and cost, and where they come from. Nothing is written unless the files give what the
network gives. A network file that lies outside runs/ is exported, too;
network.json then says what cannot be known of it.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from lib import data, measure, models, training
from lib.core.errors import ConfigError
from lib.core.files import atomic_write, write_text
from lib.data import Images
from lib.models import SpikingNet
from lib.settings import Fast, config, records
from tools.export import formats
from tools.export.agreement import agreement, share
from tools.export.origin import LAYOUT, Origin, belong, feeding, locate, read_network, record_of

RANDOM = 100  # images on which a network is tried whose data set is not known
UNKNOWN = ["training", "accuracy", "cost", "normalisation of the images"]  # of a network file by itself
PACKAGES = ("onnx", "onnxscript", "onnxruntime", "nir", "nirtorch")


def commit() -> str | None:
    """Of this repository, '-dirty' if files differ from it; None where there is no git."""
    command = ["git", "-C", str(config.ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def make(net: SpikingNet, images, labels: Tensor | None = None) -> tuple[dict[str, bytes], dict]:
    """{format: file}, and what network.json says of each: its digest, how far it is from the network, what it
    gets right; or why there is none.

    images, labels: to try them on; labels None: not known
    raises: ConfigError if no format can hold the network, or if what a file holds is not the network
    """
    few = images[: measure.PROOF_IMAGES].double()
    exact = measure.predict(models.clone(net, torch.float64), few)
    expected = logits_of(net, images)
    files: dict[str, bytes] = {}
    checked: dict[str, dict] = {}
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


def known(net: SpikingNet, origin: Origin) -> tuple[dict, Images, Tensor]:
    """What the record says of the network, and the test images and labels.
    raises: ConfigError if it is another network's"""
    record = record_of(origin)
    settings, stage, task, _ = origin.job
    images, labels = data.open_or_prepare(settings, origin.job.recipe.data).test
    net.use(Fast.model_validate(record["numerics"]["fast"]))
    right = share(logits_of(net, images).argmax(1), labels)
    belong(net, images[: measure.COST_IMAGES], right, origin, record)
    asked = ("ratio", "target_density", "rho", "variant", "settings")
    about = {
        "training": origin.identity,
        "settings": {key: record[key] for key in asked if key in record},
        "recipe": records.recipe(settings, stage, task),
        "accuracy": {"result": record["accuracy"], "network": right},
        **{key: record[key] for key in ("parameters", "synops", "energy_pj", "widths")},
        "trained_with": json.loads(origin.record.read_text())["made_with"],
    }
    return about, images, labels


def alone(net: SpikingNet) -> tuple[dict, Images | Tensor, None]:
    """The same of a network that lies outside runs/: nothing is known,
    and it is tried on random images or events."""
    generator = torch.Generator().manual_seed(0)
    if net.spec.get("events"):
        counts = torch.poisson(torch.full((RANDOM, net.T, *net.in_shape), 0.5), generator)
        images = Images(counts.to(torch.uint8))
    else:
        images = torch.randn(RANDOM, *net.in_shape, generator=generator)
    return {"training": None, "unknown": UNKNOWN, "accuracy": None}, images, None


def export(path: Path, folder: Path) -> dict:
    """Writes the network at `path` into `folder`, network.json last: a folder that has one is whole.
    Returns what it says.

    raises: ConfigError, and nothing is written
    """
    origin = locate(path)
    net = read_network(path)
    about, images, labels = known(net, origin) if origin else alone(net)
    files, checked = make(net, images, labels)
    packages = {name: version(name) for name in PACKAGES}
    made_with = {**records.provenance(torch.get_num_threads()), **packages, "commit": commit()}
    about |= {"network": net.spec, "files": checked, "made_with": made_with}
    return write(folder, files, {**records.rounded(about), "input": feeding(net, images)})


def write(folder: Path, files: dict[str, bytes], about: dict) -> dict:
    for name in ("network.json", *(f"network.{kind}" for kind in formats.FORMATS)):
        (folder / name).unlink(missing_ok=True)  # of an earlier export, which may have had one file more
    for kind, content in files.items():
        with atomic_write(folder / f"network.{kind}") as beside:
            beside.write_bytes(content)
    text = json.dumps(about, sort_keys=True, indent=1, allow_nan=False)
    write_text(folder / "network.json", text + "\n")
    return about


def line(kind: str, about: dict) -> str:
    """What is said of one file."""
    found = about["files"][kind]
    if "refused" in found:
        return f"no network.{kind}: {found['refused']}"
    exact = found["apart"]["float64"]
    rough = found["apart"]["float32"]
    right = ""
    if about["accuracy"]:
        right = f"{found['accuracy']:.2%} right, the network {about['accuracy']['network']:.2%}; "
    return (
        f"network.{kind}: {right}logits apart by "
        f"{exact['largest_difference']:.2g} in float64, {rough['largest_difference']:.2g} in float32; "
        f"of {rough['images']} images {rough['same_class']:.2%} get the same class, "
        f"in {rough['flipped']} a spike flips"
    )


def place(path: Path, origin: Origin | None) -> Path:
    """Where an export goes if nothing else is asked for."""
    name = path.absolute().with_suffix("").parts[-5 if origin else -1 :]
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
        origin = locate(given.network)
        training.set_up(origin.job.settings.threads if origin else 1)
        folder = given.to or place(given.network, origin)
        about = export(given.network, folder)
    except (ConfigError, OSError) as error:
        sys.exit(f"error: {error}")
    if not origin:
        unknown = ", ".join(UNKNOWN)
        print(f"{given.network} lies outside runs/: tried on {RANDOM} random images; not known are {unknown}")
    print(f"{folder}:", *(line(kind, about) for kind in formats.FORMATS), sep="\n  ")


if __name__ == "__main__":
    main()
