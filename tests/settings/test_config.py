"""Bad input: one clear line that names the value, what is allowed and what to do, and a non-zero exit,
before anything runs."""

import ast
import copy
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from lib import data
from lib.core.errors import ConfigError
from lib.data import datasets
from lib.settings import config
from tools import check

CELL = ("tasks", "digits-vgg")
TOKENS = ("tasks", "spikformer")
PQ = {"kind": "rewiring", "label": "PQ"}
GONE = object()
STUDY = """
study: quick
root: .
params: params.yaml
out: .
threads: 1
data: {root: data/raw, validation: 0.125, split_seed: 2020}
grid:
  {data: [digits], tasks: [digits-vgg, spikformer], pruned: [digits-vgg], ablated: [digits-vgg], matched: [digits-vgg],
   rewired: [digits-vgg], selected: [spikformer], seeds: [0, 1]}
tasks:
  digits-vgg:
    {data: digits, augment: none, net: vgg-digits, neuron: if, T: 4, width: 1.0, ratios: [0.5, 0.7, 0.8],
     train: {epochs: 20, batch: 25, lr: 0.05, momentum: 0.9, weight_decay: 0.0, l1: 0.0, lr_schedule: cosine},
     prune: {warmup: 4, interval: 2, floor: 2, probes: 4, compact: true},
     rewire: {warmup: 2, interval: 2, stop: 0.8}, densities: [0.3, 0.2]}
  spikformer:
    {data: digits, augment: none, net: spikformer-digits, neuron: lif, T: 2, width: 1.0, rhos: [0.7], densities: [0.3],
     train: {epochs: 9, batch: 25, lr: 0.01, momentum: 0.9, weight_decay: 0.1, l1: 0.0, lr_schedule: cosine, optimizer: adamw},
     student: {epochs: 5, batch: 25, lr: 0.002, momentum: 0.9, weight_decay: 0.06, l1: 0.0, lr_schedule: cosine, warmup: 1}}
methods:
  sca: {label: SCA}
  only-prune: {label: only-prune, growth: none, regrow: 0.0}
  random: {label: random, mode: fixed, score: random, growth: none, regrow: 0.0}
ablations:
  ablations: {label: varied, base: sca, ratio: 0.7, variants: [{score: firing_rate}, {interval: 1}]}
baselines:
  anew: {label: anew, of: sca, widths: found, ratios: [0.5]}
weights:
  pq: {kind: rewiring, label: PQ}
  tickets: {kind: tickets, label: tickets}
  stds: {kind: threshold, label: STDS, rule: stds, strength: 0.1}
tokens:
  learned: {kind: select, label: learned, rule: learned}
  all: {kind: select, label: all tokens, rule: all}
  tickets-all: {kind: tickets, label: tickets}
  tickets-learned: {kind: tickets, label: "tickets, learned", rho: 0.7}
"""


def document() -> dict:
    return YAML(typ="safe").load(STUDY)


def changed(path: tuple, value) -> dict:
    """STUDY with the value at `path` replaced; GONE removes it."""
    whole = document()
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = copy.deepcopy(value)
    return whole


def written(folder, content):
    path = folder / "params.yaml"
    if isinstance(content, dict):
        with open(path, "w") as file:
            YAML(typ="safe").dump(content, file)
    else:
        path.write_bytes(content.encode("latin-1"))
    return path


