"""A params.yaml is refused in one line: its names, keys, types and ranges, and what its text is."""

import pytest
from example import GONE, STUDY, assert_one_line, changed, document, read, written

from lib.core.errors import ConfigError
from lib.settings import config

PQ = {"kind": "rewiring", "label": "PQ"}
REFUSED = [
    ("tasks.digits-vgg.data", "cifer10", ["'cifer10'", "digits, cifar10, cifar100"]),
    ("tasks.digits-vgg.net", "vgg61", ["'vgg61'", "vgg16"]),
    ("tasks.digits-vgg.neuron", "IF", ["'IF'", "if, lif"]),
    ("tasks.digits-vgg.augment", "flip", ["'flip'", "none, crop_flip"]),
    ("tasks.digits-vgg.train.lr_schedule", "cos", ["'cos'", "cosine, step, triangular"]),
    ("methods.sca.score", "spike", ["'spike'", "spike_abs_v"]),
    ("methods.sca.growth", "bn", ["'bn'", "bn_grad, random, none"]),
    ("methods.sca.ratio_schedule", "linear", ["'linear'", "constant, gradual"]),
    ("methods.sca.regrow_schedule", "slow", ["'slow'", "constant, decay"]),
    ("methods.sca.mode", "gate", ["'gate'", "frozen, soft, fixed"]),
    ("data.validation", 1e-9, ["1e-09", "greater than or equal to 0.005"]),
    ("data.validation", 0.999, ["0.999", "less than or equal to 0.9"]),
    ("data.images", {"digits": 0}, ["data.images.digits: 0: "]),
    ("data.split_seed", -1, ["-1", "greater than or equal to 0"]),
    ("grid.seeds", [2**32], ["4294967296", "less than or equal to 4294967295"]),
    ("baselines.anew.widths", "wide", ["'wide'", "found, uniform"]),
    ("baselines.anew.epochs", 12, ["12", "recipe, cost"]),
    ("baselines", GONE, ["baselines: missing; add it"]),
    ("weights.pq.kind", "rewire", ["weights.pq.kind: 'rewire'", "rewiring, tickets, threshold"]),
    ("weights.pq.scope", "filter", ["weights.pq", "scope", "'filter'", "neuron, layer, global"]),
    ("methods.sca.scor", "random", ["methods.sca", "unknown key scor", "score, growth"]),
    ("treads", 1, ["unknown key treads", "threads"]),
    (
        "tasks.digits-vgg.train.learning_rate",
        0.1,
        ["tasks.digits-vgg.train", "unknown key learning_rate", "lr"],
    ),
    ("tasks.digits-vgg.prune.compact", GONE, ["missing; add it"]),
    ("tasks.digits-vgg.train.epochs", GONE, ["missing; add it"]),
    ("grid", GONE, ["grid: missing; add it"]),
    ("grid.pruned", GONE, ["grid.pruned: missing; add it"]),
    ("grid.rewired", GONE, ["grid.rewired: missing; add it"]),
    ("weights", GONE, ["weights: missing; add it"]),
    ("tokens", GONE, ["tokens: missing; add it"]),
    ("tokens.all.rhos", [0.5], ["tokens.all", "rhos [0.5] with rule all", "leave rhos out"]),
    ("tokens.learned.rule", "best", ["tokens.learned.rule: 'best'", "attention, skip, all"]),
    ("tokens.learned.kind", "token", ["tokens.learned.kind: 'token': known are select, tickets"]),
    ("tokens.learned", {"label": "mine"}, ["tokens.learned: kind is missing; add kind: select or tickets"]),
    (
        "tokens.tickets-learned.start",
        "scratch",
        ["tokens.tickets-learned", "rho 0.7 with start scratch", "leave rho out"],
    ),
    ("tokens.tickets-learned.rho", 1.5, ["tokens.tickets-learned.rho: 1.5", "less than or equal to 1"]),
    ("tasks.spikformer.rhos", [0.0], ["tasks.spikformer.rhos.0: 0.0", "greater than 0"]),
    (
        "tasks.spikformer.student.optimizer",
        "adam",
        ["tasks.spikformer.student.optimizer: 'adam'", "sgd, adamw, muon"],
    ),
    ("tasks.spikformer.student.lr_schedule", "flat", ["'flat'", "cosine, step, triangular"]),
    ("tasks.spikformer.train.warmup", 9, ["tasks.spikformer.train: warmup: 9", "9 epochs", "lower it"]),
    (
        "tasks.digits-vgg.train.devices",
        0,
        ["tasks.digits-vgg.train.devices: 0", "greater than or equal to 1"],
    ),
    (
        "tasks.digits-vgg.train.devices",
        2,
        ["tasks.digits-vgg.train: devices: 2", "batch 25 cannot be shared", "take a divisor"],
    ),
    (
        "tasks.spikformer.student.devices",
        4,
        ["tasks.spikformer.student: devices: 4", "batch 25", "take a divisor"],
    ),
    ("weights.pq.growht", "random", ["weights.pq", "unknown key growht", "growth"]),
    ("tasks.digits-vgg.rewire.stop", GONE, ["tasks.digits-vgg.rewire.stop: missing; add it"]),
    (
        "tasks.digits-vgg.ratios",
        ["0.5"],
        ["tasks.digits-vgg.ratios.0", "'0.5'", "a valid number, without quotes"],
    ),
    ("ablations.ablations.ratio", "0.5", ["'0.5'", "a valid number, without quotes"]),
    ("tasks.digits-vgg.train.epochs", 20.5, ["20.5", "valid integer"]),
    ("tasks.digits-vgg.train.epochs", "20", ["'20'", "valid integer, without quotes"]),
    ("tasks.digits-vgg.train.lr", "1e-3", ["'1e-3'", "a valid number, without quotes"]),
    ("tasks.digits-vgg.train.lr", float("inf"), ["inf", "finite number"]),
    ("tasks.digits-vgg.train.lr", float("nan"), ["nan"]),
    ("tasks.digits-vgg.prune.compact", 1, ["1", "valid boolean"]),
    ("tasks.digits-vgg.T", True, ["True", "valid integer"]),
    ("tasks.digits-vgg.ratios", 0.5, ["0.5", "a list"]),
    ("tasks.digits-vgg.train", [20], ["[20]", "keys with values"]),
    ("methods.sca", "frozen", ["'frozen'", "keys with values"]),
    (
        "ablations.ablations.variants",
        ["score"],
        ["ablations.ablations.variants.0", "'score'", "keys with values"],
    ),
    ("tasks.digits-vgg.ratios", [1.0], ["tasks.digits-vgg.ratios.0", "1.0", "less than 1"]),
    ("tasks.digits-vgg.ratios", [-0.1], ["tasks.digits-vgg.ratios.0", "-0.1", "greater than or equal to 0"]),
    ("tasks.digits-vgg.prune.warmup", -1, ["-1", "greater than or equal to 0"]),
    ("tasks.digits-vgg.prune.interval", 0, ["0", "greater than or equal to 1"]),
    ("tasks.digits-vgg.T", 0, ["0", "greater than or equal to 1"]),
    ("methods.sca.stop", 0.0, ["0.0", "greater than 0"]),
    ("methods.sca.stop", 1.5, ["1.5", "less than or equal to 1"]),
    ("tasks.digits-vgg.densities", [0.0], ["tasks.digits-vgg.densities.0", "0.0", "greater than 0"]),
    ("weights.pq.start", None, ["weights.pq", "ratio constant, start null", "belong together"]),
    (
        "weights.pq.growth",
        "none",
        ["weights.pq", "growth none with rewire shrink+exchange", "belong together"],
    ),
    ("weights.pq", {**PQ, "rewire": "shrink_only", "growth": "none", "exchange": 0.3}, ["exchange 0.3"]),
    (
        "weights.pq",
        {**PQ, "rewire": "shrink_only", "growth": "none", "grows": "anywhere"},
        ["grows anywhere with growth none"],
    ),
    ("weights.pq", {**PQ, "exchange_schedule": "decay"}, ["exchange_schedule decay without an exchange"]),
    (
        "weights.pq",
        {**PQ, "ratio": "cubic", "rewire": "constant_density"},
        ["ratio cubic", "take pq or constant"],
    ),
    ("weights.pq", {**PQ, "ratio": "constant", "start": None}, ["ratio constant", "an exchange belong"]),
    (
        "weights.pq",
        {"label": "PQ"},
        ["weights.pq: kind is missing; add kind: rewiring or tickets or threshold"],
    ),
    ("weights.pq.densities", [1.5], ["weights.pq.densities.0: 1.5", "less than or equal to 1"]),
    ("weights.pq.q", 0.5, ["weights.pq", "p 0.5, q 0.5", "p must be smaller than q"]),
    ("weights.tickets.share", 1.0, ["weights.tickets", "share", "1.0", "less than 1"]),
    ("weights.stds.strength", 0.0, ["weights.stds", "strength", "0.0", "greater than 0"]),
    ("threads", 0, ["0", "greater than or equal to 1"]),
    ("data.validation", 1.0, ["1.0", "less than or equal to 0.9"]),
    ("methods.random.growth", "random", ["methods.random", "mode fixed", "growth none"]),
    ("methods.random.members", "shuffled", ["methods.random", "members shuffled with score random"]),
    ("grid.seeds", [], ["[]", "at least one"]),
    ("methods", {}, ["{}", "at least one"]),
    ("weights", {}, ["{}", "at least one"]),
    ("ablations.ablations.variants", [], ["[]", "at least one"]),
    ("tasks.digits-vgg.ratios", [0.5, 0.7, 0.5], ["0.5", "more than once", "once"]),
    ("grid.seeds", [0, 1, 1], ["1 stands there more than once", "once"]),
    ("grid.tasks", ["digits-vgg"] * 2, ["digits-vgg stands there more than once"]),
    ("ablations.ablations.variants", [{"l1": 0.0}, {"l1": 0.0}], ["more than once"]),
    ("study", "Quick study", ["'Quick study'", "lower-case letters, digits and hyphens"]),
    ("grid.tasks", ["digits vgg"], ["'digits vgg'", "lower-case letters, digits and hyphens"]),
]


