"""The spiking transformer: published sizes and operations, and tokens that are dropped,
masked or really gone (float64)."""

import pytest
import torch
from helpers import digits_net, images, labels

from lib import measure, models
from lib.core.errors import ConfigError
from lib.models.spikformer import Attention
from lib.models.start import recalibrate
from lib.models.tokens import (
    RULES,
    Selector,
    Skipper,
    as_mask,
    highest,
    information,
    kept_tokens,
    make_selector,
)
from lib.pruning.tokens import ratio_loss, teach, token_loss, worked_on

C8 = {
    0.9: [57, 51, 46],
    0.8: [51, 40, 32],
    0.7: [44, 31, 21],
    0.6: [38, 23, 13],
    0.5: [32, 16, 8],
    1.0: [64, 64, 64],
}


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [("spikformer4-384", (3, 32, 32), 9_324_730), ("spikformer4-256-dvs", (2, 128, 128), 4_151_818)],
)
def test_the_number_of_parameters(name, shape, count):
    net = models.build(name, 10, shape, 2, neuron="lif")
    assert sum(p.numel() for p in net.parameters()) == count
    assert net.tokens == 64


def test_the_event_network_has_64_tokens_and_no_bias_before_the_attention():
    net = models.build("spikformer4-256-dvs", 10, (2, 128, 128), 2, neuron="lif")
    assert net.tokens == 64 and len(net.blocks) == 4
    for block in net.blocks:
        assert block.attention.q.linear.bias is None and block.attention.projection.linear.bias is not None


def test_the_event_network_takes_frames_and_its_events_are_counted():
    torch.manual_seed(0)
    spec = {
        "num_classes": 10,
        "in_shape": (2, 128, 128),
        "T": 2,
        "neuron": "lif",
        "width": 0.125,
        "events": True,
    }
    net = models.build("spikformer4-256-dvs", **spec, selector={"rho": 0.5})
    frames = torch.poisson(torch.full((2, 3, 2, 128, 128), 0.3))
    recalibrate(net, [(frames, None)])
    assert net(frames).shape == (3, 10) and net.works_on == [64, 32, 16, 8]
    ops = measure.synops(net, frames)["layers"]
    assert (
        ops["stem.0.conv"]["ac"] > 0 == ops["stem.0.conv"]["mac"]
        and ops["selector.predictors.0.2"]["mac"] == 64 * 16 * 2
    )


def test_weights_count_once_for_each_token_they_are_used_at():
    """Synapses, by hand: those of a block once for each token that it works on,
    those of a predictor for each that it reads."""
    net = models.build("spikformer-digits", 10, (1, 8, 8), 4, neuron="lif", selector={"rho": 0.6})
    full = measure.count_synapses(net)["all"]
    blocks = sum(tokens * (4 * 48 * 48 + 2 * 48 * 192) for tokens in (16, 9, 5, 3))
    predictors = sum(tokens * (48 * 24 + 24 * 2) for tokens in (16, 9, 5))
    convolutions = full - blocks - predictors - 480
    overlaps = {
        side: (3 * side - 2) ** 2 for side in (8, 4)
    }  # of a 3x3 kernel with a map of so many pixels, padding left out
    assert convolutions == (1 * 6 + 6 * 12 + 12 * 24 + 24 * 48) * overlaps[8] + 48 * 48 * overlaps[4]


def test_density_inside_leaves_out_the_first_layer_and_the_head():
    net = models.build("spikformer-digits", 10, (1, 8, 8), 4, neuron="lif", selector={"rho": 0.6})
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.zeros_(net.stem[0]["conv"].weight)
    left = measure.weights_left(net)
    assert left["density_inner"] == 1 > left["density"]


def test_ties_of_attention_go_to_the_token_that_fires_more():
    score = torch.tensor([[2.0, 5.0, 2.0, 2.0, -torch.inf]])
    rate = torch.tensor([[0.1, 0.0, 0.3, 0.3, 0.9]])
    assert highest(score, 2, rate).tolist() == [[1, 2]] and highest(score, 3, rate).tolist() == [[1, 2, 3]]
    assert highest(score, 2).tolist() == [[0, 1]]


