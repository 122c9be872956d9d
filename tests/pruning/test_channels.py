import math

import pytest
import torch
from helpers import (
    CONVS,
    batches,
    frozen_entries,
    images,
    labels,
    make_net,
    make_pruner,
    random_masks,
    settle,
    snapshot,
)
from torch import nn

from lib import pruning, training
from lib.core.errors import ConfigError
from lib.measure import predict
from lib.models.dynamics import potentials
from lib.pruning import RATIO_SCHEDULES, REGROW_SCHEDULES, choose, keep_top, kept_count, update_epochs
from lib.pruning.growth import GROWTH

SIZES = {"a": 10, "b": 40, "c": 50}


def random_scores(seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(size, generator=generator) for name, size in SIZES.items()}


def total(masks):
    return sum(int(mask.sum()) for mask in masks.values())


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def make_sgd(net, weight_decay=1e-2):
    return torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=weight_decay)


def epochs_of(net, pruner, optimizer, count, first=1, steps=3, l1=1e-3):
    for epoch in range(first, first + count):
        training.train_epoch(net, batches(net, steps, seed=100 * epoch), optimizer, l1, pruner)
        pruner.after_epoch(epoch)


@pytest.mark.parametrize("kept, regrown", [(50, 10), (50, 50), (90, 10), (50, 0), (30, 20)])
def test_choose_keeps_the_best_by_score_and_then_the_best_of_the_rest_by_growth(kept, regrown):
    scores, growth = random_scores(0), random_scores(1)
    masks, by_score = choose(scores, growth, kept, regrown, 0), keep_top(scores, kept - regrown)
    assert total(masks) == kept and total(by_score) == kept - regrown
    assert all((by_score[name] <= masks[name]).all() for name in SIZES)
    back = {name: masks[name] & ~by_score[name] for name in SIZES}
    left = {name: ~masks[name] for name in SIZES}
    assert total(back) == regrown
    worst_back = [growth[name][back[name]].min() for name in SIZES if back[name].any()]
    assert not worst_back or min(worst_back) >= max(
        growth[name][left[name]].max() for name in SIZES if left[name].any()
    )


def test_choose_without_growth_is_the_ranking_by_score():
    assert same(choose(random_scores(0), None, 40, 10, 0), keep_top(random_scores(0), 40))


def test_choose_keeps_the_exact_number_under_a_floor():
    scores, growth = random_scores(0), random_scores(1)
    scores["a"] -= 5
    growth["a"] -= 5
    masks = choose(scores, growth, 20, 10, 3)
    assert total(masks) == 20 and masks["a"].sum() == 3


def test_choose_can_bring_back_a_channel_that_scores_nothing():
    scores = {"a": torch.tensor([3.0, 2.0, -torch.inf, -torch.inf])}
    growth = {"a": torch.tensor([9.0, 0.0, 0.1, 0.5])}
    assert choose(scores, growth, 2, 1, 1)["a"].tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    "epochs, warmup, interval, last_too, expected",
    [
        (5, 1, 1, False, [1, 2, 3, 4]),
        (5, 1, 1, True, [1, 2, 3, 4, 5]),
        (5, 0, 1, True, [1, 2, 3, 4, 5]),
        (20, 4, 2, True, [*range(4, 21, 2)]),
        (20, 4, 2, False, [*range(4, 20, 2)]),
        (10, 2, 3, False, [2, 5, 8]),
        (10, 2, 3, True, [2, 5, 8, 10]),
        (3, 5, 1, False, []),
        (3, 5, 1, True, []),
    ],
)
def test_update_epochs(epochs, warmup, interval, last_too, expected):
    assert update_epochs(epochs, warmup, interval, last_too) == expected


@pytest.mark.parametrize(
    "epochs, warmup, interval, last_too, stop, expected",
    [
        (20, 4, 2, False, 1.0, [*range(4, 20, 2)]),
        (20, 4, 2, False, 0.75, [4, 6, 8, 10, 12, 14]),
        (20, 4, 2, False, 0.5, [4, 6, 8, 10]),
        (20, 4, 2, False, 0.2, [4]),
        (20, 4, 2, False, 0.19, []),
        (16, 3, 2, False, 0.75, [3, 5, 7, 9, 11]),
        (20, 4, 2, True, 0.5, [4, 6, 8, 10, 20]),
    ],
)
def test_update_epochs_stop_after_a_share_of_the_training(epochs, warmup, interval, last_too, stop, expected):
    assert update_epochs(epochs, warmup, interval, last_too, stop) == expected


