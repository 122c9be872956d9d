"""One update of a weight mask, against loops over single scopes (methods B10)."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from lib.pruning.rewiring import SCOPES, lowest, protected, rewired, shares, unrows, whole
from lib.settings import Rewiring

SHAPES = [(6, 4, 3, 3), (5, 30)]


def rewiring(**settings):
    return Rewiring(kind="rewiring", label="test", **settings)


def tensors(seed=0):
    chance = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=chance, dtype=torch.float64) for shape in SHAPES]


def masks(density=0.5, seed=9):
    chance = torch.Generator().manual_seed(seed)
    return [torch.rand(shape, generator=chance) < density for shape in SHAPES]


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_are_taken_apart_and_put_together(scope):
    given = [t.to(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors()]
    rows = SCOPES[scope](given)
    assert [row.shape[0] for row in rows] == {"neuron": [6, 5], "layer": [1, 1], "global": [1]}[scope]
    assert all(torch.equal(a, b) for a, b in zip(unrows(rows, given), given, strict=True))
    if scope == "neuron":
        assert torch.equal(rows[0][2], given[0][2].flatten())


def test_the_lowest_are_taken_in_each_row_among_those_allowed():
    score = torch.tensor([[3.0, 1.0, 2.0, 1.0], [5.0, 6.0, 7.0, 8.0]])
    among = torch.tensor([[True, True, True, True], [False, True, True, True]])
    assert lowest(score, among, torch.tensor([1, 2])).tolist() == [
        [False, True, False, False],
        [False, True, True, False],
    ]
    assert lowest(score, among, torch.tensor([2, 9])).tolist() == [
        [False, True, False, True],
        [False, True, True, True],
    ]


def test_whole_counts_are_rounded_down_or_add_up_exactly():
    counts = [torch.tensor([3.7, 0.4], dtype=torch.float64), torch.tensor([5.9], dtype=torch.float64)]
    room = [torch.tensor([50, 50]), torch.tensor([50])]
    assert [c.tolist() for c in whole(counts, room, 100, exact=False)] == [[3, 0], [5]]
    assert [c.tolist() for c in whole(counts, room, 10, exact=True)] == [[4, 0], [6]]
    assert [c.tolist() for c in whole(counts, room, 4, exact=False)] == [[2, 0], [2]]
    assert [c.tolist() for c in whole(counts, room, 0, exact=False)] == [[0, 0], [0]]


def test_what_one_scope_cannot_give_the_others_do():
    counts, room = [torch.tensor([8.0, 8.0, 8.0], dtype=torch.float64)], [torch.tensor([1, 20, 9])]
    [found] = whole(counts, room, 24, exact=True)
    assert found.sum() == 24 and found[0] == 1 and (found <= room[0]).all() and found[1] > found[2]
    [all_] = whole(counts, room, 99, exact=True)
    assert all_.tolist() == [1, 20, 9]


@pytest.mark.parametrize("exact", [True, False])
def test_where_no_scope_may_lose_a_weight_none_goes(exact):
    counts = [torch.tensor([0.0, 3.5], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)]
    none = [torch.tensor([0, 0]), torch.tensor([0])]
    for total in (0, 4):
        assert [c.tolist() for c in whole(counts, none, total, exact)] == [[0, 0], [0]]
    one = [torch.eye(4, dtype=torch.bool)[:3]]
    constant = rewiring(ratio="constant", start=None, rewire="constant_density", exchange=0.3)
    shares = [torch.zeros(3, dtype=torch.float64)]
    [new], [went], [came] = rewired([torch.ones(3, 4)], one, [torch.ones(3, 4)], shares, constant, 0.3, 0)
    assert torch.equal(new, one[0]) and not went.any() and not came.any()


def test_a_cut_that_one_scope_bears_leaves_it_its_last_weight_and_the_density_exact():
    weights, growth = [torch.arange(1.0, 21.0)[None], torch.ones(1, 20)], [torch.ones(1, 20)] * 2
    active = [torch.arange(20)[None] >= 10, torch.arange(20)[None] == 3]
    shares = [torch.tensor([0.5], dtype=torch.float64)] * 2
    new, _, _ = rewired(
        weights, active, growth, shares, rewiring(ratio="cubic", start=1.0, exchange=0.9), 0.9, 8
    )
    assert [int(mask.sum()) for mask in new] == [2, 1]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("growth", [True, False], ids=["grown", "cut"])
@pytest.mark.parametrize("mode", ["shrink+exchange", "constant_density", "shrink_only"])
def test_an_update_does_in_each_scope_what_b10_says(mode, growth, scope):
    weights, active, grown = SCOPES[scope](tensors(0)), SCOPES[scope](masks()), SCOPES[scope](tensors(1))
    grown = [g.abs() for g in grown] if growth else None
    ratios = [torch.linspace(0.1, 0.4, len(w), dtype=torch.float64) for w in weights]
    method = rewiring().model_copy(update={"rewire": mode})  # unchecked: cut and grown alike
    new, went, came = rewired(weights, active, grown, ratios, method, None, 10**9)
    for number, w in enumerate(weights):
        for row in range(len(w)):
            on, c = active[number][row], ratios[number][row].item()
            d = int(on.sum())
            gone = 0 if mode == "constant_density" else int(c * d + 1e-9)
            swap = int(
                {"shrink+exchange": c * (1 - c), "constant_density": c, "shrink_only": 0}[mode] * d + 1e-9
            )
            swap = min(swap, int((~on).sum())) if growth else 0
            by_size = sorted(
                on.nonzero().flatten().tolist(), key=lambda i, w=w, row=row: abs(w[row, i].item())
            )
            removed = set(by_size[: gone + swap])
            back = set()
            if growth:
                off = sorted(
                    (~on).nonzero().flatten().tolist(),
                    key=lambda i, n=number, row=row: -grown[n][row, i].item(),
                )
                back = set(off[:swap])
            expected = (set(by_size) - removed) | back
            assert set(new[number][row].nonzero().flatten().tolist()) == expected
            assert set(went[number][row].nonzero().flatten().tolist()) == removed
            assert set(came[number][row].nonzero().flatten().tolist()) == back and not back & removed
            assert len(expected) == d - gone


def test_a_scope_never_loses_its_last_weight():
    w, one = torch.ones(3, 4), torch.eye(4, dtype=torch.bool)[:3]
    ratios = [torch.full((3,), 0.9, dtype=torch.float64)]
    new, _, _ = rewired([w], [one], None, ratios, rewiring(rewire="shrink_only", growth="none"), None, 10**9)
    assert new[0].sum(1).tolist() == [1, 1, 1]


def test_no_layer_is_cut_off_even_if_all_its_weights_are_the_smallest():
    small, large = torch.full((2, 8), 1e-6), torch.ones(2, 8)
    small[1, 3] = 2e-6
    shown, active = (
        SCOPES["global"](protected([small, large])),
        SCOPES["global"]([torch.ones(2, 8, dtype=torch.bool)] * 2),
    )
    method = rewiring(ratio="once", rewire="shrink_only", growth="none")
    [kept], _, _ = rewired(shown, active, None, [torch.tensor([0.5], dtype=torch.float64)], method, None, 16)
    first, _ = unrows([kept], [small, large])
    assert first.nonzero().tolist() == [[1, 3]] and kept.sum() == 16


def rigl(weight, mask, gradient, share):
    """One update of a layer as RigL's code has it: drop, then grow among all that is not active any more."""
    active = int(mask.sum())
    dropped = int(active * share)
    order = np.argsort(-np.where(mask, np.abs(weight), -1.0), kind="stable")
    kept = np.zeros_like(mask)
    kept[order[: active - dropped]] = True
    lifted = np.where(kept, -1.0, np.abs(gradient))
    grown = np.zeros_like(mask)
    grown[np.argsort(-lifted, kind="stable")[:dropped]] = True
    new = grown & ~mask
    return kept | grown, np.where(new, 0.0, weight), new