def refusal(folder, monkeypatch, content) -> str:
    """What `python -m tools.check` leaves behind: its only line, without the newline."""
    monkeypatch.setattr(sys, "argv", ["check", str(written(folder, content))])
    with pytest.raises(SystemExit) as stopped:
        check.main()
    line = stopped.value.code  # sys.exit(text) prints the text and exits with 1
    assert isinstance(line, str) and line.startswith("error: "), line
    assert "\n" not in line and len(line) < 400, line
    assert not [word for word in ("Traceback", "pydantic", "instance of", "tuple") if word in line], line
    return line


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        # names
        ((*CELL, "data"), "cifer10", ["tasks.digits-vgg.data", "'cifer10'", "digits, cifar10, cifar100"]),
        ((*CELL, "net"), "vgg61", ["tasks.digits-vgg.net", "'vgg61'", "vgg16"]),
        ((*CELL, "neuron"), "IF", ["tasks.digits-vgg.neuron", "'IF'", "if, lif"]),
        ((*CELL, "augment"), "flip", ["tasks.digits-vgg.augment", "'flip'", "none, crop_flip"]),
        (
            (*CELL, "train", "lr_schedule"),
            "cos",
            ["tasks.digits-vgg.train.lr_schedule", "'cos'", "cosine, step"],
        ),
        (("methods", "sca", "score"), "spike", ["methods.sca.score", "'spike'", "spike_abs_v"]),
        (("methods", "sca", "growth"), "bn", ["methods.sca.growth", "'bn'", "bn_grad, random, none"]),
        (
            ("methods", "sca", "ratio_schedule"),
            "linear",
            ["methods.sca.ratio_schedule", "'linear'", "constant, gradual"],
        ),
        (
            ("methods", "sca", "regrow_schedule"),
            "slow",
            ["methods.sca.regrow_schedule", "'slow'", "constant, decay"],
        ),
        (("methods", "sca", "mode"), "gate", ["methods.sca.mode", "'gate'", "'frozen', 'soft' or 'fixed'"]),
        (
            ("ablations", "ablations", "base"),
            "scaa",
            ["ablations.ablations.base", "'scaa'", "known are only-prune, random, sca"],
        ),
        (("data", "validation"), 1e-9, ["data.validation", "1e-09", "greater than or equal to 0.005"]),
        (("data", "validation"), 0.999, ["data.validation", "0.999", "less than or equal to 0.9"]),
        (
            ("data", "images"),
            {"digits": 30},
            ["data.validation: 0.125: holds out none of 3 images a class", "raise"],
        ),
        (
            (*CELL, "train", "batch"),
            1300,
            ["tasks.digits-vgg.train.batch: 1300", "about 1258 images", "lower it"],
        ),
        (("data", "split_seed"), -1, ["data.split_seed", "-1", "greater than or equal to 0"]),
        (("grid", "seeds"), [2**32], ["grid.seeds", "4294967296", "less than or equal to 4294967295"]),
        (("grid", "ablated"), [], ["grid.ablated: empty", "digits-vgg"]),
        (
            ("baselines", "anew", "of"),
            "scaa",
            ["baselines.anew.of", "'scaa'", "known are only-prune, random, sca"],
        ),
        (
            ("baselines", "anew", "of"),
            "pq",
            ["baselines.anew.of", "'pq'", "known are only-prune, random, sca"],
        ),
        (
            ("baselines", "anew", "widths"),
            "wide",
            ["baselines.anew.widths", "'wide'", "'found' or 'uniform'"],
        ),
        (("baselines", "anew", "epochs"), 12, ["baselines.anew.epochs", "12", "'recipe' or 'cost'"]),
        (
            ("baselines", "anew", "ratios"),
            [0.6],
            ["baselines.anew.ratios: 0.6", "[0.5, 0.7, 0.8]", "take of them"],
        ),
        (("baselines",), GONE, ["baselines: missing; add it"]),
        (("grid", "matched"), ["spikformer"], ["grid.matched", "'spikformer'", "known are digits-vgg"]),
        (("grid", "matched"), [], ["grid.matched: empty", "digits-vgg"]),
        (
            ("ablations", "ablations", "variants"),
            [{"score": "spik"}],
            ["ablations.ablations.score", "'spik'", "spike_abs_v"],
        ),
        (("grid", "tasks"), ["digits-vg"], ["grid.tasks", "'digits-vg'", "digits-vgg"]),
        (("grid", "pruned"), ["digits-vg"], ["grid.pruned", "'digits-vg'", "known are digits-vgg"]),
        (
            ("grid", "rewired"),
            ["digits-vg"],
            ["grid.rewired", "'digits-vg'", "known are digits-vgg, spikformer"],
        ),
        (
            ("grid", "pruned"),
            [],
            ["grid.ablated", "'digits-vgg'", "not known"],
        ),  # an ablation stands beside its base method
        (("weights", "pq", "kind"), "rewire", ["weights.pq.kind: 'rewire'", "rewiring, tickets, threshold"]),
        (
            ("weights", "pq", "scope"),
            "filter",
            ["weights.pq", "scope", "'filter'", "'neuron', 'layer' or 'global'"],
        ),
        (("grid", "data"), ["cifar10"], ["grid.data", "cifar10", "exactly digits"]),
        (("grid", "data"), ["digits", "cifar10"], ["grid.data", "cifar10", "exactly digits"]),
        # keys
        (("methods", "sca", "scor"), "random", ["methods.sca", "unknown key scor", "score, growth"]),
        (("treads",), 1, ["unknown key treads", "threads"]),
        (
            (*CELL, "train", "learning_rate"),
            0.1,
            ["tasks.digits-vgg.train", "unknown key learning_rate", "lr"],
        ),
        (
            ("ablations", "ablations", "variants"),
            [{"scor": "random"}],
            ["ablations.ablations.variants", "unknown key scor", "score"],
        ),
        ((*CELL, "prune", "compact"), GONE, ["tasks.digits-vgg.prune.compact", "missing; add it"]),
        ((*CELL, "train", "epochs"), GONE, ["tasks.digits-vgg.train.epochs", "missing; add it"]),
        (("grid",), GONE, ["grid: missing; add it"]),
        (("grid", "pruned"), GONE, ["grid.pruned: missing; add it"]),
        (("grid", "rewired"), GONE, ["grid.rewired: missing; add it"]),
        (("weights",), GONE, ["weights: missing; add it"]),
        # tokens
        (("tokens",), GONE, ["tokens: missing; add it"]),
        (
            ("tokens", "all"),
            GONE,
            ["tokens: all missing", "the figures draw learned, all, tickets-all, tickets-learned"],
        ),
        (("tokens", "all", "rhos"), [0.5], ["tokens.all", "rhos [0.5] with rule all", "leave rhos out"]),
        (
            ("tokens", "learned", "rule"),
            "best",
            ["tokens.learned.rule: 'best'", "'attention', 'skip' or 'all'"],
        ),
        (("tokens", "learned", "kind"), "token", ["tokens.learned.kind: 'token': known are select, tickets"]),
        (
            ("tokens", "learned"),
            {"label": "mine"},
            ["tokens.learned: kind is missing; add kind: select or tickets"],
        ),
        (
            ("tokens", "all", "rule"),
            "learned",
            ["tokens.all.rule: learned", "the figures take it for all", "another name"],
        ),
        (
            ("tokens", "learned", "rule"),
            "random",
            ["tokens.learned.rule: random", "the figures take it for learned"],
        ),
        (
            ("tokens", "tickets-all", "rho"),
            0.5,
            ["tokens.tickets-all.rho: 0.5", "the figures take it for None"],
        ),
        (("tokens", "tickets-learned", "rho"), GONE, ["tokens.tickets-learned.rho: missing", "add it"]),
        (
            ("tokens", "tickets-learned", "start"),
            "scratch",
            ["tokens.tickets-learned", "rho 0.7 with start scratch", "leave rho out"],
        ),
        (
            ("tokens", "tickets-learned", "rho"),
            1.5,
            ["tokens.tickets-learned.rho: 1.5", "less than or equal to 1"],
        ),
        (
            ("tokens", "tickets-learned", "rewind"),
            5,
            ["tokens.tickets-learned.rewind: 5", "trains 5 epochs", "rewind earlier"],
        ),
        ((*TOKENS, "rhos"), [0.0], ["tasks.spikformer.rhos.0: 0.0", "greater than 0"]),
        ((*TOKENS, "rhos"), GONE, ["grid.selected: task spikformer has no rhos", "add what is missing"]),
        (
            (*TOKENS, "student"),
            GONE,
            ["grid.selected: task spikformer has no student", "add what is missing"],
        ),
        ((*TOKENS, "width"), 0.9, ["tasks.spikformer.net", "width 43", "4 heads", "change `width`"]),
        (
            (*TOKENS, "net"),
            "vgg-digits",
            ["tasks.spikformer.net", "vgg-digits has no tokens", "spikformer4-384"],
        ),
        (
            (*TOKENS, "student", "optimizer"),
            "adam",
            ["tasks.spikformer.student.optimizer: 'adam'", "'sgd' or 'adamw'"],
        ),
        (
            (*TOKENS, "student", "lr_schedule"),
            "flat",
            ["tasks.spikformer.student.lr_schedule", "'flat'", "cosine, step"],
        ),
        ((*TOKENS, "train", "warmup"), 9, ["tasks.spikformer.train: warmup: 9", "9 epochs", "lower it"]),
        ((*CELL, "train", "devices"), 0, ["tasks.digits-vgg.train.devices: 0", "greater than or equal to 1"]),
        (
            (*CELL, "train", "devices"),
            2,
            ["tasks.digits-vgg.train: devices: 2", "batch 25 cannot be shared", "take a divisor"],
        ),
        (
            (*TOKENS, "student", "devices"),
            4,
            ["tasks.spikformer.student: devices: 4", "batch 25", "take a divisor"],
        ),
        (("grid", "selected"), [], ["grid.selected: empty", "digits-vgg, spikformer"]),
        (("grid", "selected"), ["digits-vgg"], ["grid.selected: task digits-vgg has no student and no rhos"]),
        (
            ("grid", "pruned"),
            ["digits-vgg", "spikformer"],
            ["grid.pruned: task spikformer has no prune and no ratios"],
        ),
        (("weights", "pq", "growht"), "random", ["weights.pq", "unknown key growht", "growth"]),
        ((*CELL, "rewire", "stop"), GONE, ["tasks.digits-vgg.rewire.stop: missing; add it"]),
        # types
        (
            (*CELL, "ratios"),
            ["0.5"],
            ["tasks.digits-vgg.ratios.0", "'0.5'", "a valid number, without quotes"],
        ),
        (
            ("ablations", "ablations", "ratio"),
            "0.5",
            ["ablations.ablations.ratio", "'0.5'", "a valid number, without quotes"],
        ),
        ((*CELL, "train", "epochs"), 20.5, ["tasks.digits-vgg.train.epochs", "20.5", "valid integer"]),
        (
            (*CELL, "train", "epochs"),
            "20",
            ["tasks.digits-vgg.train.epochs", "'20'", "valid integer, without quotes"],
        ),
        (
            (*CELL, "train", "lr"),
            "1e-3",
            ["tasks.digits-vgg.train.lr", "'1e-3'", "a valid number, without quotes"],
        ),
        ((*CELL, "train", "lr"), float("inf"), ["tasks.digits-vgg.train.lr", "inf", "finite number"]),
        ((*CELL, "train", "lr"), float("nan"), ["tasks.digits-vgg.train.lr", "nan"]),
        ((*CELL, "prune", "compact"), 1, ["tasks.digits-vgg.prune.compact", "1", "valid boolean"]),
        ((*CELL, "T"), True, ["tasks.digits-vgg.T", "True", "valid integer"]),
        ((*CELL, "ratios"), 0.5, ["tasks.digits-vgg.ratios", "0.5", "a list"]),
        ((*CELL, "train"), [20], ["tasks.digits-vgg.train", "[20]", "keys with values"]),
        (("methods", "sca"), "frozen", ["methods.sca", "'frozen'", "keys with values"]),
        (
            ("ablations", "ablations", "variants"),
            [{"regrow": "0.1"}],
            ["ablations.ablations.variants: regrow", "'0.1'", "number"],
        ),
        (
            ("ablations", "ablations", "variants"),
            ["score"],
            ["ablations.ablations.variants.0", "'score'", "keys with values"],
        ),
        # ranges
        ((*CELL, "ratios"), [1.0], ["tasks.digits-vgg.ratios.0", "1.0", "less than 1"]),
        ((*CELL, "ratios"), [-0.1], ["tasks.digits-vgg.ratios.0", "-0.1", "greater than or equal to 0"]),
        (
            (*CELL, "ratios"),
            [0.5, 0.9],
            ["task digits-vgg, method sca", "ratio 0.9 + regrow 0.1 >= 1", "lower one"],
        ),
        (
            ("methods", "sca", "regrow"),
            0.3,
            ["task digits-vgg, method sca", "+ regrow 0.3 >= 1", "lower one"],
        ),
        (
            (*CELL, "ratios"),
            [0.5, 0.95],
            ["task digits-vgg, method sca", "ratio 0.95 + regrow 0.1 >= 1", "lower one"],
        ),
        (
            ("ablations", "ablations", "variants"),
            [{"regrow": 0.5}],
            ["ablation ablations", "ratio 0.7 + regrow 0.5 >= 1", "lower one"],
        ),
        (
            (*CELL, "prune", "warmup"),
            20,
            ["tasks.digits-vgg.prune.warmup: 20", "20 epochs", "never prune", "before the last epoch"],
        ),
        (
            (*CELL, "prune", "warmup"),
            -1,
            ["tasks.digits-vgg.prune.warmup", "-1", "greater than or equal to 0"],
        ),
        (
            (*CELL, "prune", "interval"),
            0,
            ["tasks.digits-vgg.prune.interval", "0", "greater than or equal to 1"],
        ),
        ((*CELL, "T"), 0, ["tasks.digits-vgg.T", "0", "greater than or equal to 1"]),
        (("methods", "sca", "stop"), 0.0, ["methods.sca.stop", "0.0", "greater than 0"]),
        (("methods", "sca", "stop"), 1.5, ["methods.sca.stop", "1.5", "less than or equal to 1"]),
        (
            ("methods", "sca", "stop"),
            0.1,
            ["tasks.digits-vgg.prune.warmup: 4", "20 epochs", "sca (frozen) would never prune"],
        ),
        (
            (*CELL, "rewire", "warmup"),
            17,
            ["tasks.digits-vgg.rewire.warmup: 17", "0.8 of 20 epochs", "lower it"],
        ),
        (("weights", "pq", "interval"), 17, ["weights.pq.interval: 17", "0.8 of 20 epochs", "lower it"]),
        ((*CELL, "densities"), [0.0], ["tasks.digits-vgg.densities.0", "0.0", "greater than 0"]),
        (
            ("weights", "pq", "start"),
            0.25,
            ["weights.pq.start: 0.25", "density 0.3", "raise start or lower that"],
        ),
        (
            ("weights", "pq", "start"),
            0.3,
            ["weights.pq.start: 0.3", "above the density 0.3", "raise start or lower that"],
        ),
        (("weights", "pq", "start"), None, ["weights.pq", "ratio constant, start null", "belong together"]),
        (
            ("weights", "pq", "growth"),
            "none",
            ["weights.pq", "growth none with rewire shrink+exchange", "belong together"],
        ),
        (
            ("weights", "pq"),
            {**PQ, "rewire": "shrink_only", "growth": "none", "exchange": 0.3},
            ["weights.pq", "exchange 0.3"],
        ),
        (
            ("weights", "pq"),
            {**PQ, "rewire": "shrink_only", "growth": "none", "grows": "anywhere"},
            ["weights.pq", "grows anywhere with growth none"],
        ),
        (
            ("weights", "pq"),
            {**PQ, "exchange_schedule": "decay"},
            ["weights.pq", "exchange_schedule decay without an exchange"],
        ),
        (
            ("weights", "pq"),
            {**PQ, "ratio": "cubic", "rewire": "constant_density"},
            ["ratio cubic", "take pq or constant"],
        ),
        (
            ("weights", "pq"),
            {**PQ, "ratio": "constant", "start": None},
            ["ratio constant", "an exchange belong"],
        ),
        (
            ("weights", "pq"),
            {"label": "PQ"},
            ["weights.pq: kind is missing; add kind: rewiring or tickets or threshold"],
        ),
        (("weights", "pq"), GONE, ["weights: pq missing", "the figures draw pq"]),
        (
            ("weights", "pq", "densities"),
            [0.25],
            ["weights: no density is asked of all of them on task digits-vgg"],
        ),
        (("grid", "rewired"), [], ["grid.rewired: empty", "digits-vgg"]),
        (("weights", "pq", "densities"), [1.5], ["weights.pq.densities.0: 1.5", "less than or equal to 1"]),
        (("weights", "pq", "q"), 0.5, ["weights.pq", "p 0.5, q 0.5", "p must be smaller than q"]),
        (
            ("weights", "tickets", "rewind"),
            20,
            ["weights.tickets.rewind: 20", "trains 20 epochs", "rewind to an earlier one"],
        ),
        (("weights", "tickets", "share"), 1.0, ["weights.tickets", "share", "1.0", "less than 1"]),
        (("weights", "stds", "strength"), 0.0, ["weights.stds", "strength", "0.0", "greater than 0"]),
        (("threads",), 0, ["threads", "0", "greater than or equal to 1"]),
        (("data", "validation"), 1.0, ["data.validation", "1.0", "less than or equal to 0.9"]),
        (("methods", "random", "growth"), "random", ["methods.random", "mode fixed", "growth none"]),
        # what does not fit together
        (("methods", "only-prune"), GONE, ["methods: only-prune missing", "draw sca, only-prune, random"]),
        (("methods", "random"), GONE, ["methods: random missing", "draw sca, only-prune, random"]),
        (
            (*CELL, "net"),
            "vgg16",
            ["tasks.digits-vgg.net: vgg16 on digits", "(1, 8, 8)", "too small for the poolings"],
        ),
        (
            (*CELL, "prune", "floor"),
            8,
            [
                "tasks.digits-vgg.prune.floor: 8",
                "keep 56 channels",
                "ratio 0.8 only 48",
                "lower the floor or the ratio",
            ],
        ),
        (
            ("ablations", "ablations", "ratio"),
            0.6,
            ["ablations.ablations.ratio: 0.6", "task digits-vgg has no training at it", "(0.5, 0.7, 0.8)"],
        ),
        ((*CELL, "rewire"), GONE, ["grid.rewired: task digits-vgg has no rewire", "add what is missing"]),
        (
            (*CELL, "densities"),
            GONE,
            ["grid.rewired: task digits-vgg has no densities", "add what is missing"],
        ),
        (
            (*CELL, "train", "momentum"),
            0.0,
            ["weights.pq.growth: momentum", "train.momentum is 0", "take gradient or random"],
        ),
        # empty, twice
        (("grid", "tasks"), [], ["grid.tasks", "empty", "at least one"]),
        (("grid", "seeds"), [], ["grid.seeds", "[]", "at least one"]),
        ((*CELL, "ratios"), [], ["grid.pruned: task digits-vgg has no ratios", "add what is missing"]),
        (("methods",), {}, ["methods", "{}", "at least one"]),
        (("weights",), {}, ["weights", "{}", "at least one"]),
        (("ablations", "ablations", "variants"), [], ["ablations.ablations.variants", "[]", "at least one"]),
        ((*CELL, "ratios"), [0.5, 0.7, 0.5], ["tasks.digits-vgg.ratios", "0.5", "more than once", "once"]),
        (("grid", "seeds"), [0, 1, 1], ["grid.seeds", "1 stands there more than once", "once"]),
        (("grid", "tasks"), ["digits-vgg"] * 2, ["grid.tasks", "digits-vgg stands there more than once"]),
        (
            ("ablations", "ablations", "variants"),
            [{"l1": 0.0}, {"l1": 0.0}],
            ["ablations.ablations.variants", "more than once"],
        ),
        # characters
        (("study",), "Quick study", ["study", "'Quick study'", "lower-case letters, digits and hyphens"]),
        (
            ("methods", "my method"),
            {"label": "mine"},
            ["methods.my method", "lower-case letters, digits and hyphens"],
        ),
        (
            ("methods", "../sca"),
            {"label": "mine"},
            ["methods.../sca", "lower-case letters, digits and hyphens"],
        ),
        (
            ("methods", "sca_2"),
            {"label": "mine"},
            ["methods.sca_2", "lower-case letters, digits and hyphens"],
        ),
        (
            ("methods", "ablations"),
            {"label": "mine"},
            ["ablations", "two of methods, ablations, baselines, weights and tokens", "rename one"],
        ),
        (
            ("methods", "pq"),
            {"label": "mine"},
            ["pq", "two of methods, ablations, baselines, weights and tokens", "rename one"],
        ),
        (
            ("grid", "tasks"),
            ["digits vgg"],
            ["grid.tasks", "'digits vgg'", "lower-case letters, digits and hyphens"],
        ),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_bad_value_gets_one_line(path, value, named, tmp_path, monkeypatch):
    line = refusal(tmp_path, monkeypatch, changed(path, value))
    assert not [part for part in named if part not in line], line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ["params.yaml", "the file", "keys with values"]),
        ("# nothing but this\n", ["the file", "keys with values"]),
        ("- quick\n", ["the file", "['quick']", "keys with values"]),
        ("study: [quick\n", ["line 2", "not valid YAML"]),
        ("study: quick: slow\n", ["line 1", "not valid YAML"]),
        ("study: quick\nthreads: 1\nthreads: 2\n", ["line 3", "duplicate key", "threads"]),
        ("grid:\n  seeds: [0]\n  seeds: [1]\n", ["line 3", "duplicate key", "seeds"]),
        ("study: \xff\n", ["not valid YAML"]),
        ("study: !!python/object:os.system x\n", ["not valid YAML"]),
    ],
)
def test_a_bad_file_gets_one_line(text, named, tmp_path, monkeypatch):
    line = refusal(tmp_path, monkeypatch, text)
    assert not [part for part in named if part not in line], line