def test_after_the_stop_the_structure_stays_and_the_schedules_have_ended():
    net = make_net()
    pruner, optimizer = (
        make_pruner(net, 0.5, epochs=8, stop=0.5, ratio_schedule="gradual", regrow_schedule="decay"),
        make_sgd(net),
    )
    epochs_of(net, pruner, optimizer, 4, steps=1)
    masks = pruner.masks
    assert total(masks) == 60 and pruner.history[-1]["ratio"] == 0.5
    assert pruner.history[-1]["regrow"] == pytest.approx(0, abs=1e-12)
    epochs_of(net, pruner, optimizer, 4, first=5, steps=1)
    assert same(pruner.masks, masks) and [update["epoch"] for update in pruner.history] == [1, 2, 3, 4]


def test_schedules_values():
    constant, gradual, decay = (
        RATIO_SCHEDULES["constant"],
        RATIO_SCHEDULES["gradual"],
        REGROW_SCHEDULES["decay"],
    )
    assert [constant(p, 0.7) for p in (0.1, 1.0)] == [0.7, 0.7] and REGROW_SCHEDULES["constant"](
        0.3, 0.2
    ) == 0.2
    assert [gradual(p, 0.8) for p in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(
        [0, 0.8 * 7 / 8, 0.8, 0.8, 0.8]
    )
    assert [decay(p, 0.2) for p in (0, 1 / 3, 0.5, 1)] == pytest.approx([0.2, 0.15, 0.1, 0])
    steps = [gradual(p / 20, 0.8) for p in range(21)]
    assert steps == sorted(steps)


def test_the_pruner_follows_its_schedules():
    net = make_net()
    pruner = make_pruner(net, 0.5, epochs=6, ratio_schedule="gradual", regrow_schedule="decay", regrow=0.2)
    epochs_of(net, pruner, make_sgd(net), 6, steps=1)
    channels = sum(pruning.prunable_channels(net).values())
    for number, update in enumerate(pruner.history, 1):
        ratio = 0.5 * (1 - (1 - min(1, 2 * number / 5)) ** 3)
        assert update["ratio"] == pytest.approx(ratio) and sum(update["kept"].values()) == kept_count(
            ratio, channels
        )
        assert update["regrow"] == pytest.approx(0.2 * 0.5 * (1 + math.cos(math.pi * number / 5)), abs=1e-12)
    assert len(pruner.history) == 5


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(regrow=0.3),
        dict(growth="random"),
        dict(growth="none", regrow=0.0),
        dict(mode="soft"),
        dict(normalise=True),
        dict(score="filter_l1"),
        dict(score="random"),
        dict(score="firing_rate"),
        dict(mode="soft", score="bn_gamma"),
    ],
)
def test_every_update_keeps_the_exact_number_and_the_floor(settings):
    net = make_net()
    pruner = make_pruner(net, 0.6, floor=2, **settings)
    before = pruner.masks
    for epoch in range(1, 5):
        epochs_of(net, pruner, make_sgd(net), 1, first=epoch, steps=1)
        assert total(pruner.masks) == kept_count(0.6, 120)
        assert all(mask.sum() >= 2 for mask in pruner.masks.values())
        if epoch in pruner.updates:
            changed = sum(int((before[name] != mask).sum()) for name, mask in pruner.masks.items()) / 120
            assert pruner.history[-1]["changed"] == changed
            assert pruner.history[-1]["kept"] == {
                name: int(mask.sum()) for name, mask in pruner.masks.items()
            }
        before = pruner.masks


@pytest.mark.parametrize("mode, updates", [("frozen", [1, 2, 3]), ("soft", [1, 2, 3, 4])])
def test_frozen_mode_trains_an_epoch_under_its_last_mask_and_soft_mode_ends_with_an_update(mode, updates):
    net = make_net()
    pruner = make_pruner(net, mode=mode)
    epochs_of(net, pruner, make_sgd(net), 4, steps=1)
    assert [update["epoch"] for update in pruner.history] == updates
    if mode == "frozen":
        assert same(pruner.masks, pruning.current_masks(net))


