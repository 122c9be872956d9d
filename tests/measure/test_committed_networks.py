"""The networks that are committed are those of the results, and small."""

import json

import pytest

from lib import measure, models
from lib.models import sparse
from lib.settings.config import ROOT

FOLDER = ROOT / "results" / "networks"
FILES = sorted(FOLDER.glob("*.safetensors"))


def test_there_are_three():
    assert len(FILES) >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_network_is_what_its_record_says(path):
    name, _, ratio = path.stem.removeprefix("vgg7-cifar10-").rpartition("-")
    record = json.loads((ROOT / f"results/cifar/channels/vgg7-cifar10-long/{name}/0.json").read_text())
    [trial] = [each for each in record["trials"] if each["ratio"] == float(ratio)]
    net = sparse.load(path)
    dense = models.build(**{**net.spec, "widths": {}})
    assert net.spec["widths"] == trial["widths"]
    assert measure.parameters(net, dense)["total"] == trial["parameters"]["total"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_onnx_file_gives_what_it_gives(path):
    told = json.loads(path.with_suffix(".json").read_text())
    apart = told["files"]["onnx"]["apart"]
    assert apart["float64"]["largest_difference"] < 1e-9 and apart["float32"]["same_class"] > 0.999
    for file in (path, path.with_suffix(".onnx")):
        assert file.stat().st_size < 2**20
