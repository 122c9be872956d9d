"""A network to take away: the files hold the network, shown on networks that spike;
all else is refused in a line."""

import hashlib
import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nir
import norse.torch as norse
import onnx
import onnxruntime
import pytest
import torch
from helpers import images, make_net
from snntorch.import_nir import import_from_nir
from spiking import in_shape, living, spiking_net

from lib import data, measure, models, pruning, training
from lib.core.errors import ConfigError
from lib.data import Images
from lib.measure import firing, predict
from lib.models import sparse, spikformer, vgg
from lib.settings import Study, config, records
from lib.settings.given import Job
from tools.export import __main__ as export
from tools.export import agreement, formats, origin

pytestmark = pytest.mark.slow

SMALL = {
    "dvs5conv": {"shape": (2, 32, 32), "width": 0.125},
    "vggsnn": {"shape": (2, 16, 16), "width": 0.0625},
}


def masked(name, neuron, T=2):
    """Half of its channels masked, each layer spiking and feeling each of its masks;
    of a transformer all, and it spikes."""
    if name.startswith("spikformer"):
        return spiking_net(name, in_shape(name), neuron, T=T)
    settings = {"shape": in_shape(name), **SMALL.get(name, {})}
    net, _ = living(name, kept=0.5, neuron=neuron, T=T, **settings)
    return net


def speaks(net, x):
    """The network's logits, after a look that they are those of spikes."""
    assert all(0 < rate.mean() < 1 for rate in firing(net, x).values())
    logits = predict(net, x)
    assert logits.std(0).max() > 1e-3
    return logits


@pytest.mark.parametrize(
    "name, neuron",
    [
        ("vgg-digits", "if"),
        ("vgg-digits", "relu"),
        ("resnet-digits", "if"),
        ("preresnet-digits", "lif"),
        ("spikformer-digits", "lif"),
    ],
)
def test_the_graph_is_the_masked_network_compacted(name, neuron, monkeypatch):
    width, heads, _, *others = spikformer.LAYOUTS["spikformer-digits"]
    monkeypatch.setitem(
        spikformer.LAYOUTS, "spikformer-digits", (width, heads, 1, *others)
    )  # each block takes seconds
    net = masked(name, neuron, T=1 if neuron == "relu" else 2)
    model = formats.to_onnx(net, images(net, 2), torch.float64)
    if neuron == "relu":  # ONNX holds it in float32: spikes do not feel the difference, values do
        for site in net.sites.values():
            site.bn.eps = torch.tensor(site.bn.eps, dtype=torch.float32).item()
    for n in (1, 7):  # others than the two that the graph was made with
        x = images(net, n, seed=5)
        logits = speaks(net, x) if n > 1 else predict(net, x)
        assert (formats.run_exact(model, x) - logits).abs().max() < 1e-12
    kept = {site: int(mask.sum()) for site, mask in pruning.current_masks(net).items()}
    shapes = {weight.name: weight.dims[0] for weight in model.graph.initializer}
    assert {edge.makes: shapes[f"{edge.module}.weight"] for edge in net.edges() if edge.makes} == kept


def test_a_rectified_unit_has_no_node_in_nir():
    with pytest.raises(formats.NoForm, match="vgg-digits: NIR has no node for ReLUNode; take ONNX"):
        formats.to_nir(masked("vgg-digits", "relu", T=1))


@pytest.mark.parametrize(
    "name, neuron", [("dvs-digits", "if"), ("dvs-digits", "lif"), ("dvs5conv", "if"), ("vggsnn", "lif")]
)
def test_nir_comes_back_the_same(name, neuron):
    net = masked(name, neuron)
    file, x = formats.to_nir(net, torch.float64), images(net, 7, seed=5)
    logits = speaks(net, x)
    assert (formats.run_nir(file, x.split(4, dim=1), torch.float64) - logits).abs().max() < 1e-12
    assert agreement.apart(formats.run_nir(formats.to_nir(net), [x]), logits)["same_class"] == 1


def steps_of(net, x) -> torch.Tensor:
    """Logits of a network that others have read, which takes one step and its state:
    the mean over the steps."""
    state, logits = None, []
    for frame in x.float():
        out, state = net(frame, state)
        logits.append(out)
    return torch.stack(logits).mean(0)