def refusal(folder, content) -> str:
    with pytest.raises(ConfigError) as error:
        read(folder, content)
    line = str(error.value)
    assert_one_line(line)
    assert line.startswith("params.yaml")
    return line


@pytest.mark.parametrize(("path", "value", "words"), REFUSED, ids=[path for path, *_ in REFUSED])
def test_a_bad_value_gets_one_line(path, value, words, tmp_path):
    line = refusal(tmp_path, changed(path, value))
    assert not [word for word in words if word not in line], line


@pytest.mark.parametrize("name", ["my method", "../sca", "sca_2", "Sca"])
def test_a_name_that_no_file_could_have_gets_one_line(name, tmp_path):
    content = document()
    content["methods"][name] = {"label": "mine"}
    assert f"methods.{name}: " in (line := refusal(tmp_path, content))
    assert "lower-case letters, digits and hyphens" in line


@pytest.mark.parametrize(
    ("text", "words"),
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
        ("study: &a quick\nout: *a\n", ["line 2: *a", "cannot be set apart"]),
    ],
)
def test_a_bad_file_gets_one_line(text, words, tmp_path):
    line = refusal(tmp_path, text)
    assert not [word for word in words if word not in line], line


def test_several_wrong_values_stand_on_one_line(tmp_path):
    content = changed("threads", 0)
    content["tasks"]["digits-vgg"]["train"]["epochs"] = 20.5
    line = refusal(tmp_path, content)
    assert "threads: 0" in line and "epochs: 20.5" in line


