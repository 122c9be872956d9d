"""Dense networks beside a pruned one: their widths, their size, and how long they train."""

import pytest
import torch

from lib import data, measure, models, training
from lib.core.files import write_text
from lib.settings import DENSE, Baseline, Trial, config, records
from lib.settings.given import Job
from lib.training import baselines, checkpoint


@pytest.fixture(scope="module")
def smoke():
    return config.load("smoke")


@pytest.fixture(scope="module")
def splits(smoke):
    return data.open_or_prepare(smoke, "digits")


@pytest.fixture(scope="module")
def found(smoke, splits):
    """What SCA left of the smoke study's network."""
    task, [trial] = smoke.tasks["digits-vgg"], smoke.trials("digits-vgg", "sca")
    return baselines.trained(splits, task, trial, 0)


def made(smoke, splits, found, **how):
    trial = Trial(ratio=0.5, method=Baseline(label="it", matches="sca", **how))
    return baselines.Matched(splits, smoke.tasks["digits-vgg"], trial, 0, found)


def size(net):
    return sum(p.numel() for p in net.parameters())


def test_found_widths_are_those_of_the_pruned_network(smoke, splits, found):
    run = made(smoke, splits, found, widths="found")
    assert (
        {name: len(site.mask) for name, site in run.net.sites.items()} == found["widths"] != found["channels"]
    )
    assert size(run.net) == found["parameters"]["total"]
    assert run.task == smoke.tasks["digits-vgg"]


def test_it_starts_anew_and_not_as_a_part_of_the_dense_network(smoke, splits, found):
    """Its initial weights have the spread of a small network's,
    not that of a wide one whose channels were taken out."""
    whole = training.Run(splits, smoke.tasks["digits-vgg"], DENSE, 0)
    run = made(smoke, splits, found, widths="found")
    narrower = 0
    for name, layer in run.net.named_modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.in_channels > 1:
            wide = whole.net.get_submodule(name)
            # whatever is left of a layer; beside the wide one only where more than chance tells them apart
            expected = (2 / (9 * layer.out_channels)) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
            if layer.out_channels <= 0.7 * wide.out_channels:
                assert layer.weight.std() > wide.weight.std()
                narrower += 1
            assert torch.isin(layer.weight, wide.weight).float().mean() < 0.01  # but for chance
    assert narrower > 1


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_uniform_widths_have_as_many_parameters_as_whole_channels_allow(smoke, splits, found, share):
    task, channels = smoke.tasks["digits-vgg"], found["channels"]
    wanted = int(share * size(baselines.network(task, splits, channels)))
    widths = baselines.uniform(task, splits, channels, wanted)
    shares = [width / channels[site] for site, width in widths.items()]
    assert max(shares) - min(shares) <= 1 / min(
        channels.values()
    )  # rounding to whole channels, and nothing else
    got = size(baselines.network(task, splits, widths))
    for step in (-0.02, 0.02):  # a neighbour is no nearer
        others = {site: max(1, round((max(shares) + step) * count)) for site, count in channels.items()}
        assert abs(got - wanted) <= abs(size(baselines.network(task, splits, others)) - wanted)


def test_a_layer_never_loses_its_last_channel(smoke, splits, found):
    assert min(baselines.uniform(smoke.tasks["digits-vgg"], splits, found["channels"], 1).values()) == 1


def test_the_cost_of_a_training_is_that_of_the_networks_it_trained(smoke, splits, found):
    """Three epochs: the first of the whole network, the others of what each update left,
    counted from the log by hand."""
    task, [first, second] = smoke.tasks["digits-vgg"], found["updates"]
    assert [first["epoch"], second["epoch"], task.train.epochs] == [1, 2, 3]
    networks = [found["channels"], first["kept"], second["kept"]]
    by_hand = sum(baselines.image_cost(task, splits, widths) for widths in networks)
    assert baselines.training_cost(task, splits, found) == pytest.approx(by_hand, rel=1e-12)
    uncompacted = task.model_copy(update={"prune": task.prune.model_copy(update={"compact": False})})
    whole = task.train.epochs * baselines.image_cost(task, splits, found["channels"])
    assert baselines.training_cost(uncompacted, splits, found) == pytest.approx(whole, rel=1e-12)
    assert baselines.image_cost(task, splits, second["kept"]) < baselines.image_cost(
        task, splits, found["channels"]
    )