@pytest.mark.parametrize("density", [0.1, 0.3, 0.5, 0.9, 1.0])
def test_rigl_and_set_exchange_as_the_reference(density):
    chance = np.random.default_rng(7)
    weight, gradient = chance.normal(size=2000), chance.normal(size=2000)
    mask = chance.random(2000) < density
    method = rewiring(ratio="constant", start=None, rewire="constant_density", exchange=0.3, grows="anywhere")
    rows = [[torch.tensor(a)[None]] for a in (weight, mask, np.abs(gradient))]
    [new], [went], [came] = rewired(*rows, [torch.zeros(1, dtype=torch.float64)], method, 0.3, 0)
    expected, _, fresh = rigl(weight, mask, gradient, 0.3)
    assert np.array_equal(new[0].numpy(), expected) and np.array_equal(came[0].numpy(), fresh)
    assert np.array_equal(went[0].numpy(), mask & ~expected) and expected.sum() == mask.sum()
    assert fresh.sum() < int(0.3 * mask.sum())  # some of those dropped came back: they have not moved


@pytest.mark.parametrize("start", [1.0, 0.6])
def test_granet_shrinks_and_exchanges_as_the_reference(start):
    """What the cut takes and growth gives back starts anew; what the exchange takes and gives back has not
    moved."""
    chance = np.random.default_rng(8)
    weight, gradient = chance.normal(size=1000), chance.normal(size=1000)
    mask = chance.random(1000) < start
    total = 150
    cut = mask.copy()
    cut[np.argsort(np.where(mask, np.abs(weight), np.inf))[:total]] = False
    expected, _, fresh = rigl(weight, cut, gradient, 0.4)
    method = rewiring(
        ratio="cubic", start=1.0, scope="global", growth="gradient", exchange=0.4, grows="anywhere"
    )
    rows = [[torch.tensor(a)[None]] for a in (weight, mask, np.abs(gradient))]
    share = [torch.tensor([total / mask.sum()], dtype=torch.float64)]
    [new], _, [came] = rewired(*rows, share, method, 0.4, total)
    assert np.array_equal(new[0].numpy(), expected) and np.array_equal(came[0].numpy(), fresh)
    assert (fresh & mask).any()