def test_an_absent_file_gets_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit, match=r"error: .*No such file.*none\.yaml"):
        check.main()


def test_several_wrong_values_stand_on_one_line(tmp_path, monkeypatch):
    content = changed(("threads",), 0)
    content["cells"]["digits-vgg"]["train"]["epochs"] = 20.5
    line = refusal(tmp_path, monkeypatch, content)
    assert "threads: 0" in line and "epochs: 20.5" in line


@pytest.mark.parametrize("value", ["1e-3", "1.0e-3", "0.001"])
def test_numbers_are_read_as_dvc_reads_them(value, tmp_path):
    """YAML 1.1 readers take 1e-3 for text; DVC's reader and ours do not."""
    path = written(tmp_path, STUDY.replace("weight_decay: 0.0", f"weight_decay: {value}"))
    assert config.read(path).tasks["digits-vgg"].train.weight_decay == 0.001


def test_a_copy_that_names_another_study_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "ROOT", tmp_path)
    folder = tmp_path / "studies" / "mine"
    folder.mkdir(parents=True)
    line = refusal(folder, monkeypatch, document())
    assert (
        "study: quick" in line
        and "studies/mine/params.yaml" in line
        and "give the study the name of its folder" in line
    )


def test_a_method_is_refused_only_if_it_never_prunes(tmp_path, monkeypatch):
    """Literal mode may update after the last epoch, frozen mode may not:
    its network would not have trained under its mask."""
    content = changed((*CELL, "prune", "warmup"), 19)
    written(tmp_path, content)
    check.check(tmp_path / "params.yaml")
    content["cells"]["digits-vgg"]["prune"]["warmup"] = 20
    assert "only-prune (frozen) would never prune" in refusal(tmp_path, monkeypatch, content)