@torch.no_grad()
@pytest.mark.parametrize(
    "name, neuron", [("dvs-digits", "if"), ("dvs-digits", "lif"), ("dvs5conv", "if"), ("vggsnn", "lif")]
)
def test_snntorch_reads_the_same_spikes(name, neuron, capsys):
    net = masked(name, neuron, T=4)
    x = images(net, 7, seed=5)
    read = import_from_nir(nir.read(io.BytesIO(formats.to_nir(net))))
    assert (steps_of(read, x) - speaks(net, x)).abs().max() < agreement.FLIPPED


@torch.no_grad()
def test_norse_reads_a_leaky_chain_and_has_no_average_pooling(monkeypatch):
    monkeypatch.setitem(vgg.LAYOUTS, "dvs-digits", ((8, 16), ()))
    net = masked("dvs-digits", "lif", T=4)
    x = images(net, 7, seed=5)
    read = norse.from_nir(nir.read(io.BytesIO(formats.to_nir(net))), dt=formats.DT)
    assert (steps_of(read, x) - speaks(net, x)).abs().max() < agreement.FLIPPED
    monkeypatch.undo()
    pooled = formats.to_nir(masked("dvs-digits", "lif"))
    with pytest.raises(KeyError):  # or docs/export may say so no longer
        norse.from_nir(nir.read(io.BytesIO(pooled)))


@pytest.mark.parametrize("name", ["vgg-digits", "dvs-digits"])
def test_the_graph_is_written_for_older_readers(name):
    net = masked(name, "if").float()
    model = formats.to_onnx(net, images(net, 2))
    assert (model.ir_version, [opset.version for opset in model.opset_import]) == (8, [18])
    made_by = {out: node.op_type for node in model.graph.node for out in node.output}
    normalised = [
        made_by.get(node.input[0]) for node in model.graph.node if node.op_type == "BatchNormalization"
    ]
    assert normalised and not {"MatMul", "Gemm"} & set(
        normalised
    )  # onnxruntime 1.17 to 1.19 stop at such a pair


def test_nir_keeps_the_leak():
    """Or the round trip of a leaky network would say nothing:
    the same weights without the leak answer otherwise."""
    net = masked("dvs-digits", "lif")
    other = models.build(**{**net.spec, "neuron": "if"}).double()
    other.load_state_dict(net.state_dict())
    x = images(net, 7, seed=5)
    assert (
        formats.run_nir(formats.to_nir(other, torch.float64), [x], torch.float64) - predict(net, x)
    ).abs().max() > 1e-3


@pytest.mark.parametrize(
    "name, reason",
    [
        ("vgg-digits", "vgg-digits: NIR has no node for MaxPool2d; take ONNX"),
        ("resnet-digits", "resnet-digits: NIR: only a chain of layers can be written, no residual stream"),
        ("preresnet-digits", "preresnet-digits: NIR: only a chain"),
        (
            "spikformer-digits",
            "spikformer-digits: NIR: only a chain of layers can be written, .* no attention; take ONNX",
        ),
    ],
)
def test_a_layer_without_a_node_in_nir_is_named(name, reason):
    with pytest.raises(formats.NoForm, match=reason):
        formats.to_nir(models.build(name, 10, in_shape(name), 2))


def events_of(net, n=20) -> tuple[Images, torch.Tensor]:
    """Event frames, counted, and labels."""
    return Images(images(net, n, seed=5).transpose(0, 1).to(torch.uint8)), torch.arange(n) % 10


def test_a_network_that_no_format_holds_is_refused():
    net = models.build("spikformer-digits", 10, (1, 8, 8), 2, selector={"rho": 0.5})
    with pytest.raises(
        ConfigError, match="^spikformer-digits: ONNX: tokens .*; spikformer-digits: NIR: [^\n]*$"
    ):
        export.make(net, torch.zeros(4, 1, 8, 8), torch.zeros(4))