def sap(row, p, q, eta, gamma, beta):
    """How many weights of a row go by SAP's rule: m is rounded up,
    then the number that goes is rounded down (as fractions)."""
    d = len(row)
    means = [(np.abs(row) ** power).mean() ** (1 / power) for power in (p, q)]
    m = math.ceil(d * (1 + eta) ** (q / (p - q)) * (means[0] / means[1]) ** (p * q / (q - p)))
    return math.floor(d * min(max(Fraction(str(gamma)) * (1 - Fraction(m, d)), 0), Fraction(str(beta))))


@pytest.mark.parametrize(("gamma", "p", "q"), [(1.2, 0.5, 1.0), (1.0, 0.5, 1.0), (3.0, 1.0, 2.0)])
@pytest.mark.parametrize("size", [1, 9, 75])
def test_small_scopes_lose_as_many_as_in_sap(size, gamma, p, q):
    chance = np.random.default_rng(size)
    weight = chance.normal(size=(400, size))
    active = np.ones_like(weight, dtype=bool)
    active[:, ::3] = chance.random(active[:, ::3].shape) < 0.5
    method = rewiring(scope="neuron", rewire="shrink_only", growth="none", gamma=gamma, p=p, q=q)
    rows = [[torch.tensor(a)] for a in (weight, active)]
    ratios, seen = shares(*rows, method, None)
    [new], _, _ = rewired(*rows, None, ratios, method, None, 10**9)
    expected = [
        sap(w[on], p, q, 0.001, gamma, 0.9) if on.any() else 0 for w, on in zip(weight, active, strict=True)
    ]
    assert (active.sum(1) - new.sum(1).numpy()).tolist() == expected
    left = seen[0]["bound"].numpy() * active.sum(1)
    assert np.allclose(left, left.round())