@pytest.mark.parametrize("path", [("weights", "pq", "densities"), ("tasks", "digits-vgg", "net")])
def test_a_long_value_is_cut(path, tmp_path, monkeypatch):
    value = "é" * 3000
    line = refusal(tmp_path, monkeypatch, changed(path, [value] if path[-1] == "densities" else value))
    assert "é" * 99 + "..." in line


def test_every_drawn_method_that_is_missing_is_named(tmp_path, monkeypatch):
    """SCA too, which an ablation would miss first if it were its base."""
    content = document()
    content["methods"] = {"only-prune": content["methods"]["only-prune"]}
    content["ablations"]["ablations"]["base"] = content["baselines"]["anew"]["of"] = "only-prune"
    assert "methods: sca, random missing" in refusal(tmp_path, monkeypatch, content)


def test_what_fits_is_not_refused(tmp_path):
    """The largest floor that leaves a choice, an ablation at each of the ratios, another width,
    a stop after the warmup."""
    for path, value in (
        ((*CELL, "prune", "floor"), 6),
        (("ablations", "ablations", "ratio"), 0.5),
        (("ablations", "ablations", "ratio"), 0.8),
        ((*CELL, "width"), 0.5),
        (("methods", "sca", "stop"), 0.2),
    ):
        check.check(written(tmp_path, changed(path, value)))


