"""What a stage trains: one trial a ratio, density, rho or variant; its name, and what its record says."""

import pytest

from lib.core.errors import ConfigError
from lib.settings import DENSE, Method, Rewiring, Select, TokenTickets, Trial, config

SCA = Method(label="SCA", l1=0.0, interval=2)
PQ = Rewiring(kind="rewiring", label="PQ")
LEARNED = Select(kind="select", label="learned", rule="learned")
TICKETS = TokenTickets(kind="tickets", label="tickets", rho=0.7)


@pytest.mark.parametrize(
    ("trial", "name"),
    [
        (DENSE, "dense"),
        (Trial(ratio=0.7, method=SCA), "ratio 0.7"),
        (
            Trial(ratio=0.7, method=SCA, variant={"score": "abs_v", "l1": 0.0}),
            "ratio 0.7, score abs_v, l1 0.0",
        ),
        (Trial(density=0.31640625, method=PQ), "density 0.3164"),
        (Trial(rho=0.7, density=1.0, method=LEARNED), "rho 0.7, density 1"),
        (Trial(rho=0.7, density=0.1, method=TICKETS), "rho 0.7, density 0.1"),
    ],
)
def test_a_trial_is_named_by_what_it_was_asked_for(trial, name):
    assert trial.name == name
    assert trial.file_name == name.replace(", ", "-").replace(" ", "-") and " " not in trial.file_name


def test_the_record_of_a_trial_says_what_it_was_asked_for_and_nothing_else():
    assert DENSE.record == {"ratio": 0.0}
    varied = Trial(ratio=0.7, method=SCA, variant={"l1": 0.0}).record
    assert {key: varied[key] for key in ("ratio", "variant")} == {"ratio": 0.7, "variant": {"l1": 0.0}}
    assert varied["settings"] == {**SCA.model_dump(), "regrow": 0.2}
    assert Trial(density=0.25, method=PQ).record == {"target_density": 0.25, "settings": PQ.model_dump()}
    chosen = Trial(rho=0.7, density=1.0, method=LEARNED).record
    assert chosen == {"rho": 0.7, "target_density": 1.0, "settings": LEARNED.model_dump()}


def test_only_what_selects_tokens_has_a_selector():
    assert Trial(rho=0.7, density=1.0, method=LEARNED).selector == {"rho": 0.7, "rule": "learned"}
    assert Trial(rho=0.7, density=0.1, method=TICKETS).selector == {"rho": 0.7, "rule": "learned"}
    everyone = LEARNED.model_copy(update={"rule": "all"})
    assert Trial(rho=1.0, density=1.0, method=everyone).selector is None
    assert DENSE.selector is None and Trial(ratio=0.7, method=SCA).selector is None


def test_an_unknown_method_or_task_lists_those_there_are():
    settings = config.load("smoke")
    with pytest.raises(ConfigError, match="method in study smoke: 'scaa' is not known; known are "):
        settings.trials("digits-vgg", "scaa")
    with pytest.raises(ConfigError, match="task: 'vgg' is not known; known are digits-vgg"):
        settings.trials("vgg", "sca")


def test_trials_are_the_ratios_of_a_method_and_the_variants_of_an_ablation():
    settings = config.load("quick")
    name = settings.grid.pruned[0]
    assert [trial.ratio for trial in settings.trials(name, "sca")] == list(settings.tasks[name].ratios)
    for ablation, asked in settings.ablations.items():
        trials = settings.trials(name, ablation)
        assert [trial.variant for trial in trials] == list(asked.variants)
        for trial in trials:
            assert {key: getattr(trial.method, key) for key in trial.variant} == trial.variant
            assert trial.method.l1 is not None and trial.method.interval is not None


def test_trials_of_a_method_for_weights_are_its_own_densities_or_the_tasks():
    settings = config.load("quick")
    task = settings.grid.rewired[0]
    for name, method in settings.weights.items():
        trials = settings.trials(task, name)
        expected = method.densities or settings.tasks[task].densities
        assert [trial.density for trial in trials] == list(expected), name
        assert all(
            trial.method == method and trial.record["target_density"] == trial.density for trial in trials
        )
    own = [method.densities for method in settings.weights.values()]
    assert None in own and any(own), "both kinds are in the quick study"


@pytest.mark.parametrize("study", ["quick", "smoke"])
def test_a_method_for_tokens_has_a_trial_for_each_rho_or_density(study):
    settings = config.load(study)
    [name] = settings.grid.selected
    task = settings.tasks[name]
    for method, asked in settings.tokens.items():
        found = [(trial.rho, trial.density) for trial in settings.trials(name, method)]
        if asked.kind == "tickets":
            assert found == [(asked.rho or 1.0, density) for density in asked.densities or task.densities]
        else:
            rhos = (1.0,) if asked.rule == "all" else asked.rhos or task.rhos
            assert found == [(rho, 1.0) for rho in rhos]