@pytest.mark.parametrize("rho", C8)
def test_the_counts_of_tokens_are_those_of_the_code(rho):
    assert kept_tokens(64, rho, 3) == C8[rho]


@pytest.mark.parametrize("rho", [0.0, -0.5, 1.1])
def test_a_share_out_of_range_is_refused(rho):
    with pytest.raises(ValueError, match=f"rho {rho}: allowed is more than 0 and at most 1"):
        kept_tokens(64, rho, 3)


def test_a_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(
        ValueError, match="width 46 of spikformer-digits: 4 heads and the stem need a multiple of 4 and 8"
    ):
        models.build("spikformer-digits", 10, (1, 8, 8), 4, width=46 / 48)


def test_every_layer_of_the_test_network_fires_and_it_hears_its_input():
    net = digits_net()
    rates = {}
    for name, module in net.named_modules():
        if name.endswith("node"):
            module.register_forward_hook(
                lambda _, __, out, name=name: rates.update({name: out.mean().item()})
            )
    x = images(net, 16)
    logits = net(x)
    assert len(rates) == 5 + 4 * 7 and all(0.005 < rate < 0.95 for rate in rates.values()), rates
    assert (logits - net(x.flip(0))).abs().max() > 1e-3


@pytest.mark.parametrize("rule", ["learned", "random", "attention"])
@pytest.mark.parametrize("rho", [0.9, 0.7, 0.4])
def test_masked_and_gathered_tokens_give_equal_logits(rho, rule):
    net = digits_net()
    net.selector = Selector(net, rho, rule).double().eval()
    found = {}
    for gathered in (False, True):
        net.selector.gathered = gathered
        torch.manual_seed(5)  # 'random' draws
        found[gathered] = net(images(net, 16))
    assert (found[True] - found[False]).abs().max() <= 1e-12
    net.selector = None
    if rho < 0.9:
        assert (net(images(net, 16)) - found[True]).abs().max() > 1e-3, "dropping tokens changed nothing"


def test_a_dropped_token_is_heard_by_no_one():
    torch.manual_seed(0)
    attention = Attention(16, 4, 0.25, True, "lif").double().eval()
    for part in (attention.q, attention.k, attention.v, attention.projection):
        torch.nn.init.normal_(part.linear.weight, std=1.0)
    x = torch.randint(0, 3, (4, 2, 6, 16)).double()
    keep = as_mask(torch.tensor([[0, 2, 5], [1, 2, 3]]), 6).double()
    before = attention(x, keep)
    attention.node.reset()
    other = x.clone()
    other[:, 0, 1], other[:, 1, 4] = 2.0, 0.0  # dropped ones
    after = attention(other, keep)
    for image, kept in enumerate(keep.bool()):
        assert torch.equal(before[:, image, kept], after[:, image, kept])
    attention.node.reset()
    assert not torch.equal(attention(x, None), before)


def test_all_tokens_kept_is_no_selection():
    net = digits_net()
    x = images(net, 8)
    plain = net(x)
    net.selector = Selector(net, 1.0).double().eval()
    assert (net(x) - plain).abs().max() <= 1e-12


def test_decisions_accumulate_and_earn_a_gradient():
    net = digits_net().train()
    net.selector = Selector(net, 0.6).double().train()
    logits = net(images(net, 16))
    masks = net.selector.decisions
    assert len(masks) == 3 and all(set(mask.unique().tolist()) <= {0.0, 1.0} for mask in masks)
    assert all((later <= earlier).all() for earlier, later in zip(masks, masks[1:], strict=False))
    token_loss(logits, labels(net, 16), teach(digits_net(), images(net, 16)), net.selector).backward()
    for predictor in net.selector.predictors:
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in predictor.parameters())


def test_the_ratio_loss_by_hand():
    masks = [torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1]]), torch.tensor([[1.0, 0, 0, 0], [1, 1, 0, 0]])]
    assert ratio_loss(masks, [2, 1]).item() == pytest.approx((0 + 0.25) / 2 / 2 + (0 + 0.0625) / 2 / 2)