def test_a_network_is_tried_on_the_shape_of_its_data(tmp_path):
    content = changed((*CELL, "net"), "vgg16")
    content["cells"]["digits-vgg"]["data"], content["grid"]["data"] = "cifar10", ["cifar10", "digits"]
    check.check(written(tmp_path, content))
    for name in data.SOURCES:
        assert name in datasets.SHAPES


def test_compiled_neurons_are_refused_where_nothing_compiles(tmp_path, monkeypatch):
    content = document()
    content["cells"]["digits-vgg"]["fast"] = {"neurons": "compiled"}
    monkeypatch.setenv("CXX", sys.executable)
    check.check(written(tmp_path, content))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "none-such")
    with pytest.raises(
        ConfigError,
        match=r"tasks.digits-vgg.fast.neurons: compiled needs a C\+\+ compiler; install g\+\+, or",
    ):
        check.check(written(tmp_path, content))


def test_the_shape_of_the_digits_is_that_of_the_digits(digits):
    assert datasets.SHAPES["digits"] == (digits.in_shape, digits.classes)


def test_the_command_exits_non_zero_and_prints_one_line(tmp_path):
    path = written(tmp_path, changed((*CELL, "data"), "cifer10"))
    done = subprocess.run(
        [sys.executable, "-m", "tools.check", path], capture_output=True, text=True, cwd=config.ROOT
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: params.yaml: ")


def test_the_command_says_what_a_valid_study_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check", str(config.ROOT / "params.yaml")])
    check.main()
    assert "study quick" in capsys.readouterr().out


def test_an_unknown_study_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"^study 'quik' is not known; known are quick, .*smoke") as error:
        config.load("quik")
    assert error.value._render_traceback_() == [f"ConfigError: {error.value}"]  # what a notebook shows