@pytest.mark.parametrize(("mode", "widths"), [("soft", "channels"), ("fixed", "widths")])
def test_soft_trainings_cost_as_dense_ones_and_fixed_masks_are_small_from_the_start(
    smoke, splits, found, mode, widths
):
    task = smoke.tasks["digits-vgg"]
    record = {
        **found,
        "settings": {**found["settings"], "mode": mode},
        "updates": [] if mode == "fixed" else found["updates"],
    }
    assert baselines.training_cost(task, splits, record) == task.train.epochs * baselines.image_cost(
        task, splits, found[widths]
    )


def test_equal_cost_means_more_epochs_for_a_smaller_network(smoke, splits, found):
    run = made(smoke, splits, found, widths="uniform", epochs="cost")
    task = smoke.tasks["digits-vgg"]
    paid = baselines.training_cost(task, splits, found)
    spent = run.task.train.epochs * baselines.image_cost(task, splits, run.widths)
    assert run.task.train.epochs > task.train.epochs == 3
    assert abs(paid - spent) <= baselines.image_cost(task, splits, run.widths) / 2
    assert len(run.recipe_epochs) == run.task.train.epochs  # its rate of learning comes down over all of them


def test_a_baseline_trains_and_is_measured_as_every_run(smoke, splits, found):
    run = made(smoke, splits, found, widths="found")
    run.epoch()
    record = measure.report(run)
    assert (
        record["widths"] == found["widths"] and record["parameters"]["total"] == found["parameters"]["total"]
    )
    assert record["compact_difference"] == 0 and record["synops"]["ac"] > 0


def test_another_process_makes_the_same_run(smoke, splits, found):
    """As one does for each of several devices: the epochs of equal cost are not counted twice."""
    run = made(smoke, splits, found, widths="uniform", epochs="cost")
    kind, *given = run.making()
    again = kind(*given)
    assert again.task == run.task and again.widths == run.widths
    assert all(torch.equal(a, b) for a, b in zip(again.net.parameters(), run.net.parameters(), strict=True))


def test_what_was_found_is_read_from_the_results(smoke, splits, tmp_path, monkeypatch):
    [trial] = smoke.trials("digits-vgg", "anew")
    monkeypatch.setattr(records, "read", lambda *given: [{"ratio": 0.3}, {"ratio": 0.5, "given": given[1:]}])
    assert baselines.pruned_record(smoke, splits, "digits-vgg", trial, 4)["given"] == (
        "channels",
        "digits-vgg",
        "sca",
        4,
    )


def test_what_a_run_keeps_depends_on_what_was_found(smoke, tmp_path):
    """And has a place though nothing was found yet: the smoke study's notebook trains it itself."""
    elsewhere = smoke.model_copy(update={"out": str(tmp_path)})
    data.open_or_prepare(elsewhere, "digits")
    job = Job(elsewhere, "baselines", "digits-vgg", "anew")
    before = checkpoint.path(job, 0, 0)
    write_text(elsewhere.result_path("channels", "digits-vgg", "sca", 0), "{}")
    assert checkpoint.path(job, 0, 0) != before


def test_a_ratio_of_many_digits_finds_its_record(splits, monkeypatch):
    quick = config.load("quick")
    [trial] = quick.trials("digits-vgg", "anew")
    exact = trial.model_copy(update={"ratio": 1 / 3})
    monkeypatch.setattr(records, "read", lambda *_: [records.rounded({"ratio": 1 / 3})])
    assert baselines.pruned_record(quick, splits, "digits-vgg", exact, 0) == records.rounded({"ratio": 1 / 3})


def test_it_says_what_is_missing(splits, monkeypatch):
    quick = config.load("quick")
    [trial] = quick.trials("digits-vgg", "anew")
    with pytest.raises(records.ResultsError, match="digits-vgg/sca/7.json is missing"):
        baselines.pruned_record(quick, splits, "digits-vgg", trial, 7)


def test_networks_of_given_widths_load_again(smoke, splits, found, tmp_path):
    run = made(smoke, splits, found, widths="uniform")
    models.save(run.net, tmp_path / "it.pt")
    assert models.load(tmp_path / "it.pt").spec["widths"] == run.widths