def test_nothing_is_masked_before_the_first_update():
    net = make_net()
    pruner = make_pruner(net, warmup=3)
    epochs_of(net, pruner, make_sgd(net), 2, steps=1)
    assert all(mask.all() for mask in pruner.masks.values()) and pruner.history == []


@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_what_is_masked_is_frozen_bit_for_bit(neuron):
    net = make_net(neuron)
    pruner, optimizer = make_pruner(net, epochs=9), make_sgd(net)
    epochs_of(net, pruner, optimizer, 1)
    masks, at_update = pruner.masks, snapshot(net)
    frozen = frozen_entries(net, masks)
    assert total(masks) == 60 and all(frozen[f"stack.{i}.weight"].any() for i in (2, 4, 15))
    parameters = dict(net.named_parameters())
    for step in range(4):
        training.train_epoch(net, batches(net, 1, seed=30 + step), optimizer, 1e-2, pruner)
        for name, tensor in net.state_dict().items():
            assert torch.equal(tensor[frozen[name]], at_update[name][frozen[name]]), name
            if name in parameters:
                assert (optimizer.state[parameters[name]]["momentum_buffer"][frozen[name]] == 0).all(), name
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            assert (tensor != at_update[name])[~frozen[name]].all(), f"{name} does not train where it is kept"


def test_a_regrown_channel_resumes_from_its_stored_values_with_zero_momentum():
    net = make_net()
    pruner, optimizer = make_pruner(net, epochs=9, growth="random", regrow=0.3), make_sgd(net)
    epochs_of(net, pruner, optimizer, 1)
    masked, stored = pruner.masks, snapshot(net)
    training.train_epoch(net, batches(net, 3, seed=60), optimizer, 1e-3, pruner)
    pruner.after_epoch(2)
    back = {name: mask & ~masked[name] for name, mask in pruner.masks.items()}
    assert total(back) > 5
    frozen_before, frozen_now, checked = frozen_entries(net, masked), frozen_entries(net, pruner.masks), 0
    for name, parameter in net.named_parameters():
        woken = frozen_before[name] & ~frozen_now[name]
        assert torch.equal(parameter[woken], stored[name][woken])
        assert (optimizer.state[parameter]["momentum_buffer"][woken] == 0).all()
        checked += int(woken.sum())
    assert checked > 50
    before = snapshot(net)
    training.train_epoch(net, batches(net, 1, seed=70), optimizer, 0.0, pruner)
    for name, parameter in net.named_parameters():
        woken = frozen_before[name] & ~frozen_now[name]
        assert (parameter != before[name])[woken].all(), f"{name} does not train again"


def test_a_channel_masked_again_loses_its_momentum():
    net = make_net()
    pruner, optimizer = make_pruner(net, epochs=9, regrow=0.2), make_sgd(net)
    epochs_of(net, pruner, optimizer, 4)
    training.train_epoch(net, batches(net, 1, seed=70), optimizer, 0.0, pruner)
    frozen = frozen_entries(net, pruner.masks)
    for name, parameter in net.named_parameters():
        assert (optimizer.state[parameter]["momentum_buffer"][frozen[name]] == 0).all()


def gradients(net, batch, state):
    """({tensor: gradient}, logits) of one training batch with every site in `state`;
    the running statistics are put back."""
    x, y = batch
    before = snapshot(net)
    for site in net.sites.values():
        site.state = state
    net.zero_grad()
    logits = net.train()(x)
    nn.functional.cross_entropy(logits, y).backward()
    net.load_state_dict(before)
    for site in net.sites.values():
        site.state = "masked"
    return {name: p.grad.clone() for name, p in net.named_parameters()}, logits.detach()


def masked_and_settled(neuron="if"):
    net = make_net(neuron)
    masks = random_masks(net, 0.5)
    pruning.apply_channel_masks(net, masks)
    return settle(net), masks