def test_an_unknown_method_or_cell_lists_those_there_are():
    settings = config.load("smoke")
    with pytest.raises(ConfigError, match="method in study smoke: 'scaa' is not known; known are sca, "):
        settings.trials("digits-vgg", "scaa")
    with pytest.raises(ConfigError, match="task: 'vgg' is not known; known are digits-vgg"):
        settings.trials("vgg", "sca")


def test_the_settings_cannot_be_changed():
    with pytest.raises(Exception, match="frozen"):
        config.load("smoke").threads = 2


def test_points_are_the_ratios_of_a_method_and_the_variants_of_an_ablation():
    settings = config.load("quick")
    task = settings.tasks[settings.grid.pruned[0]]
    assert [trial.ratio for trial in settings.trials(settings.grid.pruned[0], "sca")] == list(task.ratios)
    for name, ablation in settings.ablations.items():
        trials = settings.trials(settings.grid.pruned[0], name)
        assert [trial.variant for trial in trials] == list(ablation.variants)
        for trial in trials:
            assert {key: getattr(trial.method, key) for key in trial.variant} == trial.variant
            assert trial.method.l1 is not None and trial.method.interval is not None


def test_points_of_a_method_for_weights_are_its_own_densities_or_the_cells():
    settings = config.load("quick")
    task = settings.grid.rewired[0]
    for name, method in settings.weights.items():
        trials = settings.trials(task, name)
        assert [trial.density for trial in trials] == list(
            method.densities or settings.tasks[task].densities
        ), name
        assert all(trial.method == method and trial.record["asked"] == trial.density for trial in trials)
    own = [method.densities for method in settings.weights.values()]
    assert None in own and any(own), "both kinds are in the quick study"


