"""A student: it starts as its teacher, learns on fewer tokens, is measured without the others;
its lottery tickets."""

import math
from dataclasses import replace

import pytest
import torch

from lib import measure, models, training
from lib.core.errors import ConfigError
from lib.models.start import recalibrate
from lib.pruning.weights import density
from lib.settings import Select, Task, TokenTickets, Train, Trial, config
from lib.training import distillation

RULES = ("learned", "random", "attention", "skip", "all")
SHORT = {
    "batch": 50,
    "momentum": 0.9,
    "weight_decay": 0.06,
    "l1": 0.0,
    "lr_schedule": "cosine",
    "optimizer": "adamw",
}


def task(**settings):
    recipes = {
        "train": Train(epochs=1, lr=4e-3, **SHORT),
        "student": Train(epochs=3, lr=2e-3, smoothing=0.1, **SHORT),
    }
    where = {
        "data": "digits",
        "augment": "none",
        "net": "spikformer-digits",
        "neuron": "lif",
        "T": 2,
        "width": 1 / 3,
    }
    return Task(**{**where, **recipes, "rhos": (0.6,), "densities": (0.5,), **settings})


def select(rule, rho=0.6):
    return Trial(
        rho=1.0 if rule == "all" else rho, density=1.0, method=Select(kind="select", label="test", rule=rule)
    )


def tickets(final, rho=None, **settings):
    method = TokenTickets(kind="tickets", label="test", rho=rho, **settings)
    return Trial(rho=rho or 1.0, density=final, method=method)


@pytest.fixture(scope="module")
def teacher(few_digits):
    """Not trained, but every layer of it fires."""
    torch.manual_seed(0)
    net = models.build("spikformer-digits", 10, (1, 8, 8), 2, neuron="lif", width=1 / 3)
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 1.0, 2.5)
            torch.nn.init.uniform_(module.bias, 0.0, 1.0)
    torch.nn.init.normal_(net.head.weight, std=0.5)
    recalibrate(net, [few_digits.train])
    assert min(rates.mean() for rates in measure.firing(net, few_digits.test[0]).values()) > 0.005, (
        "a layer is silent"
    )
    return net


@pytest.fixture(scope="module")
def few_digits(digits):
    counts = {"train": 100, "validation": 40, "test": 60}
    few = {part: tuple(of[:n] for of in getattr(digits, part)) for part, n in counts.items()}
    return replace(digits, **few)


def run_of(splits, teacher, trial, epochs=None):
    run = distillation.Student(splits, task(), trial, 0, teacher)
    for _ in run.recipe_epochs if epochs is None else range(epochs):
        run.epoch()
    return run


def same(ours, theirs):
    pairs = zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_it_starts_as_its_teacher(few_digits, teacher):
    images = few_digits.test[0][:20]
    for rule in RULES:
        run = run_of(few_digits, teacher, select(rule), epochs=0)
        theirs, ours = teacher.state_dict(), run.net.state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
        assert [name for name in ours if name not in theirs] == [
            name for name in ours if name.startswith("selector.")
        ]
        assert (rule == "all") == torch.equal(
            measure.predict(run.net, images), measure.predict(teacher, images)
        ), rule


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"T": 3}, "T 3, not 2"),
        ({"width": 1.0}, "width 1.0, not 0.33"),
        ({"neuron": "if"}, "neuron if, not lif"),
    ],
)
def test_a_teacher_of_another_shape_is_refused_in_one_line(few_digits, other, words):
    spec = {"T": 2, "neuron": "lif", "width": 1 / 3, **other}
    stranger = models.build("spikformer-digits", 10, (1, 8, 8), **spec)
    with pytest.raises(ConfigError) as error:
        distillation.Student(few_digits, task(), select("learned"), 0, stranger)
    text = str(error.value)
    assert (
        text.startswith("teacher: ")
        and words in text
        and "give the dense network of this task" in text
        and "\n" not in text
    )


