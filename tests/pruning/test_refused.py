"""A reader's own exchange schedule or rule for tokens is refused where it is used, not only by the check
before."""

import pytest
import torch
from helpers import make_net

from lib import models
from lib.core.errors import CriterionError
from lib.pruning import WeightPruner
from lib.pruning.schedules import REGROW_SCHEDULES
from lib.settings import Rewire, Rewiring

SET = {"ratio": "constant", "start": None, "rewire": "constant_density", "exchange": 0.3}


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan"), None])
def test_an_exchange_out_of_its_range_is_refused_before_the_first_epoch(share, monkeypatch):
    monkeypatch.setitem(REGROW_SCHEDULES, "decay", lambda progress, start: start if progress < 0.7 else share)
    method = Rewiring(kind="rewiring", label="SET", exchange_schedule="decay", **SET)
    timing = Rewire(warmup=1, interval=1, stop=1.0)
    with pytest.raises(
        CriterionError, match=r"^exchange_schedule decay, update 3 of 3: returned .* in \[0, 1\)$"
    ):
        WeightPruner(make_net(), method, 0.5, 4, timing, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: torch.full(x.shape[1:3], torch.nan), "returned nan"),
        (lambda x: x.mean(0), "returned torch.float32 of shape"),
        (lambda x: None, "returned None"),
    ],
)
def test_what_a_rule_for_tokens_returns_is_looked_at(wrong, said, training, monkeypatch):
    selector = {"rho": 0.5, "rule": "random"}
    net = models.build("spikformer-digits", 10, (1, 8, 8), 2, selector=selector).train(training)
    monkeypatch.setattr(net.selector, "score", lambda number, x, before: wrong(x))
    with pytest.raises(CriterionError, match=f"^rule random: {said}"):
        net(torch.randn(4, 1, 8, 8))