@pytest.mark.parametrize(
    ("files", "ours"),
    [
        ("config.py", {"lib.core.errors", "lib.settings"}),
        ("settings/[!g]*.py", {"lib.settings"}),
        (
            "settings/given.py",
            {"lib", "lib.settings.config", "lib.core.errors", "lib.settings"},
        ),  # what a notebook is given
    ],
)
def test_config_imports_nothing_of_ours_but_its_errors_and_its_pieces(files, ours):
    """Or an edit of a criterion would remake every figure."""
    paths = list((config.ROOT / "lib").glob(files))
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert {".".join(name.split(".")[:2]) for name in names if name.split(".")[0] in ("lib", "")} == ours


@pytest.mark.parametrize("study", ["quick", "smoke"])
def test_a_method_for_tokens_has_a_point_for_each_rho_or_density(study):
    settings = config.load(study)
    [name] = settings.grid.selected
    task = settings.tasks[name]
    for method, asked in settings.tokens.items():
        trials = settings.trials(name, method)
        if asked.kind == "tickets":
            assert [(trial.rho, trial.density) for trial in trials] == [
                (asked.rho or 1.0, density) for density in task.densities
            ]
            assert all(
                trial.selector == (asked.rho and {"rho": asked.rho, "rule": "learned"}) for trial in trials
            )
        else:
            rhos = (1.0,) if asked.rule == "all" else asked.rhos or task.rhos
            assert [(trial.rho, trial.density) for trial in trials] == [(rho, 1.0) for rho in rhos]
            assert all(
                trial.selector == (asked.rule != "all" and {"rho": trial.rho, "rule": asked.rule} or None)
                for trial in trials
            )
