"""The yardstick of `make bench` is the same network as the study's, and the arithmetic of the table is
right."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
import torch
from helpers import settle

from lib.core.errors import ConfigError
from lib.models import build
from lib.settings import DENSE, Fast, config
from lib.settings.config import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import draw
import draw_search
import evidence
import nets
import plain
import search
import speedrun
import steps
import timing


def test_the_plain_network_is_the_studys_vgg16_without_the_study():
    ours = settle(build("vgg16", 10, (3, 32, 32), 2, width=0.125).double().eval())
    theirs = plain.vgg16(0.125).double().eval()
    values = [t for name, t in ours.state_dict().items() if not name.endswith(".mask")]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rates = []
    ours.sites["conv13"].node.register_forward_hook(lambda _, __, out: rates.append(out.mean()))
    with torch.no_grad():
        logits = theirs(x.unsqueeze(0).repeat(2, 1, 1, 1, 1)).mean(0)
        torch.testing.assert_close(ours(x), logits, rtol=0, atol=1e-10)
    assert rates[0] > 0
    assert sum(p.numel() for p in plain.vgg16().parameters()) == sum(
        p.numel() for p in nets.vgg16().parameters()
    )


CITED = [*sorted((ROOT / "results" / "benchmarks").glob("*.[mt][dx]*")), ROOT / "results" / "equivalence.md"]


@pytest.mark.parametrize("path", CITED, ids=lambda path: path.name)
def test_what_is_cited_says_by_which_command_and_commit_it_was_made(path):
    first = path.read_text().splitlines()[0]
    said = re.fullmatch(r"Made by `python (\S+)`.*? commit ([0-9a-f]{7})(-dirty)?, .*from .+\.", first)
    assert said and not said[3] and (ROOT / said[1]).exists(), first
    known = subprocess.run(["git", "cat-file", "-e", f"{said[2]}^{{commit}}"], cwd=ROOT, capture_output=True)
    shallow = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True
    )
    assert known.returncode == 0 or shallow.stdout.strip() != "false"


def test_a_plain_step_trains():
    torch.manual_seed(1)
    net = plain.vgg16(0.125)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    x, y = nets.batch(16)
    losses = [plain.train_step(net, x, y, 2, optimizer) for _ in range(20)]
    assert sum(losses[-5:]) < sum(losses[:5]) - 0.1


def test_ratios_are_of_the_same_round():
    found = timing.ratio({"ours": [1.0, 4.0, 3.0], "theirs": [2.0, 4.0, 1.0]}, "ours", "theirs", by=0.5)
    assert found == {"median": 2.0, "low": 1.5, "high": 4.0, "n": 3}


def test_every_variant_runs_once_a_round_and_once_more_to_warm_up():
    calls = []
    seconds = timing.interleaved({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2)
    assert calls == list("ababab") and {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}


def test_the_expected_cost_of_half_the_channels():
    whole = build("vgg16", 10, (3, 32, 32), 2, width=0.25).use(Fast())
    half = nets.small(whole, 0.5)
    assert all(len(site.mask) % 2 for site in half.sites.values())
    assert nets.neurons(half) / nets.neurons(whole) == pytest.approx(0.5, abs=0.05)
    assert steps.expected(half, whole) == pytest.approx(0.75 * 0.25 + 0.25 * 0.5, abs=0.05)


@pytest.mark.parametrize("name", list(config.load("cifar").tasks))
def test_a_timed_training_may_change_one_thing_and_keeps_the_rest(name):
    task = config.load("cifar").tasks[name]
    assert speedrun.replaced(task, {}) == task
    changed = speedrun.replaced(task, {"train.epochs": 30, "whiten": False})
    assert changed.train.epochs == 30 and not changed.whiten and changed.fast == task.fast


REFUSED = [
    (search, ("sca",), "sca: add ratio=0.5"),
    (search, ("sca", "ratio=2"), "ratio: 2: input should be less than 1"),
    (search, ("sca", "ratio=0.5", "strength=1"), "unknown key strength"),
    (search, ("l1", "ratio=0.5"), "method: 'l1' is not known; known are sca"),
    (search, ("dense", "ratio=0.5"), "unknown key ratio"),
    (speedrun, ("vgg8",), "task: 'vgg8' is not known; known are vgg7"),
    (speedrun, ("vgg7-cifar10", "train.depth=1"), "train: unknown key depth"),
    (speedrun, ("vgg7-cifar10", "rewire.stop=1"), "rewire.stop: what this task sets: 'rewire' is not known"),
    (speedrun, ("vgg7-cifar10", "width.x=1"), "width.x: width has no parts; give width=..."),
    (speedrun, ("vgg7-cifar10", "train.epochs={"), "train.epochs={: the value is not what YAML can read"),
    (speedrun, ("vgg7-cifar10", "seed"), "seed: give key=value"),
    (speedrun, ("vgg7-cifar10", "seed=-1"), "seed=-1: give a whole number of 0 or more"),
    (search, ("sca", "ratio=0.5", "seed=one"), "seed=one: give a whole number"),
]


@pytest.mark.parametrize("tool, given, says", REFUSED, ids=[" ".join(each[1]) for each in REFUSED])
def test_what_cannot_be_trained_is_refused_in_a_line(tool, given, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as refused:
        tool.main(*given)
    assert "\n" not in str(refused.value)


def test_a_pilot_is_compared_with_random_channels_of_its_size():
    """Halfway between two sizes, by their logarithms, random channels are halfway between two accuracies."""
    rows = [("random", 100, 60.0), ("dense", 400, 80.0), ("sca", 200, 71.0), ("sca", 800, 90.0)]
    table = pd.DataFrame(rows, columns=["way", "parameters", "validation (%)"]).assign(seed=0, ratio=0.5)
    found = draw_search.above_random(table, "parameters")
    assert found.round(6).fillna(-1).tolist() == [-1, -1, 1.0, -1]  # nothing is extrapolated


def test_a_pilot_takes_the_studys_method_with_what_is_changed():
    study = config.load("cifar")
    task = study.tasks[search.TASK]
    trial = search.trial_of(study, task, "sca-plus", 0.5, {"per_synapses": 0.25})
    given = study.methods["sca-plus"].model_dump(exclude_unset=True)
    assert trial.ratio == 0.5 and given["ratio_schedule"] == "gradual"
    assert (given | {"per_synapses": 0.25}).items() <= trial.method.model_dump().items()
    assert search.trial_of(study, task, "dense", 0.0, {}) is DENSE


def test_steps_are_told_of_the_largest_batch_and_of_a_slower_small_one():
    def trial(batch, variant, seconds):
        return {"axis": "batch", "value": batch, "variant": variant, "seconds": [seconds] * 7}

    slow = [trial(1, "plain", 1.0), trial(1, "fast", 2.0)]
    large = [trial(64, "plain", 9.0), trial(64, "fast", 3.0), {"axis": "T", "value": 1}]
    assert draw.gains([*large, *slow]) == {1: 0.5, 64: 3.0}
    says = "At batch 64 a training step is 3.0 times as fast as plain SpikingJelly's"
    assert draw.in_words({1: 0.5, 64: 3.0}) == f"{says}; at batch 1 it takes 2.0 times as long"
    assert draw.again([*large, *slow], 64) == pytest.approx(1 / 3)
    assert draw.in_words({64: 3.0}) == draw.in_words({1: 1.5, 64: 3.0}) == says


@pytest.mark.parametrize(
    ("most", "words"),
    [(None, ""), (0.5, "yes"), (0.45, "within the spread"), (0.41, "within the spread"), (0.39, "no")],
)
def test_what_was_aimed_at_is_reached_where_both_quartiles_are_below_it(most, words):
    assert draw.reached({"at most": most, "low": 0.4, "median": 0.43, "high": 0.5}) == words


def test_a_changed_pilot_has_its_methods_colour_and_a_hollow_mark_of_its_own():
    ways = ["sca", "sca a=1", "sca-plus a=1", "sca a=2"]
    own, one, other, two = (draw_search.look(way, ways) for way in ways)
    assert own["color"] == one["color"] == two["color"] != other["color"]
    assert "markerfacecolor" not in own and one["markerfacecolor"] == "white"
    assert len({own["marker"], one["marker"], two["marker"]}) == 3


def test_a_pilot_is_named_in_words():
    labels = {"sca-plus": "sca+"}
    assert draw_search.said("sca-plus", labels) == "sca+"
    assert draw_search.said("dense", labels) == "dense"
    both = draw_search.said("sca-plus normalise=True per_synapses=0.25", labels)
    assert both == "sca+, divided scores, price 0.25"


def test_a_line_of_other_columns_is_refused_before_it_is_written(tmp_path):
    log = tmp_path / "log.csv"
    speedrun.append(log, {"task": "a", "seed": 0})
    speedrun.append(log, {"task": "b", "seed": 1})
    assert log.read_text() == "task,seed\na,0\nb,1\n"
    with pytest.raises(
        ConfigError, match="log.csv: its columns are task,seed; this code writes task,T; move"
    ):
        speedrun.append(log, {"task": "c", "T": 4})
    assert log.read_text() == "task,seed\na,0\nb,1\n"


class Stopped:
    """A run of three epochs that was killed: its checkpoint holds one epoch fewer than its clock's file."""

    def __init__(self, trained: int):
        self.log = [None] * trained

    def resume(self, _kept) -> bool:
        return bool(self.log)

    def fit(self, _label, _kept, after) -> None:
        while len(self.log) < 3:
            self.log.append(None)
            after()


def test_an_epoch_that_is_trained_again_is_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr(speedrun, "clocks", lambda: (10.0, 10.0))
    kept = tmp_path / "a.pt"
    kept.with_suffix(".json").write_text('{"0": [0, 0], "1": [5, 4], "2": [9, 8]}')
    assert speedrun.trained(Stopped(1), "a", kept) == (5, 4)  # the clock stands still here
    assert json.loads(kept.with_suffix(".json").read_text())["2"] == [5, 4]


def test_a_log_makes_no_tree_dirty_and_code_does(tmp_path, monkeypatch):
    log, code = tmp_path / "results" / "benchmarks" / "speedrun.csv", tmp_path / "code.py"
    log.parent.mkdir(parents=True)
    log.write_text("task\n")
    code.write_text("one\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    at = evidence.commit()
    log.write_text("task\nshort\n")
    assert evidence.commit() == at and re.fullmatch("[0-9a-f]{7}", at)
    code.write_text("two\n")
    assert evidence.commit() == f"{at}-dirty"
