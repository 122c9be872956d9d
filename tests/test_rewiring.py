"""One update of a weight mask, against loops over single scopes (methods B10)."""

import pytest
import torch

from lib.pruning.rewiring import SCOPES, lowest, protected, rewired, unrows, whole
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
    assert lowest(score, among, torch.tensor([1, 2])).tolist() == [[False, True, False, False], [False, True, True, False]]
    assert lowest(score, among, torch.tensor([2, 9])).tolist() == [[False, True, False, True], [False, True, True, True]]


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
            swap = int({"shrink+exchange": c * (1 - c), "constant_density": c, "shrink_only": 0}[mode] * d + 1e-9)
            swap = min(swap, int((~on).sum())) if growth else 0
            by_size = sorted(on.nonzero().flatten().tolist(), key=lambda i, w=w, row=row: abs(w[row, i].item()))
            removed = set(by_size[: gone + swap])
            back = set()
            if growth:
                off = sorted((~on).nonzero().flatten().tolist(), key=lambda i, n=number, row=row: -grown[n][row, i].item())
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
    shown, active = SCOPES["global"](protected([small, large])), SCOPES["global"]([torch.ones(2, 8, dtype=torch.bool)] * 2)
    method = rewiring(ratio="once", rewire="shrink_only", growth="none")
    [kept], _, _ = rewired(shown, active, None, [torch.tensor([0.5], dtype=torch.float64)], method, None, 16)
    first, _ = unrows([kept], [small, large])
    assert first.nonzero().tolist() == [[1, 3]] and kept.sum() == 16
