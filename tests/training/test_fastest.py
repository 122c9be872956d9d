"""What a processor computes fastest is measured, once, and a stopped training keeps it."""

import pytest
import torch
from helpers import task_of

from lib.settings import DENSE, Fast
from lib.training import Run, fastest


@pytest.fixture
def measured(monkeypatch):
    """Sets the seconds that each way takes, by (the layer's shape, its options)."""

    def set_to(table: dict) -> Fast:
        fastest.fastest.cache_clear()
        monkeypatch.setattr(
            fastest,
            "seconds",
            lambda shape, *ways: [table[shape, tuple(sorted(way.items()))] for way in ways],
        )
        return fastest.fastest()

    yield set_to
    fastest.fastest.cache_clear()


def table(bf16: float, products: float, multiple: float) -> dict:
    """Shares of the plain way's time; with bf16 all take half."""
    found = {(fastest.TYPICAL, ()): 1.0, (fastest.TYPICAL, (("bf16", True),)): bf16}
    for half in (False, True):
        precision = ("bf16", half)
        found[fastest.SMALL, (precision,)] = found[fastest.ODD, (precision,)] = 0.5
        found[fastest.SMALL, (precision, ("products", True))] = 0.5 * products
        found[fastest.ODD, (precision, ("multiple", 16))] = 0.5 * multiple
    return found


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ((0.5, 0.4, 0.3), (True, True, 16)),
        ((0.5, 0.4, 1.1), (True, True, 1)),
        ((1.8, 0.9, 0.9), (False, False, 1)),
        ((0.79, 0.81, 0.79), (True, False, 16)),
    ],
)
def test_what_takes_a_fifth_less_time_is_chosen(measured, shares, chosen):
    found = measured(table(*shares))
    assert (found.bf16, found.products, found.multiple) == chosen and found.channels_last


def test_a_convolution_is_timed_here_in_every_way():
    ways = {}, {"bf16": True}, {"products": True}, {"multiple": 16}
    found = fastest.seconds((33, 17, 2), *ways)
    assert len(found) == len(ways) and all(0 < took < 10 for took in found)


def measured_task():
    return task_of(epochs=2).model_copy(update={"fast": Fast(measured=True)})


def test_a_stopped_training_goes_on_as_it_was_computed_before(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(fastest, "fastest", lambda: Fast(multiple=16))
    Run(few_digits, measured_task(), DENSE, 0).fit("first", tmp_path / "kept.pt", until=1)
    monkeypatch.setattr(fastest, "fastest", lambda: Fast(products=True))
    second = Run(few_digits, measured_task(), DENSE, 0)
    assert second.net.fast.products and second.resume(tmp_path / "kept.pt")
    assert second.net.fast == Fast(multiple=16)
    assert second.net.stack[2].multiple == 16 and not second.net.stack[2].products


def test_measuring_draws_nothing_from_the_seed(few_digits, monkeypatch):
    def noisy():
        torch.rand(7)
        return Fast()

    monkeypatch.setattr(fastest, "fastest", noisy)
    given = Run(few_digits, task_of(), DENSE, 0).net.state_dict()
    found = Run(few_digits, measured_task(), DENSE, 0).net.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in given.items())