def test_teaching_leaves_the_teacher_as_it_was():
    teacher = digits_net().train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    x = images(teacher, 8)
    first, again = teach(teacher, x), teach(teacher, x)
    assert torch.equal(first, again) and not first.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_recalibrated_statistics_are_those_of_the_tokens_that_are_left():
    net = digits_net()
    net.selector = Selector(net, 0.5).double().eval()
    seen = {}
    last = net.blocks[3].wide
    last.linear.register_forward_hook(lambda _, __, out: seen.update(z=out.flatten(0, 2)))
    before = {
        name: tensor.clone()
        for name, tensor in net.state_dict().items()
        if "running" not in name and "num_" not in name
    }
    batch = (images(net, 64, seed=9), None)
    recalibrate(net, [batch])
    assert seen["z"].shape[0] == 4 * 64 * net.selector.counts[-1]
    assert torch.allclose(last.bn.running_mean, seen["z"].mean(0)) and torch.allclose(
        last.bn.running_var, seen["z"].var(0)
    )
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())
    assert last.bn.momentum == 0.1 and not net.training


@pytest.mark.parametrize(
    ("rho", "published"), [(None, 3.74), (0.9, 3.44), (0.8, 3.24), (0.7, 3.04), (0.6, 2.88), (0.5, 2.75)]
)
def test_flops_counted_as_the_paper_counts_them_are_the_published_ones(rho, published):
    net = models.build("spikformer4-384", 10, (3, 32, 32), 4, neuron="lif").eval()
    if rho is not None:
        net.selector = Selector(net, rho).eval()
    assert measure.flops(net, torch.zeros(1, 3, 32, 32)) / 1e9 == pytest.approx(published, rel=0.03)
    assert net.fast.static_once


def test_operations_are_counted_event_by_event():
    """Against a count that multiplies each layer's input by ones, and the products' spikes by each other."""
    net = digits_net()
    net.selector = Selector(net, 0.7).double().eval()
    x, seen = images(net, 8), {}
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Product":
            module.register_forward_hook(lambda _, args, __, name=name: seen.update({name: args}))
    ops = measure.synops(net, x)["layers"]
    for number, block in enumerate(net.blocks):
        for name in ("attention.q", "attention.projection", "wide", "narrow"):
            [events] = seen[f"blocks.{number}.{name}.linear"]
            fan_out = block.get_submodule(name).linear.out_features
            assert ops[f"blocks.{number}.{name}.linear"]["ac"] == pytest.approx(
                events.sum().item() * fan_out / 8
            )
        q, k = seen[f"blocks.{number}.attention.match"]
        meetings = sum(
            (q[..., i, :] * k[..., :, j]).sum().item() for i in range(q.shape[-2]) for j in range(q.shape[-2])
        )
        assert ops[f"blocks.{number}.attention.match"]["ac"] == pytest.approx(meetings / 8) and meetings > 0
    kept = [16, *net.selector.counts[:-1]]  # tokens that each predictor reads
    for number, tokens in enumerate(kept):
        assert ops[f"selector.predictors.{number}.2"] == {
            "ac": 0,
            "mac": tokens * 24 * 2,
            "mac_x_T": tokens * 24 * 2,
        }
    assert ops["stem.0.conv"]["mac"] * 4 == ops["stem.0.conv"]["mac_x_T"]


@pytest.mark.parametrize("rule", RULES)
def test_where_the_blocks_work(rule):
    net = digits_net()
    net.selector = make_selector(net, 0.6, rule).double().eval()
    x = images(net, 8)
    seen = []
    for block in net.blocks:
        block.register_forward_hook(lambda _, args, __: seen.append(args[0].shape[2]))
    net(x)
    assert seen == net.works_on == ([9] * 4 if rule == "skip" else [16, 9, 5, 3])
    torch.manual_seed(3)
    masks = worked_on(net, x)
    assert [mask.sum(1).unique().tolist() for mask in masks] == [
        [count] for count in net.works_on
    ] and net.selector.gathered
    if rule != "skip":
        assert all((later <= earlier).all() for earlier, later in zip(masks, masks[1:], strict=False))
    net.selector = None
    assert all((mask == 1).all() for mask in worked_on(net, x)) and net.works_on == [16] * 4


