"""A network that is not yet taken over is told so, in one line, where one would give it by hand."""

from types import SimpleNamespace

import pytest
import torch
from helpers import make_net
from spikingjelly.activation_based import layer, neuron
from torch import nn

from lib import measure, models, training
from lib.core.errors import ConfigError
from lib.models import sparse
from lib.pruning import ScoreMeter, activity_scores, compact, prunable_channels
from lib.pruning.scores import weight_scores

THEIRS = nn.Sequential(layer.Conv2d(1, 2, 3), neuron.IFNode(), layer.Flatten(), layer.Linear(72, 10))

GIVEN = {
    "counting": lambda path: measure.synops(THEIRS, torch.zeros(1, 1, 8, 8)),
    "multiply-accumulates": lambda path: measure.flops(THEIRS, torch.zeros(1, 1, 8, 8)),
    "parameters": lambda path: measure.count_parameters(THEIRS),
    "rates": lambda path: measure.firing(THEIRS, torch.zeros(1, 1, 8, 8)),
    "scores of weights": lambda path: weight_scores(THEIRS, "filter_l1", torch.Generator()),
    "channels": lambda path: prunable_channels(THEIRS),
    "a pt file": lambda path: models.save(THEIRS, path / "net.pt"),
    "a safetensors file": lambda path: sparse.save(THEIRS, path / "net.safetensors"),
    "scores": lambda path: ScoreMeter(THEIRS, "firing_rate"),
    "removal": lambda path: compact(THEIRS, {}),
    "training": lambda path: training.Adopted(SimpleNamespace(), None, None, 0, THEIRS),
}


@pytest.mark.parametrize("call", GIVEN.values(), ids=GIVEN)
def test_a_network_that_is_none_of_the_study_is_named_and_the_way_is_told(call, tmp_path):
    with pytest.raises(ConfigError, match=r"^Sequential is no network of this study; lib\.models\.adopt"):
        call(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_score_is_told_what_there_is():
    net = make_net()
    with pytest.raises(ConfigError, match="'loudness' is not known; known are spike_abs_v"):
        activity_scores(net, "loudness", [])
    with pytest.raises(ConfigError, match="'loudness' is not known; known are bn_gamma"):
        weight_scores(net, "loudness", torch.Generator())


@pytest.mark.parametrize(("kept", "name"), [(models, "net.pt"), (sparse, "net.safetensors")])
def test_a_path_may_be_text(kept, name, tmp_path):
    net = make_net()
    kept.save(net, str(tmp_path / name))
    back = kept.load(str(tmp_path / name)).state_dict()
    assert all(torch.equal(tensor, back[key]) for key, tensor in net.state_dict().items())
