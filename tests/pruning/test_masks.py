import logging

import pytest
import torch
from helpers import make_net, random_masks

from lib import models, pruning
from lib.measure import predict
from lib.pruning import keep_top, kept_count, kept_entries, uniform_random

SIZES = {"a": 10, "b": 40, "c": 150}


def scores(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(size, generator=generator) for name, size in SIZES.items()}


def total(masks):
    return sum(int(mask.sum()) for mask in masks.values())


def test_kept_count_rounds_down_and_survives_decimal_fractions():
    assert kept_count(0.1, 4224) == 3801
    assert [kept_count(r / 10, 10) for r in range(10)] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert kept_count(0.99, 10) == 1


@pytest.mark.parametrize("ratio, kept", [(0.0, 200), (0.3, 140), (0.5, 100), (0.99, 2)])
def test_keep_top_keeps_the_exact_count_of_the_best(ratio, kept):
    score = scores()
    masks = keep_top(score, kept_count(ratio, 200))
    assert total(masks) == kept
    flat, mask = torch.cat(list(score.values())), torch.cat(list(masks.values()))
    assert kept == 200 or flat[mask].min() >= flat[~mask].max()
    assert {name: len(mask) for name, mask in masks.items()} == SIZES


def test_keep_top_ranks_layers_together():
    masks = keep_top({"low": torch.tensor([0.1, 0.2, 0.3]), "high": torch.tensor([1.0, 3.0, 2.0])}, 4)
    assert masks["low"].tolist() == [False, False, True] and masks["high"].tolist() == [True, True, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ties_go_to_the_earlier_channel(dtype):
    masks = keep_top({name: torch.zeros(size, dtype=dtype) for name, size in SIZES.items()}, 45)
    assert torch.cat(list(masks.values())).nonzero().flatten().tolist() == list(range(45))


def test_keeping_the_same_number_again_changes_nothing():
    score = scores()
    masks = keep_top(score, 60)
    again = keep_top({name: torch.where(masks[name], s, -torch.inf) for name, s in score.items()}, 60)
    assert all(torch.equal(masks[name], again[name]) for name in SIZES)


@pytest.mark.parametrize("floor, count", [(2, 20), (2, 6), (5, 100), (5, 15)])
def test_a_floor_that_binds_holds_keeps_the_total_and_is_logged(caplog, floor, count):
    score = scores()
    score["b"] -= 10
    with caplog.at_level(logging.INFO):
        masks = keep_top(score, count, floor)
    assert total(masks) == count
    assert all(mask.sum() >= floor for mask in masks.values()) and masks["b"].sum() == floor
    assert torch.equal(score["b"][masks["b"]].sort().values, score["b"].sort().values[-floor:])
    assert len(caplog.records) == 1 and str(floor) in caplog.text and " b" in caplog.records[0].getMessage()


def test_the_log_names_only_the_layers_that_the_floor_lifts(caplog):
    """Not those that have just as many by their scores, nor those that pay for it."""
    caplog.set_level(logging.INFO)
    given = {"a": [9.0, 8.0, 0.0, 0.0], "b": [0.1, 0.2, 0.3], "c": [7.0, 6.0, 5.0, 4.0]}
    masks = keep_top({name: torch.tensor(score) for name, score in given.items()}, 6, 2)
    assert [int(mask.sum()) for mask in masks.values()] == [2, 2, 2]
    [record] = caplog.records
    assert record.getMessage() == "the floor of 2 channels binds in b" and record.levelno == logging.INFO


def test_uniform_random_names_only_the_layers_that_the_floor_lifts(caplog):
    caplog.set_level(logging.INFO)
    uniform_random(
        {"a": 10, "b": 40, "c": 50}, 0.9, 4, torch.Generator().manual_seed(0)
    )  # shares of 1, 4 and 5
    [record] = caplog.records
    assert record.getMessage() == "the floor of 4 channels binds in a" and record.levelno == logging.INFO


def test_a_floor_that_does_not_bind_is_silent_and_changes_nothing(caplog):
    with caplog.at_level(logging.INFO):
        masks = keep_top(scores(), 100, 2)
    assert not caplog.records
    assert all(torch.equal(masks[name], mask) for name, mask in keep_top(scores(), 100, 0).items())


def test_floors_above_the_count_win():
    assert total(keep_top(scores(), 3, 4)) == 12


def test_a_floor_larger_than_a_layer_keeps_all_of_it():
    masks = keep_top({"tiny": torch.tensor([-1.0]), "big": torch.arange(10.0)}, 4, 2)
    assert masks["tiny"].tolist() == [True] and total(masks) == 4


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.77, 0.9, 0.99])
@pytest.mark.parametrize("channels", [SIZES, {"a": 4, "b": 4, "c": 8, "d": 8, "e": 32, "f": 32, "g": 32}])
def test_uniform_random_has_the_exact_total_and_the_same_share_in_each_layer(ratio, channels):
    masks = uniform_random(channels, ratio, 0, torch.Generator().manual_seed(0))
    kept = kept_count(ratio, sum(channels.values()))
    assert total(masks) == kept
    for name, size in channels.items():
        assert abs(int(masks[name].sum()) - kept * size / sum(channels.values())) < 1