@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_probing_changes_no_output_and_only_the_gradients_of_masked_bn(neuron):
    net, masks = masked_and_settled(neuron)
    (batch,) = batches(net, 1)
    (frozen, logits), (probed, probed_logits) = (
        gradients(net, batch, state) for state in ("masked", "probing")
    )
    torch.testing.assert_close(probed_logits, logits, rtol=0, atol=1e-12)
    for name, grad in probed.items():
        if ".bn." not in name:
            torch.testing.assert_close(grad, frozen[name], rtol=0, atol=1e-14)
    for name, site in net.sites.items():
        own = next(n for n, m in net.named_modules() if m is site) + ".bn.weight"
        torch.testing.assert_close(probed[own][masks[name]], frozen[own][masks[name]], rtol=0, atol=1e-14)
        assert (frozen[own][~masks[name]] == 0).all() and (probed[own][~masks[name]] != 0).any()


def test_a_masked_filter_learns_nothing_from_probing():
    net, masks = masked_and_settled()
    gradients(net, batches(net, 1)[0], "probing")
    for edge in net.edges():
        if edge.makes:
            grad = net.get_submodule(edge.module).weight.grad
            assert (grad[~masks[edge.makes]] == 0).all() and grad[masks[edge.makes]].any()


def test_the_probed_gradient_is_that_of_the_channel_as_if_it_spoke():
    net, masks = masked_and_settled()
    site, seen = net.sites["conv6"], {}

    def keep(module, args, out):
        out.retain_grad()
        seen.update(z=args[0].detach(), out=out)

    hook = site.register_forward_hook(keep)
    gradients(net, batches(net, 1)[0], "probing")
    hook.remove()
    gamma = site.bn.weight.detach().clone().requires_grad_()
    z = seen["z"].flatten(0, 1)
    mean, var = z.mean((0, 2, 3), keepdim=True), z.var((0, 2, 3), keepdim=True, unbiased=False)
    current = (z - mean) / (var + site.bn.eps).sqrt() * gamma[:, None, None] + site.bn.bias.detach()[
        :, None, None
    ]
    site.node.reset()
    spikes = site.node(current.view_as(seen["z"]))
    (expected,) = torch.autograd.grad(spikes, gamma, seen["out"].grad)
    torch.testing.assert_close(site.bn.weight.grad, expected, rtol=1e-9, atol=1e-14)
    assert (site.bn.weight.grad[~masks["conv6"]] != 0).any()


