"""The check before the first stage: what only a network, the machine or the place of a file refuses."""

import subprocess
import sys

import pytest
from example import assert_one_line, changed, document, written

from lib.core.errors import ConfigError, CriterionError
from lib.core.files import ROOT
from lib.pruning import REGROW_SCHEDULES
from lib.settings import config
from tools import check

REFUSED = [
    ("grid.ablated", [], ["grid.ablated: empty", "digits-vgg"]),
    ("grid.matched", [], ["grid.matched: empty", "digits-vgg"]),
    ("tasks.spikformer.width", 0.9, ["tasks.spikformer.net", "width 43", "4 heads", "change `width`"]),
    ("tasks.spikformer.net", "vgg-digits", ["vgg-digits has no tokens", "spikformer4-384"]),
    ("grid.selected", [], ["grid.selected: empty", "digits-vgg, spikformer"]),
    (
        "tasks.digits-vgg.prune.warmup",
        20,
        ["tasks.digits-vgg.prune.warmup: 20", "20 epochs", "never prune", "before the last epoch"],
    ),
    (
        "methods.sca.stop",
        0.1,
        ["tasks.digits-vgg.prune.warmup: 4", "20 epochs", "sca (frozen) would never prune"],
    ),
    (
        "tasks.digits-vgg.rewire.warmup",
        17,
        ["tasks.digits-vgg.rewire.warmup: 17", "0.8 of 20 epochs", "lower it"],
    ),
    ("weights.pq.interval", 17, ["weights.pq.interval: 17", "0.8 of 20 epochs", "lower it"]),
    ("weights.pq.start", 0.25, ["weights.pq.start: 0.25", "density 0.3", "raise start or lower that"]),
    (
        "weights.pq.start",
        0.3,
        ["weights.pq.start: 0.3", "above the density 0.3", "raise start or lower that"],
    ),
    ("weights.pq.densities", [0.25], ["weights: no density is asked of all of them on task digits-vgg"]),
    ("grid.rewired", [], ["grid.rewired: empty", "digits-vgg"]),
    (
        "tasks.digits-vgg.net",
        "vgg16",
        ["tasks.digits-vgg.net: vgg16 on digits", "(1, 8, 8)", "too small for the poolings"],
    ),
    (
        "tasks.digits-vgg.prune.floor",
        8,
        [
            "tasks.digits-vgg.prune.floor: 8",
            "keep 56 channels",
            "ratio 0.8 only 48",
            "lower the floor or the ratio",
        ],
    ),
    (
        "tasks.digits-vgg.train.momentum",
        0.0,
        ["weights.pq.growth: momentum", "train.momentum is 0", "take gradient or random"],
    ),
]


def refusal(folder, monkeypatch, content) -> str:
    """What `python -m tools.check` leaves behind: its only line, without the newline."""
    monkeypatch.setattr(sys, "argv", ["check", str(written(folder, content))])
    with pytest.raises(SystemExit) as stopped:
        check.main()
    line = stopped.value.code  # sys.exit(text) prints the text and exits with 1
    assert isinstance(line, str) and line.startswith("error: "), line
    assert_one_line(line)
    return line


@pytest.mark.parametrize(("path", "value", "words"), REFUSED, ids=[path for path, *_ in REFUSED])
def test_what_could_not_train_gets_one_line(path, value, words, tmp_path, monkeypatch):
    line = refusal(tmp_path, monkeypatch, changed(path, value))
    assert not [word for word in words if word not in line], line


def test_an_absent_file_gets_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit, match=r"error: .*No such file.*none\.yaml"):
        check.main()


def test_a_copy_that_names_another_study_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "ROOT", tmp_path)
    monkeypatch.setattr(check, "ROOT", tmp_path, raising=False)
    folder = tmp_path / "studies" / "mine"
    folder.mkdir(parents=True)
    line = refusal(folder, monkeypatch, document())
    assert "study: quick" in line and "studies/mine/params.yaml" in line
    assert "give the study the name of its folder" in line


def test_a_method_is_refused_only_if_it_never_prunes(tmp_path, monkeypatch):
    """Soft mode may update after the last epoch, frozen mode may not: it would not train under its mask."""
    content = changed("tasks.digits-vgg.prune.warmup", 19)
    check.check(written(tmp_path, content))
    content["tasks"]["digits-vgg"]["prune"]["warmup"] = 20
    content["methods"]["a-soft-one"] = {"label": "soft", "mode": "soft"}  # it comes first, and passes
    assert "only-prune (frozen) would never prune" in refusal(tmp_path, monkeypatch, content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tasks.digits-vgg.prune.floor", 6),
        ("tasks.digits-vgg.width", 0.5),
        ("methods.sca.stop", 0.2),
    ],
)
def test_what_fits_is_not_refused(path, value, tmp_path):
    """The largest floor that leaves a choice, another width, a stop after the warmup."""
    check.check(written(tmp_path, changed(path, value)))


def test_a_network_is_tried_on_the_shape_of_its_data(tmp_path):
    content = changed("tasks.digits-vgg.net", "vgg16")
    content["tasks"]["digits-vgg"]["data"] = "cifar10"
    content["grid"]["data"] = ["cifar10", "digits"]
    check.check(written(tmp_path, content))


def test_compiled_neurons_are_refused_where_nothing_compiles(tmp_path, monkeypatch):
    path = written(tmp_path, changed("tasks.digits-vgg.fast", {"neurons": "compiled"}))
    monkeypatch.setenv("CXX", sys.executable)
    check.check(path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "none-such")
    said = r"tasks.digits-vgg.fast.neurons: compiled needs a C\+\+ compiler; install g\+\+, or"
    with pytest.raises(ConfigError, match=said):
        check.check(path)


@pytest.mark.parametrize(
    ("share", "said"), [(float("nan"), "returned nan"), (1.5, "returned 1.5"), (None, "returned None")]
)
def test_a_share_to_exchange_out_of_its_range_is_refused_before_the_first_stage(
    share, said, monkeypatch, tmp_path
):
    exchanges = {"ratio": "constant", "rewire": "constant_density", "exchange": 0.3, "start": None}
    mine = {"kind": "rewiring", "label": "mine", "exchange_schedule": "decay", **exchanges}
    path = written(tmp_path, changed("weights.mine", mine))
    check.check(path)
    late = lambda progress, regrow: regrow if progress < 0.8 else share  # noqa: E731
    monkeypatch.setitem(REGROW_SCHEDULES, "decay", late)
    told = f"weights.mine.exchange_schedule decay, update .* {said}; it must return"
    with pytest.raises((CriterionError, ConfigError), match=told):
        check.check(path)


def test_the_command_exits_non_zero_and_prints_one_line(tmp_path):
    path = written(tmp_path, changed("tasks.digits-vgg.data", "cifer10"))
    command = [sys.executable, "-m", "tools.check", path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: params.yaml: ")


def test_the_command_says_what_a_valid_study_runs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check", str(ROOT / "params.yaml")])
    check.main()
    assert "study quick" in capsys.readouterr().out