def test_both_files_of_an_event_network():
    net = masked("dvs-digits", "if").float()
    x, y = events_of(net)
    logits = speaks(net, x[:])
    files, checked = export.make(net, x, y)
    assert set(files) == set(checked) == {"onnx", "nir"}
    for found in checked.values():
        assert found["apart"]["float64"]["largest_difference"] < 1e-12
        assert found["apart"]["float32"]["same_class"] == 1 and found["apart"]["float32"]["images"] == 20
        assert found["apart"]["float64"]["flipped"] == 0
        assert found["accuracy"] == (logits.argmax(1) == y).double().mean().item()
    assert origin.feeding(net, x)["shape"] == [2, "N", 2, 16, 16]


def test_flipped_spikes_are_counted_by_image():
    expected = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    logits = expected + torch.tensor([[0.0, 1e-6], [0.0, 0.2], [1.5, 0.0]])
    found = agreement.apart(logits, expected)
    assert (found["images"], found["flipped"]) == (3, 2) and found["same_class"] == pytest.approx(2 / 3)
    assert found["largest_difference"] == pytest.approx(1.5)


@pytest.mark.parametrize("precision, off", [(0, 1e-6), (0, float("nan")), (1, 100.0)])
def test_a_file_that_holds_another_network_is_refused(precision, off, monkeypatch):
    net = masked("dvs-digits", "if").float()
    x, y = events_of(net)
    found = [predict(models.clone(net, torch.float64), x[:].double()), predict(net, x[:])]
    monkeypatch.setattr(formats, "FORMATS", {"onnx": (lambda *_: (b"file", *found), "use")})
    assert export.make(net, x, y)[0] == {"onnx": b"file"}
    found[precision] = found[precision].clone()
    found[precision][:, 3] += off
    with pytest.raises(
        ConfigError,
        match="^onnx: its logits are [^\n]* nothing is written; install what constraints.txt pins$",
    ):
        export.make(net, x, y)


def study_at(home: Path) -> Study:
    """The smoke study with two time steps, in a home of its own."""
    smoke = config.read(config.home("smoke"))
    tasks = {"digits-vgg": smoke.tasks["digits-vgg"].model_copy(update={"T": 2})}
    return smoke.model_copy(update={"out": str(home), "tasks": tasks})