def test_an_unknown_rule_is_refused():
    with pytest.raises(
        ConfigError, match="rule: 'best' is not known; known are learned, random, attention, skip"
    ):
        models.build("spikformer-digits", 10, (1, 8, 8), 4, selector={"rho": 0.5, "rule": "best"})


@pytest.mark.parametrize("rule", RULES)
def test_a_selector_is_kept_with_its_network(rule, tmp_path):
    torch.manual_seed(0)
    net = models.build(
        "spikformer-digits", 10, (1, 8, 8), 4, neuron="lif", selector={"rho": 0.6, "rule": rule}
    ).eval()
    models.save(net, tmp_path / "net.pt")
    back = models.load(tmp_path / "net.pt")
    assert back.works_on == net.works_on and back.selector.rule == rule
    logits = []
    for one in (back, net):
        torch.manual_seed(1)
        logits.append(one(images(net, 8)))
    assert torch.equal(*logits)
    net.selector.gathered = False
    other = models.clone(net, torch.float64)
    assert not other.selector.gathered
    assert all(torch.equal(a.double(), b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_a_network_without_tokens_takes_no_selector():
    with pytest.raises(ValueError, match="selector: vgg-digits has no tokens; known are spikformer4-384"):
        models.build("vgg-digits", 10, (1, 8, 8), 4, selector={"rho": 0.5})


def test_every_layer_of_neurons_has_its_rate():
    net = digits_net()
    rates = measure.firing(net, images(net, 16))
    assert len(rates) == 5 + 4 * 7
    assert [len(rates[name]) for name in ("stem.0", "position", "blocks.0.wide", "blocks.3.attention")] == [
        6,
        48,
        192,
        48,
    ]
    assert all(rate.min() >= 0 and rate.max() <= 1 and rate.mean() > 0 for rate in rates.values())


def test_tokens_are_chosen_over_all_steps_at_once():
    net = digits_net()
    net.selector = Selector(net, 0.5).double().eval()
    with pytest.raises(ValueError, match=r"call net.set_step_mode\('m'\)"):
        net.set_step_mode("s")(images(net, 2))


def test_information_by_hand():
    """One token unlike its neighbours at every step, one that changes from step to step,
    the rest alike and still."""
    x = torch.zeros(3, 1, 16, 2)
    x[:, 0, 5] = 1.0  # differs from its 3x3 neighbourhood, never changes
    x[1, 0, 15] = 1.0  # changes twice
    found = information(x, (4, 4))[0]
    apart, change = torch.zeros(16), torch.zeros(16)
    for t, token in ((0, 5), (1, 5), (2, 5), (1, 15)):
        one = torch.zeros(4, 4)
        one.view(-1)[token] = 1.0
        share = torch.nn.functional.avg_pool2d(one[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
        assert x[t, 0, token, 0] == 1
        apart += ((one - share).abs() * 2**0.5 / 3).flatten()
    change[15] = 1.0
    assert found.argmax() in (5, 15) and found[0] < found[5]
    assert found[15] == pytest.approx((apart[15] / apart.max() + 1).item(), rel=0.05)
    assert found[5] == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("rho", [0.25, 0.6])
def test_a_skipped_token_is_as_it_was_and_all_tokens_worked_on_is_no_skipping(rho):
    net = digits_net()
    x = images(net, 8)
    plain, tokens = net(x), net.embed(x[None])
    net.selector = Skipper(net, rho)
    out, _ = net.selector(0, net.blocks, tokens, None)
    same = (out == tokens).all(-1).all(0).sum(1)
    assert (same >= net.tokens - net.selector.count).all() and (out != tokens).any()
    assert (net(x) - plain).abs().max() > 1e-3
    net.selector = Skipper(net, 1.0)
    assert (net(x) - plain).abs().max() <= 1e-12
