"""The PQ index, its bound and its ratio against closed forms (methods 2.5) and a loop that reads like the
equations."""

import math

import pytest
import torch

from lib import pruning
from lib.pruning.compressibility import bound, index, rewiring_ratio, whole_bound


def gaussian(n, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize(("p", "q"), [(0.5, 1.0), (1.0, 2.0), (0.1, 3.0)])
def test_equal_weights_have_index_0_and_one_among_zeros_the_largest(p, q, size):
    assert pruning.pq_index(torch.full((100,), size), p, q) == pytest.approx(0, abs=1e-12)
    one = torch.zeros(100)
    one[7] = -size
    assert pruning.pq_index(one, p, q) == pytest.approx(1 - 100 ** (1 / q - 1 / p), abs=1e-12)


def test_a_gaussian_has_the_closed_form():
    w = gaussian(1_000_000)
    found = pruning.pq_index(w)
    half = 2**0.25 * math.gamma(0.75) / math.sqrt(math.pi)  # E|w|^0.5
    assert found == pytest.approx(1 - half**2 / math.sqrt(2 / math.pi), abs=1e-3)
    assert found == pytest.approx(0.1528, abs=1e-3)
    assert bound(torch.tensor(found), 0.5, 1.0, 0.001).item() == pytest.approx(0.8455, abs=1e-3)
    assert pruning.pq_index(w, 1.0, 2.0) == pytest.approx(1 - math.sqrt(2 / math.pi), abs=1e-3)


def test_density_falls_as_the_closed_form_if_weights_are_gaussian_again():
    density = 0.5
    for k in range(1, 9):
        found = torch.tensor(pruning.pq_index(gaussian(200_000, k)))
        c = rewiring_ratio(bound(found, 0.5, 1.0, 0.001), 1.0, 0.9).item()
        density *= 1 - c
        assert density == pytest.approx(0.5 * 0.846**k, rel=0.01)


def test_rows_are_read_each_by_itself_and_only_where_they_are_active():
    w, active = (
        gaussian(5 * 60, 3).view(5, 60),
        torch.rand(5, 60, generator=torch.Generator().manual_seed(1)) < 0.6,
    )
    active[4] = False
    found = index(w, active, 0.5, 1.0)
    for row in range(4):
        kept = w[row][active[row]].abs().tolist()
        mean_p, mean_q = (sum(a**power for a in kept) / len(kept) for power in (0.5, 1.0))
        assert found[row].item() == pytest.approx(1 - mean_p**2 / mean_q, abs=1e-12)
    assert found[4] == 0
    assert torch.equal(index(torch.where(active, w, 1e6), active, 0.5, 1.0), found)
    assert torch.allclose(index(-3e-9 * w, active, 0.5, 1.0), found, atol=1e-12)


def test_no_weights_and_weights_that_are_all_zero_have_index_0():
    assert pruning.pq_index(torch.zeros(10)) == pruning.pq_index(torch.zeros(0)) == 0


def test_the_bound_holds_what_it_promises():
    """With m of d weights left, the rest holds at most eta times as much of the p-norm (B2)."""
    w = gaussian(10_000).abs().sort(descending=True).values
    m = math.ceil(bound(torch.tensor(pruning.pq_index(w)), 0.5, 1.0, 0.001).item() * len(w))
    r = next(r for r in range(1, len(w) + 1) if (w[r:] ** 0.5).sum() <= 0.001 * (w[:r] ** 0.5).sum())
    assert r >= m


def test_the_ratio_is_scaled_and_cut():
    least = bound(torch.tensor([0.0, 0.2, 0.99], dtype=torch.float64), 0.5, 1.0, 0.0)
    assert rewiring_ratio(least, 1.0, 0.9).tolist() == pytest.approx([0.0, 0.2, 0.9])
    assert rewiring_ratio(least, 1.2, 0.9).tolist() == pytest.approx([0.0, 0.24, 0.9])


def test_whole_weights_remain_and_a_scope_without_any_loses_none():
    """9 weights at index 0.2: 7.2 must remain, so 8 do; 10 weights: exactly 8.
    eta of 0.001 takes its own share off."""
    found, d = torch.tensor([0.2, 0.2, 0.2, 0.0, 0.0], dtype=torch.float64), torch.tensor([9, 10, 1, 7, 0])
    assert (whole_bound(found, d, 0.5, 1.0, 0.0) * d).tolist() == pytest.approx([8, 8, 1, 7, 0])
    assert (whole_bound(found, d, 0.5, 1.0, 0.2) * d).tolist() == pytest.approx(
        [5, 6, 1, 5, 0]
    )  # 0.8 / 1.44 of them
    assert whole_bound(found, d, 0.5, 1.0, 0.2)[4] == 1


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (-1.0, 1.0)])
def test_powers_in_the_wrong_order_are_refused(p, q):
    with pytest.raises(ValueError, match=f"p = {p}, q = {q}: the PQ index needs 0 < p < q"):
        pruning.pq_index(torch.ones(3), p, q)