@pytest.mark.parametrize("training", [True, False])
def test_probing_moves_no_weight_and_no_buffer_and_ends_frozen(training):
    net, masks = masked_and_settled()
    net.train(training)
    before, x = snapshot(net), images(net, 5)
    logits = predict(net, x)
    pruning.probe(net, batches(net, 3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert {site.state for site in net.sites.values()} == {"masked"} and net.training == training
    assert torch.equal(predict(net, x), logits)


def test_probing_adds_up_its_batches_and_forgets_the_training_gradient():
    net, _ = masked_and_settled()
    probes = batches(net, 3)
    single = [gradients(net, batch, "probing")[0] for batch in probes]
    nn.functional.cross_entropy(net.train()(images(net, 4)), labels(net, 4)).backward()
    pruning.probe(settle(net), probes)
    for name, parameter in net.named_parameters():
        if name.endswith((".bn.weight", ".bn.bias")) and name.rsplit(".", 2)[0] in sites_of(net):
            torch.testing.assert_close(parameter.grad, sum(one[name] for one in single), rtol=0, atol=1e-12)
        else:
            assert parameter.grad is None and parameter.requires_grad  # no gradient of a weight is formed


def sites_of(net):
    return {name for name, module in net.named_modules() if module in set(net.sites.values())}


def test_a_large_probe_runs_in_equal_parts_and_counts_as_one_mean():
    net, _ = masked_and_settled()
    [whole] = batches(net, 1, n=60)
    seen = []
    hook = net.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    pruning.probe(net, [whole])
    hook.remove()
    found = {name: site.bn.weight.grad.clone() for name, site in net.sites.items()}
    pruning.probe(net, whole_in(4, whole))
    assert seen == [15] * 4
    for name, site in net.sites.items():
        torch.testing.assert_close(found[name], site.bn.weight.grad / 4, rtol=0, atol=1e-12)


def whole_in(parts, batch):
    return list(zip(*(pieces.chunk(parts) for pieces in batch), strict=True))


def test_frozen_growth_is_the_size_of_the_probed_gradient():
    """Of the sum over the probes: batches that pull a scale in opposite directions cancel."""
    net, masks = masked_and_settled()
    probes = batches(net, 2, seed=77)
    single = [gradients(net, batch, "probing")[0] for batch in probes]
    found = make_pruner(net, epochs=9, probes=2).growth()  # the same two batches
    of = {module: name for name, module in net.named_modules()}
    signed = {name: sum(one[f"{of[site]}.bn.weight"] for one in single) for name, site in net.sites.items()}
    for name in net.sites:
        torch.testing.assert_close(found[name], signed[name].abs(), rtol=0, atol=1e-12)
    assert any((gradient < 0).any() for gradient in signed.values())
    assert all((found[name][~masks[name]] != 0).any() for name in ("conv1", "conv4", "conv7"))


def test_only_prune_never_changes_its_first_mask():
    net = make_net()
    pruner, optimizer = make_pruner(net, epochs=6, growth="none", regrow=0.0), make_sgd(net)
    epochs_of(net, pruner, optimizer, 1)
    first = pruner.masks
    epochs_of(net, pruner, optimizer, 5, first=2)
    assert same(pruner.masks, first) and [update["changed"] for update in pruner.history] == [0.5, 0, 0, 0, 0]


def test_a_masked_channel_ranks_last_in_frozen_mode_and_only_growth_revives_it():
    net = make_net()
    pruner = make_pruner(net, epochs=9, score="bn_gamma", growth="none", regrow=0.0)
    pruner.after_epoch(1)
    first = pruner.masks
    for name, site in net.sites.items():
        nn.init.constant_(site.bn.weight, 1.0)
        site.bn.weight.data[~first[name]] = 100.0
    assert all((pruner.scores()[name][~mask] == -torch.inf).all() for name, mask in first.items())
    pruner.after_epoch(2)
    assert same(pruner.masks, first)


def test_scores_of_an_update_are_those_of_its_own_interval():
    net = make_net()
    pruner, optimizer = make_pruner(net, epochs=9), make_sgd(net)
    epochs_of(net, pruner, optimizer, 1)
    seen = []
    hook = net.sites["conv5"].node.register_forward_hook(
        lambda _, x, out: seen.append(
            (out + (torch.stack(potentials(x[0], None)) * (1 - out)).abs()).detach().mean((0, 1, 3, 4))
        )
    )
    training.train_epoch(net, batches(net, 3, seed=5), optimizer, 0.0, pruner)
    hook.remove()
    kept = pruner.masks["conv5"]
    torch.testing.assert_close(pruner.scores()["conv5"][kept], (sum(seen) / 3)[kept], rtol=0, atol=1e-12)


def test_normalised_scores_have_mean_1_over_the_channels_that_are_heard():
    net = make_net()
    pruner, optimizer = make_pruner(net, epochs=9, normalise=True), make_sgd(net)
    epochs_of(net, pruner, optimizer, 1)
    training.train_epoch(net, batches(net, 2, seed=5), optimizer, 0.0, pruner)
    for name, score in pruner.scores().items():
        assert score[pruner.masks[name]].mean().item() == pytest.approx(1)


@pytest.mark.parametrize("members", ["shuffled", "inverted"])
def test_other_members_leave_each_layer_as_many_channels_and_keep_others(members):
    net = make_net()
    pruner = make_pruner(net, epochs=9, score="filter_l1", growth="none", regrow=0.0)
    other = make_pruner(make_net(), epochs=9, score="filter_l1", growth="none", regrow=0.0, members=members)
    for epoch in (1, 2):  # without masked channels, then with some
        pruner.after_epoch(epoch)
        other.after_epoch(epoch)
        assert [int(m.sum()) for m in pruner.masks.values()] == [int(m.sum()) for m in other.masks.values()]
    assert any(not torch.equal(mask, other.masks[name]) for name, mask in pruner.masks.items())


def test_inverted_members_are_the_worst_of_each_layer():
    net = make_net()
    pruner = make_pruner(net, epochs=9, score="filter_l1", growth="none", regrow=0.0, members="inverted")
    scores = make_pruner(make_net(), epochs=9, score="filter_l1", growth="none", regrow=0.0).scores()
    pruner.after_epoch(1)
    for name, mask in pruner.masks.items():
        if not mask.all():
            assert scores[name][mask].max() < scores[name][~mask].min()


def test_normalising_a_layer_whose_scores_are_all_0_makes_no_nan_and_lets_none_of_it_win():
    net = make_net()
    pruner = make_pruner(net, 0.5, epochs=9, score="bn_gamma", growth="none", regrow=0.0, normalise=True)
    nn.init.zeros_(net.sites["conv5"].bn.weight)
    scores = pruner.scores()
    assert all(score.isfinite().all() for score in scores.values()) and (scores["conv5"] == 0).all()
    assert all(score.mean().item() == pytest.approx(1) for name, score in scores.items() if name != "conv5")
    for epoch in (1, 2):  # without masked channels, then with some
        pruner.after_epoch(epoch)
        assert total(pruner.masks) == 60 and pruner.masks["conv5"].sum() == 2
        assert not any(score.isnan().any() for score in pruner.scores().values())


def soft_net():
    net = make_net()
    pruner, optimizer = make_pruner(net, epochs=9, mode="soft"), make_sgd(net, weight_decay=0.0)
    return net, pruner, optimizer


def masked_tensors(net, masks):
    """Filter, gamma and beta of the masked channels, layer by layer."""
    for edge in net.edges():
        if edge.makes:
            gone, bn = ~masks[edge.makes], net.sites[edge.makes].bn
            yield net.get_submodule(edge.module).weight[gone], bn.weight[gone], bn.bias[gone]


def test_soft_mode_sets_filter_gamma_and_beta_to_exactly_0():
    net, pruner, optimizer = soft_net()
    before = snapshot(net)
    training.train_epoch(net, batches(net, 3), optimizer, 1e-3, pruner)
    trained = snapshot(net)
    pruner.after_epoch(1)
    assert all((tensor == 0).all() for tensors in masked_tensors(net, pruner.masks) for tensor in tensors)
    for edge in net.edges():
        if edge.makes:
            mask, weight = pruner.masks[edge.makes], net.get_submodule(edge.module).weight
            assert torch.equal(weight[mask], trained[f"{edge.module}.weight"][mask])
            assert not torch.equal(weight[mask], before[f"{edge.module}.weight"][mask])
    assert {site.state for site in net.sites.values()} == {"open"}


def test_soft_mode_touches_no_momentum_and_masked_channels_train_in_between():
    net, pruner, optimizer = soft_net()
    training.train_epoch(net, batches(net, 3), optimizer, 1e-3, pruner)
    momentum = {name: optimizer.state[p]["momentum_buffer"].clone() for name, p in net.named_parameters()}
    pruner.after_epoch(1)
    assert all(
        torch.equal(optimizer.state[p]["momentum_buffer"], momentum[name])
        for name, p in net.named_parameters()
    )
    training.train_epoch(net, batches(net, 2, seed=40), optimizer, 1e-3, pruner)
    for filters, gamma, beta in masked_tensors(net, pruner.masks):
        assert len(gamma) == 0 or (filters.any() and gamma.all() and beta.all())
    pruner.after_epoch(2)
    assert all((tensor == 0).all() for tensors in masked_tensors(net, pruner.masks) for tensor in tensors)


def test_right_after_zeroing_gamma_earns_no_gradient_but_beta_does():
    net, pruner, optimizer = soft_net()
    epochs_of(net, pruner, optimizer, 1)
    optimizer.zero_grad()
    nn.functional.cross_entropy(net.train()(images(net, 16)), labels(net, 16)).backward()
    masked = {name: ~mask for name, mask in pruner.masks.items()}
    gone = [
        (site.bn.weight.grad[masked[name]], site.bn.bias.grad[masked[name]])
        for name, site in net.sites.items()
    ]
    assert sum(len(gamma) for gamma, _ in gone) == 60
    assert all((gamma == 0).all() for gamma, _ in gone) and any(beta.any() for _, beta in gone)


def test_soft_growth_reads_the_gradient_of_the_last_batch():
    net, pruner, optimizer = soft_net()
    pruner.probes = None
    training.train_epoch(net, batches(net, 3), optimizer, 0.0, pruner)
    left = {name: site.bn.weight.grad.abs().clone() for name, site in net.sites.items()}
    twin = make_net()
    training.train_epoch(twin, batches(twin, 2), make_sgd(twin, 0.0))
    (last,) = batches(twin, 3)[2:]
    twin.zero_grad()
    nn.functional.cross_entropy(twin(last[0]), last[1]).backward()
    assert all(torch.equal(left[name], site.bn.weight.grad.abs()) for name, site in twin.sites.items())
    expected, only_by_score = (
        choose(pruner.meter.mean(), left, 60, 12, 2),
        keep_top(pruner.meter.mean(), 60, 2),
    )
    pruner.after_epoch(1)
    assert same(pruner.masks, expected)
    assert not same(pruner.masks, only_by_score)


def test_soft_mode_scores_masked_channels_too():
    net, pruner, optimizer = soft_net()
    epochs_of(net, pruner, optimizer, 1)
    training.train_epoch(net, batches(net, 2, seed=40), optimizer, 0.0, pruner)
    assert all(score.isfinite().all() for score in pruner.scores().values())


@pytest.mark.parametrize("interval", [1, 2, 3])
def test_at_the_end_the_soft_network_is_its_compact_form(interval):
    net = make_net()
    pruner = make_pruner(net, mode="soft", epochs=4, interval=interval)
    epochs_of(net, pruner, make_sgd(net), 4)
    x = images(net, 7)
    small = pruning.compact(net, pruner.masks)
    assert (predict(net, x) - predict(small, x)).abs().max() <= 1e-12


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.8])
def test_fixed_mode_draws_one_uniform_mask_and_keeps_it(ratio):
    net = make_net()
    settings = dict(mode="fixed", score="random", growth="none", regrow=0.0)
    pruner = make_pruner(net, ratio, **settings)
    first = pruner.masks
    assert total(first) == max(kept_count(ratio, 120), 2 * 7) and same(pruning.current_masks(net), first)
    start, frozen = snapshot(net), frozen_entries(net, first)
    epochs_of(net, pruner, make_sgd(net), 3)
    assert same(pruner.masks, first) and pruner.history == [] and pruner.meter is None
    assert all(
        torch.equal(tensor[frozen[name]], start[name][frozen[name]])
        for name, tensor in net.state_dict().items()
    )
    assert same(make_pruner(make_net(), ratio, **settings).masks, first)
    assert ratio == 0 or not same(make_pruner(make_net(), ratio, seed=1, **settings).masks, first)


