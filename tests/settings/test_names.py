"""The names that params.yaml may hold are those of the registries; a data set is what its record says."""

from typing import get_args

import numpy as np
import pytest

from lib import data, models, pruning, training
from lib.data import datasets
from lib.models.neurons import NEURONS
from lib.models.tokens import RULES
from lib.pruning.members import MEMBERS
from lib.pruning.rewiring import REWIRE, SCOPES, WEIGHT_GROWTH
from lib.pruning.schedules import DENSITY_SCHEDULES
from lib.pruning.sparse_init import DENSITY
from lib.pruning.thresholds import SHOWN
from lib.settings import DATASETS, Method, Rewiring, Select, Threshold
from lib.settings.method import Growth, Members, Score
from lib.settings.task import Augment, LrSchedule, Net, Neuron


def choices(model, field: str) -> tuple:
    return get_args(model.model_fields[field].annotation)


@pytest.mark.parametrize(
    ("names", "registry"),
    [
        (get_args(Net), models.FAMILIES),
        (get_args(Neuron), NEURONS),
        (get_args(Augment), data.AUGMENT),
        (get_args(LrSchedule), training.LR_SCHEDULES),
        (get_args(Score), pruning.SCORES),
        (get_args(Growth), pruning.GROWTH),
        (get_args(Members), MEMBERS),
        (choices(Method, "ratio_schedule"), pruning.RATIO_SCHEDULES),
        (choices(Method, "regrow_schedule"), pruning.REGROW_SCHEDULES),
        (choices(Rewiring, "exchange_schedule"), pruning.REGROW_SCHEDULES),
        (choices(Rewiring, "ratio"), ["pq", *DENSITY_SCHEDULES]),
        (choices(Rewiring, "scope"), SCOPES),
        (choices(Rewiring, "rewire"), REWIRE),
        (choices(Rewiring, "growth"), [*WEIGHT_GROWTH, "none"]),
        (choices(Rewiring, "init"), DENSITY),
        (choices(Threshold, "rule"), SHOWN),
        (choices(Select, "rule"), [*RULES, "all"]),
    ],
)
def test_the_names_that_are_allowed_are_those_of_the_registry(names, registry):
    assert sorted(names) == sorted(registry)


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_a_reader(name):
    assert callable(getattr(datasets, DATASETS[name].reader))


@pytest.mark.parametrize("name", [name for name in DATASETS if name.startswith("digits")])
def test_a_prepared_set_is_what_its_record_says(name, tmp_path):
    """The others are the raw files' own matter: tests/data reads those."""
    record = DATASETS[name]
    data.save(data.prepare(name, tmp_path, 0.2, 2020, images=100), tmp_path / "it.npz")
    splits = data.load(tmp_path / "it.npz")
    assert (splits.in_shape, splits.classes, splits.events) == (record.shape, record.classes, record.events)
    kept = splits.train[0].kept
    assert kept.shape[1] == record.frames if record.events else kept.dim() == 4
    assert np.prod(kept.shape[-3:]) == np.prod(record.shape)