@dataclass
class Taken:
    study: Study
    network: Path
    result: Path
    folder: Path
    said: str


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A network of the smoke study, trained, written and exported by the command."""
    home = tmp_path_factory.mktemp("export")
    study = study_at(home)
    task, [trial] = study.tasks["digits-vgg"], study.trials("digits-vgg", "sca")
    splits = data.open_or_prepare(study, task.data)
    run = training.Run(splits, task, trial, 0)
    for _ in run.recipe_epochs:
        run.epoch()
    network = study.run_folder("channels", "digits-vgg", "sca", 0) / "0-ratio-0.5.pt"
    network.parent.mkdir(parents=True)
    models.save(run.finish(), network)
    records.save(Job(study, "channels", "digits-vgg", "sca"), 0, [{**trial.record, **measure.report(run)}])
    result = study.result_path("channels", "digits-vgg", "sca", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "load", lambda name: study)
        patch.setattr(training, "set_up", lambda threads: None)  # it would set all other tests up, too
        patch.setattr(sys, "argv", ["export", str(network), "--to", str(home / "away")])
        said = []
        patch.setattr("builtins.print", lambda *parts, **_: said.extend(parts))
        export.main()
    return Taken(study, network, result, home / "away", "\n".join(said))


def test_what_lies_beside_the_file(taken):
    about, net = json.loads((taken.folder / "network.json").read_text()), models.load(taken.network)
    assert {path.name for path in taken.folder.iterdir()} == {"network.onnx", "network.json"}
    file = (taken.folder / "network.onnx").read_bytes()
    assert about["files"]["onnx"]["sha256"] == hashlib.sha256(file).hexdigest()
    assert about["files"]["nir"] == {"refused": "vgg-digits: NIR has no node for MaxPool2d; take ONNX"}
    [record] = records.read(taken.study, "channels", "digits-vgg", "sca", 0)
    for key in ("parameters", "synops", "energy_pj", "widths"):
        assert about[key] == record[key] and record[key]
    assert about["training"] == {
        "study": "smoke",
        "stage": "channels",
        "task": "digits-vgg",
        "method": "sca",
        "seed": 0,
        "number": 0,
    }
    assert about["recipe"] == records.recipe(taken.study, "channels", "digits-vgg")
    assert about["settings"]["ratio"] == 0.5 and about["network"] == net.spec
    assert {"torch", "onnxruntime", "onnx", "nir", "commit"} <= set(about["made_with"]) and about[
        "trained_with"
    ]["torch"]
    assert about["accuracy"]["result"] == record["accuracy"] > 0.2  # or it would say the same to every image
    x, y = data.open_or_prepare(taken.study, "digits").test
    session = onnxruntime.InferenceSession(file)
    [logits] = session.run(None, {"images": x[:].numpy()})
    right = (torch.from_numpy(logits).argmax(1) == y).double().mean().item()
    assert (
        about["files"]["onnx"]["accuracy"]
        == pytest.approx(right, abs=1e-5)
        == pytest.approx(about["accuracy"]["network"])
    )
    assert str(config.ROOT).encode() not in file  # no paths of the machine that wrote it
    onnx.checker.check_model(onnx.load_from_string(file), full_check=True)
    assert (
        f"{taken.folder}:" in taken.said
        and f"{right:.2%} right" in taken.said
        and "no network.nir" in taken.said
    )


def test_the_code_of_the_page_loads_it(taken):
    text = (config.ROOT / "docs" / "export.md").read_text()
    [code] = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "onnxruntime" in block
    ]
    code, count = re.subn(r'folder = ".*"', f"folder = {str(taken.folder) + '/'!r}", code)
    code, given = re.subn(r"pixels = np\.zeros\(.*\)", "pixels = mine", code)
    assert (count, given) == (1, 1) and len(code.strip().splitlines()) <= 10
    test, names = data.open_or_prepare(taken.study, "digits").test[0], {}
    names["mine"] = test.kept[:32].numpy()
    exec(code, names)
    assert torch.allclose(
        torch.from_numpy(names["logits"]), predict(models.load(taken.network), test[:32]), atol=1e-4
    )


@pytest.fixture
def copied(taken, tmp_path, monkeypatch):
    """Called with changes to what was measured: the network and its result in a home of their own."""

    def copy(**changes) -> tuple[Path, Path]:
        study = study_at(tmp_path)
        monkeypatch.setattr(config, "load", lambda name: study)
        monkeypatch.setattr(training, "set_up", lambda threads: None)
        network, result = (
            tmp_path / path.relative_to(taken.study.folder) for path in (taken.network, taken.result)
        )
        for path in (network, result):
            path.parent.mkdir(parents=True)
        network.write_bytes(taken.network.read_bytes())
        record = json.loads(taken.result.read_text())
        record["trials"][0] |= changes
        result.write_text(json.dumps(record))
        return network, result

    return copy


def refused(network, tmp_path, monkeypatch) -> str:
    """What the command says instead of writing anything."""
    monkeypatch.setattr(sys, "argv", ["export", str(network), "--to", str(tmp_path / "away")])
    with pytest.raises(SystemExit) as stop:
        export.main()
    assert not (tmp_path / "away").exists()
    line = str(stop.value.code)
    assert line.startswith("error: ") and "\n" not in line
    return line


@pytest.mark.parametrize(
    "changes, reason",
    [
        (
            {"accuracy": 0.05},
            r"accuracy 0\.\d+, where .*0.json says 0.05: network and result are of two trainings",
        ),
        (
            {"parameters": {"total": 7}},
            r"parameters \d+, where .* `dvc repro -f -s .*channels@digits-vgg-sca` makes both anew",
        ),
        ({"synops": {"ac": 7.0}}, r"AC \d+.*, where .* says 7"),
        (
            {"ratio": 0.25},
            r"results/smoke/channels: digits-vgg/sca/0.json was made with other settings .* run `make repro`",
        ),
    ],
)
def test_numbers_of_another_training_are_refused(changes, reason, copied, tmp_path, monkeypatch):
    network, _ = copied(**changes)
    assert re.search(reason, refused(network, tmp_path, monkeypatch))


def test_what_is_not_there_or_not_whole_is_refused(copied, tmp_path, monkeypatch):
    network, result = copied()
    whole = network.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + whole[2:500]):
        network.write_bytes(damaged)
        assert re.search(
            r"0-ratio-0.5.pt: no whole network \(\w+\); train it", refused(network, tmp_path, monkeypatch)
        )
    few = network.with_name("0-density-0.4.safetensors")
    sparse.save(make_net(), few)
    few.write_bytes(few.read_bytes()[:100])
    assert "no whole network" in refused(few, tmp_path, monkeypatch)
    assert "no such file" in refused(network.with_name("3-ratio-0.5.pt"), tmp_path, monkeypatch)
    network.write_bytes(whole)
    third = network.rename(network.with_name("3-ratio-0.5.pt"))
    assert "training 3: 0.json has 1" in refused(third, tmp_path, monkeypatch)
    result.unlink()
    assert "digits-vgg/sca/0.json is missing; run `make repro`" in refused(third, tmp_path, monkeypatch)


@pytest.mark.parametrize("name, files", [("vgg-digits", {"onnx"}), ("dvs-digits", {"onnx", "nir"})])
def test_a_network_file_by_itself_is_exported_and_what_is_unknown_is_said(
    name, files, tmp_path, monkeypatch, capsys
):
    net = masked(name, "if").float()
    models.save(net, tmp_path / "mine.pt")
    monkeypatch.setattr(training, "set_up", lambda threads: None)
    monkeypatch.setattr(sys, "argv", ["export", str(tmp_path / "mine.pt"), "--to", str(tmp_path / "away")])
    export.main()
    about = json.loads((tmp_path / "away" / "network.json").read_text())
    assert about["training"] is None and about["accuracy"] is None and "accuracy" in about["unknown"]
    assert {kind for kind, found in about["files"].items() if "apart" in found} == files
    assert "the file does not say" in about["input"]["values"] or name == "dvs-digits"
    said = capsys.readouterr().out
    assert "mine.pt lies outside runs/" in said and "not known are training, accuracy, cost" in said
    x = images(net, 5, seed=7)
    session = onnxruntime.InferenceSession((tmp_path / "away" / "network.onnx").read_bytes())
    [logits] = session.run(None, {"images": x.numpy()})
    assert torch.allclose(torch.from_numpy(logits), speaks(net, x), atol=1e-4)


@pytest.mark.parametrize(
    "path, reason",
    [
        ("network.pt", "network.pt: no such file; `make repro` leaves networks under runs/"),
        ("runs/smoke/channels/digits-vgg/sca/first/0-ratio-0.5.pt", "no place of a network"),
        (
            "runs/smoke/prune/digits-vgg/sca/0/0-ratio-0.5.pt",
            "'prune' is not known; known are dense, channels, ablate, baselines, weights",
        ),
        (
            "runs/smoke/channels/digits-vgg/scb/0/0-ratio-0.5.pt",
            "'scb' is not known; known are sca, ",
        ),
        ("runs/smoke/channels/digits-vgg/sca/0/best.pt", "'best.pt': must begin with the number"),
        (
            "runs/smok/channels/digits-vgg/sca/0/0-ratio-0.5.pt",
            "study 'smok' is not known; known are quick, ",
        ),
    ],
)
def test_a_path_that_names_no_training_is_refused(path, reason, tmp_path, monkeypatch):
    assert reason in refused(tmp_path / path, tmp_path, monkeypatch)


def test_every_stage_is_found():
    place = "runs/smoke/{}/digits-vgg/{}/3/{}"
    for stage, method, file, number in [
        ("dense", "dense", "0-dense.pt", 0),
        ("channels", "sca-plus", "2-ratio-0.8.pt", 2),
        ("ablate", "ablations", "1-ratio-0.5.pt", 1),
        ("baselines", "anew", "0-ratio-0.5.pt", 0),
        ("weights", "pq-fixed", "0-density-0.4.safetensors", 0),
    ]:
        found = origin.locate(Path(place.format(stage, method, file)))
        assert found.job[1:] == (stage, "digits-vgg", method) and (found.seed, found.number) == (3, number)


def test_an_export_leaves_nothing_of_the_one_before(tmp_path):
    export.write(tmp_path, {"onnx": b"one", "nir": b"two"}, {"a": 1})
    export.write(tmp_path, {"onnx": b"three"}, {"a": 2})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "network.onnx": b"three",
        "network.json": b'{\n "a": 2\n}\n',
    }
