"""How much an update regrows where params.yaml does not say: SCA's q goes by the ratio (methods A15)."""

import pytest
import torch
from helpers import task_of

from lib import training
from lib.pruning.growth import GROWTH
from lib.settings import Method, Trial, config

FEW = dict.fromkeys([0.0, 0.1, 0.3, 0.5, 0.8, 0.85], 0.1)
BY_HAND = {**FEW, **dict.fromkeys([0.55, 0.6, 0.7, 0.75], 0.2)}
STUDIES = ["quick", "small", "smoke", "paper"]


@pytest.mark.parametrize("ratio, regrow", BY_HAND.items())
def test_regrow_goes_by_the_ratio_and_the_record_says_the_number(ratio, regrow):
    trial = Trial(ratio=ratio, method=Method(label="mine"))
    assert trial.method.regrow == trial.record["settings"]["regrow"] == regrow
    assert Method(label="mine").regrow is None


@pytest.mark.parametrize("ratio", BY_HAND)
@pytest.mark.parametrize("given", [0.0, 0.05, 0.1, 0.15])
def test_regrow_that_is_given_stays(ratio, given):
    assert Trial(ratio=ratio, method=Method(label="mine", regrow=given)).method.regrow == given


@pytest.mark.parametrize("ratio, regrown", [(0.5, 12), (0.7, 24)])
def test_an_update_regrows_so_many_of_120_channels(few_digits, monkeypatch, ratio, regrown):
    """The growth likes no channel that its score likes, so that who came back is told apart."""
    monkeypatch.setitem(GROWTH, "worst", lambda site, generator: -site.bn.weight.detach().abs())
    method = Method(label="mine", l1=0.0, interval=1, score="bn_gamma").model_copy(update={"growth": "worst"})
    run = training.Run(few_digits, task_of(2), Trial(ratio=ratio, method=method), 0)
    pruner, total = run.pruner, 120
    for site in pruner.net.sites.values():
        torch.nn.init.uniform_(site.bn.weight)
    gamma = torch.cat([site.bn.weight.detach().abs() for site in pruner.net.sites.values()])
    pruner.floor = 0
    pruner.after_epoch(1)
    kept = torch.cat(list(pruner.masks.values()))
    best = gamma >= gamma.sort(descending=True)[0][round(total * (1 - ratio)) - regrown - 1]
    assert len(gamma) == total and kept.sum() == round(total * (1 - ratio))
    assert best.sum() == kept.sum() - regrown and kept[best].all()


@pytest.mark.parametrize("study", STUDIES)
def test_of_every_training_of_every_study_some_channels_are_left_to_be_kept_by_score(study):
    settings = config.load(study)
    seen = set()
    for name, task in settings.tasks.items():
        for method in (*settings.methods, *(settings.ablations if task.prune else ())):
            for trial in settings.trials(name, method):
                assert trial.ratio + trial.method.regrow < 1
                seen.add((method, trial.ratio, trial.method.regrow, *trial.variant))
    assert len(seen) >= 5
    for method, ratio, regrow, *varied in seen:
        if method == "sca-plus" or study == "small" and method in ("sca", "sca-soft"):
            assert regrow == 0.1
        elif method in ("sca", "sca-soft"):
            assert regrow == BY_HAND[round(ratio, 2)] if ratio in BY_HAND else regrow == 0.1
        elif method == "ablations" and "regrow" in varied:
            assert regrow == {"quick": 0.1, "paper": 0.1, "small": 0.2}[study]


@pytest.mark.parametrize("study", ["quick", "paper"])
def test_the_ablation_of_regrow_differs_from_its_base_and_nothing_else_of_it_does(study):
    settings = config.load(study)
    task = next(name for name, task in settings.tasks.items() if task.prune)
    [ablation] = settings.ablations.values()
    [base] = [trial for trial in settings.trials(task, ablation.base) if trial.ratio == ablation.ratio]
    for trial in settings.trials(task, "ablations"):
        theirs, ours = base.record["settings"], trial.record["settings"]
        assert {key for key in ours if ours[key] != theirs[key]} == set(trial.variant), trial.name