@pytest.mark.parametrize("path", ["weights.pq.densities", "tasks.digits-vgg.net"])
def test_a_long_value_is_cut(path, tmp_path):
    value = "é" * 3000
    line = refusal(tmp_path, changed(path, [value] if path.endswith("densities") else value))
    assert "é" * 99 + "..." in line


@pytest.mark.parametrize("value", ["1e-3", "1.0e-3", "0.001"])
def test_numbers_are_read_as_dvc_reads_them(value, tmp_path):
    """YAML 1.1 readers take 1e-3 for text; DVC's reader and ours do not."""
    path = written(tmp_path, STUDY.replace("weight_decay: 0.0", f"weight_decay: {value}"))
    assert config.read(path).tasks["digits-vgg"].train.weight_decay == 0.001


def test_an_unknown_study_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"^study 'quik' is not known; known are quick, .*smoke") as error:
        config.load("quik")
    assert error.value._render_traceback_() == [f"ConfigError: {error.value}"]  # what a notebook shows


def test_the_settings_cannot_be_changed():
    with pytest.raises(Exception, match="frozen"):
        config.load("smoke").threads = 2


def test_a_task_or_a_method_may_have_fewer_seeds(tmp_path):
    content = changed("grid.seeds", [0, 1, 2, 3, 4])
    content["grid"]["fewer"] = {"digits-vgg": 3, "ablations": 2, "anew": 4}
    study = read(tmp_path, content)
    assert study.seeds("digits-vgg") == study.seeds("digits-vgg", "anew") == (0, 1, 2)
    assert study.seeds("digits-vgg", "ablations") == (0, 1)
    assert study.seeds("spikformer") == (0, 1, 2, 3, 4)