@pytest.mark.parametrize("ratio, floor", [(0.95, 2), (0.9, 5), (0.8, 15)])
def test_uniform_random_holds_the_floor_with_the_exact_total_and_says_so(caplog, ratio, floor):
    with caplog.at_level(logging.INFO):
        masks = uniform_random(SIZES, ratio, floor, torch.Generator().manual_seed(0))
    assert all(mask.sum() >= min(floor, SIZES[name]) for name, mask in masks.items())
    assert total(masks) == max(kept_count(ratio, 200), sum(min(floor, size) for size in SIZES.values()))
    assert len(caplog.records) == 1 and f"floor of {floor} channels binds in a" in caplog.text


def test_uniform_random_without_need_of_its_floor_is_silent(caplog):
    with caplog.at_level(logging.INFO):
        uniform_random(SIZES, 0.5, 5, torch.Generator().manual_seed(0))
    assert not caplog.records


def test_uniform_random_keeps_all_of_a_layer_smaller_than_the_floor():
    assert uniform_random({"a": 1, "b": 99}, 0.9, 2, torch.Generator())["a"].all()


def test_uniform_random_is_the_seeds_own():
    draws = [uniform_random(SIZES, 0.5, 2, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert all(torch.equal(draws[0][name], draws[1][name]) for name in SIZES)
    assert not any(torch.equal(draws[0][name], draws[2][name]) for name in SIZES)


def test_every_channel_is_drawn_as_often_as_any_other():
    generator = torch.Generator().manual_seed(0)
    share = sum(uniform_random({"a": 20}, 0.7, 1, generator)["a"].double() for _ in range(2000)) / 2000
    assert (share - 0.3).abs().max() < 0.05


def wrong_masks():
    net = models.build("vgg-digits", 10, (1, 8, 8), 4, width=0.5)
    good = random_masks(net, 0.5)
    yield "short", net, {**good, "conv3": good["conv3"][:-1]}, ["conv3", "[7]", "[8]"]
    yield "two-dimensional", net, {**good, "conv3": good["conv3"][None]}, ["conv3", "[1, 8]", "[8]"]
    yield "numbers", net, {**good, "conv2": good["conv2"].float()}, ["conv2", "torch.float32", "torch.bool"]
    yield "empty", net, {**good, "conv5": torch.zeros(32, dtype=torch.bool)}, ["conv5", "no channel"]
    yield "unknown", net, {**good, "conv99": good["conv1"]}, ["conv99", "conv1, conv2"]
    yield "missing", net, {k: v for k, v in good.items() if k != "conv4"}, ["conv4 missing"]


@pytest.mark.parametrize("use", [pruning.apply_channel_masks, pruning.compact])
@pytest.mark.parametrize("net, masks, words", [pytest.param(*case, id=name) for name, *case in wrong_masks()])
def test_a_wrong_mask_is_refused_and_named(use, net, masks, words):
    before = pruning.current_masks(net)
    with pytest.raises(ValueError) as error:
        use(net, masks)
    assert all(word in str(error.value) for word in words)
    assert all(torch.equal(mask, before[name]) for name, mask in pruning.current_masks(net).items())


def test_a_mask_silences_its_channels_and_no_other():
    net, seen = make_net(), {}
    masks = random_masks(net, 0.5)
    for site in net.sites.values():
        site.register_forward_hook(lambda site, _, out: seen.update({site.name: out}))
    pruning.apply_channel_masks(net, masks)
    predict(net, torch.randn(8, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    for name, mask in masks.items():
        assert not seen[name][:, :, ~mask].any() and seen[name][:, :, mask].any()


def test_current_masks_are_copies():
    net = make_net()
    pruning.current_masks(net)["conv1"].fill_(False)
    assert net.sites["conv1"].mask.all()


def test_kept_entries_need_every_channel_they_belong_to():
    masks = {"out": torch.tensor([True, False]), "in": torch.tensor([False, True, True])}
    assert kept_entries(torch.zeros(2, 6), ("out", "in"), masks).int().tolist() == [
        [0, 0, 1, 1, 1, 1],
        [0] * 6,
    ]
    assert kept_entries(torch.zeros(5, 3, 1, 1), (None, "in", None, None), masks).flatten().tolist() == [
        False,
        True,
        True,
    ]
    assert kept_entries(torch.tensor(3), (), masks).item() is True