def test_it_learns_and_its_teacher_does_not(few_digits, teacher):
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    run = run_of(few_digits, teacher, select("learned"), epochs=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert run.log[1]["loss"] < run.log[0]["loss"] and not teacher.training
    for name, parameter in run.net.named_parameters():
        if parameter.dim() > 1 and not name.startswith("selector."):
            assert not torch.equal(parameter, before[name]), name
    assert run.optimizer.__class__ is torch.optim.AdamW


@pytest.mark.parametrize("rule", RULES)
def test_what_is_reported_is_the_masked_network_without_the_tokens_that_are_gone(few_digits, teacher, rule):
    run = run_of(few_digits, teacher, select(rule), epochs=0 if rule == "skip" else 1)
    measured = measure.report(run)
    assert measured["compact_difference"] <= 1e-12
    masked = run.masked()
    if masked.selector is not None and rule != "skip":
        assert not masked.selector.gathered and run.finish().selector.gathered, (
            "two copies of one network prove nothing"
        )
    if rule != "random":
        assert measured["validation"] == measure.accuracy(run.finish(), *few_digits.validation)
    assert same(run.finish(), run.finish()), "finishing is not repeatable"
    net = run.finish()
    assert same(net, teacher) == (rule == "skip")
    moved = not torch.equal(net.blocks[2].wide.bn.running_mean, run.net.blocks[2].wide.bn.running_mean)
    assert moved == (rule != "skip"), "statistics of what is there"


@pytest.mark.parametrize(
    "trial",
    [select("learned"), select("random"), tickets(0.5, rho=0.6)],
    ids=["learned", "random", "tickets"],
)
def test_a_resumed_run_ends_as_an_unbroken_one(few_digits, teacher, trial, tmp_path):
    unbroken = run_of(few_digits, teacher, trial)
    broken = run_of(few_digits, teacher, trial, epochs=2)
    broken.checkpoint(tmp_path / "run.pt")
    resumed = run_of(few_digits, teacher, trial, epochs=0)
    torch.rand(7)  # whatever else was drawn before
    assert resumed.resume(tmp_path / "run.pt")
    while len(resumed.log) < len(resumed.recipe_epochs):
        resumed.epoch()
    assert resumed.log == unbroken.log
    assert same(resumed.net, unbroken.net) and same(resumed.finish(), unbroken.finish())


@pytest.mark.parametrize("rho", [None, 0.6])
def test_tickets_at_a_smaller_density_go_on_from_those_at_a_larger_one(few_digits, teacher, rho, tmp_path):
    long = run_of(few_digits, teacher, tickets(0.75**2, rho))
    short = run_of(few_digits, teacher, tickets(0.75, rho))
    short.checkpoint(tmp_path / "short.pt")
    further = run_of(few_digits, teacher, tickets(0.75**2, rho), epochs=0)
    assert further.pruner.extends(short.pruner)
    further.resume_prefix(tmp_path / "short.pt")
    assert len(further.log) == len(short.recipe_epochs) < len(further.recipe_epochs)
    while len(further.log) < len(further.recipe_epochs):
        further.epoch()
    assert further.log == long.log and same(further.net, long.net)
    assert further.pruner.history == long.pruner.history


def test_tickets_from_scratch_know_no_teacher(few_digits, teacher):
    run = distillation.make(few_digits, task(), tickets(0.75, start="scratch", rewind=1), 0, teacher)
    assert type(run) is training.Run and run.task.train.epochs == 1 and run.net.selector is None
    assert not torch.equal(run.net.head.weight, teacher.head.weight)
    taught = distillation.make(few_digits, task(), tickets(0.75), 0, teacher)
    assert type(taught) is distillation.Student and torch.equal(taught.net.head.weight, teacher.head.weight)


def test_the_teacher_is_the_dense_network_of_the_seed_or_a_line_says_what_to_run(
    few_digits, teacher, tmp_path
):
    settings = config.load("quick").model_copy(update={"out": str(tmp_path)})
    with pytest.raises(
        ConfigError,
        match="runs/quick/dense/digits-spikformer/dense/1/0-dense.pt is missing; run `dvc repro -s dense@",
    ):
        distillation.teacher(settings, few_digits, "digits-spikformer", 1)
    folder = settings.run_folder("dense", "digits-spikformer", "dense", 1)
    folder.mkdir(parents=True)
    models.save(teacher, folder / "0-dense.pt")
    assert same(distillation.teacher(settings, few_digits, "digits-spikformer", 1), teacher)


def test_the_smoke_study_trains_its_teacher_where_there_is_none(few_digits, tmp_path):
    settings = config.load("smoke").model_copy(update={"out": str(tmp_path)})
    made = distillation.teacher(settings, few_digits, "digits-spikformer", 0)
    assert not made.training and made.spec["width"] == settings.tasks["digits-spikformer"].width


def test_tickets_off_the_grid_of_rounds_begin_anew(few_digits, teacher):
    short = run_of(few_digits, teacher, tickets(0.7), epochs=0)
    further = run_of(few_digits, teacher, tickets(0.5), epochs=0)
    assert not further.pruner.extends(short.pruner)


def test_tickets_of_the_selecting_network_count_its_predictors(few_digits, teacher):
    run = run_of(few_digits, teacher, tickets(0.5, rho=0.6, share=0.5))
    assert density(run.pruner.masks) == pytest.approx(0.5, abs=1e-4)
    layers = measure.weights_left(run.finish())["layers"]
    assert len([name for name in layers if name.startswith("selector.")]) == 6
    kinds = measure.by_kind(layers)
    assert list(kinds) == ["stem", "q", "k", "v", "projection", "MLP", "head", "selector"]
    weights = run.net.weights()
    assert sum(every for _, every in kinds.values()) == sum(weight.numel() for weight in weights.values())
    assert kinds["MLP"][1] == sum(
        weight.numel() for name, weight in weights.items() if ".wide" in name or ".narrow" in name
    )
    assert sum(left for left, _ in kinds.values()) == sum(
        int(mask.sum()) for mask in run.pruner.masks.values()
    )
    assert "selector" not in measure.by_kind(measure.weights_left(teacher)["layers"])


def test_the_rate_of_learning_rises_and_falls():
    recipe = Train(epochs=6, lr=0.1, warmup=2, **SHORT)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    rates = []
    for epoch in range(6):
        training.set_lr(optimizer, epoch, recipe)
        rates.append(optimizer.param_groups[0]["lr"])
    whole = [0.1 * 0.5 * (1 + math.cos(math.pi * epoch / 6)) for epoch in range(6)]
    assert rates[:2] == pytest.approx([whole[0] / 3, whole[1] * 2 / 3])
    assert rates[2:] == pytest.approx(whole[2:]) and rates[0] < rates[1]