def test_ratio_0_prunes_nothing_and_trains_as_without_a_pruner():
    net, plain = make_net(), make_net()
    pruner = make_pruner(net, 0.0)
    epochs_of(net, pruner, make_sgd(net), 3)
    optimizer = make_sgd(plain)
    for epoch in (1, 2, 3):
        training.train_epoch(plain, batches(plain, 3, seed=100 * epoch), optimizer, 1e-3)
    assert all(
        torch.equal(a, b) for a, b in zip(net.state_dict().values(), plain.state_dict().values(), strict=True)
    )


def test_a_growth_of_your_own_is_a_function_and_a_registry_line(monkeypatch):
    monkeypatch.setitem(
        GROWTH, "last", lambda site, generator: torch.arange(len(site.mask), dtype=torch.float64)
    )
    net = make_net()
    pruner = make_pruner(net, 0.5, growth="last", regrow=0.1, score="bn_gamma", floor=1)
    scores = {name: site.bn.weight.detach().abs().clone() for name, site in net.sites.items()}
    pruner.after_epoch(1)
    by_score = keep_top(scores, 48, 1)
    back = {name: (pruner.masks[name] & ~by_score[name]).nonzero().flatten().tolist() for name in CONVS}
    assert sum(map(len, back.values())) == 12 and min(min(found) for found in back.values() if found) >= 24


@pytest.mark.parametrize("field", ["score", "growth", "ratio_schedule", "regrow_schedule"])
def test_an_unknown_part_of_a_method_is_named(field):
    with pytest.raises(ConfigError, match=f"{field}: 'nonsense' is not known; known are"):
        make_pruner(make_net(), **{"score": "bn_gamma", field: "nonsense"}).after_epoch(1)
