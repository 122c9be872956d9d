"""Points behind the dense network, from a training's last change on."""

import pandas as pd
import pytest

from lib.report import recovery, results


def rows(method: str, accuracies: list[float], changed: dict[int, float], seed: int = 0) -> pd.DataFrame:
    """One training. accuracies: after each epoch; changed: {epoch of an update: share switched}"""
    log = [{"epoch": number, "validation": each} for number, each in enumerate(accuracies, 1)]
    updates = [{"epoch": epoch, "changed": share} for epoch, share in changed.items()]
    which = dict.fromkeys(results.WHICH, "") | {"method": method, "label": method, "seed": seed, "ratio": 0.5}
    return pd.DataFrame([which | {"log": log, "updates": updates}])


DENSE = rows("dense", [0.3, 0.5, 0.6, 0.7], {})


def points(found: pd.DataFrame) -> dict:
    return dict(zip(found[recovery.SINCE], found[recovery.BEHIND].round(6), strict=True))


def test_it_begins_with_the_last_update_that_changed_something():
    once = rows("random", [0.3, 0.1, 0.4, 0.6], {2: 0.5, 3: 0.0})
    again = rows("sca", [0.3, 0.1, 0.2, 0.6], {2: 0.5, 3: 0.1})
    assert points(recovery.behind(once, DENSE)) == {0: 40, 1: 20, 2: 10}
    assert points(recovery.behind(again, DENSE)) == {0: 40, 1: 10}


def test_what_never_changes_and_what_has_no_dense_network_is_left_out():
    assert recovery.behind(rows("fixed", [0.3, 0.1], {}), DENSE).empty
    assert recovery.behind(rows("sca", [0.3, 0.1], {1: 0.5}, seed=1), DENSE).empty


def test_each_training_ends_where_it_ends():
    both = pd.concat([rows("a", [0.3, 0.1, 0.4, 0.6], {2: 0.5}), rows("b", [0.3, 0.5, 0.2, 0.5], {3: 0.1})])
    found = recovery.ends(recovery.behind(both, DENSE))
    assert found.loc[("a", 0.5)].tolist() == pytest.approx([40, 20, 10])
    assert found.loc[("b", 0.5)].tolist() == pytest.approx([40, 20, 20])


def test_a_training_that_changes_to_the_last_epoch_has_no_epoch_later():
    soft = rows("soft", [0.3, 0.1, 0.4, 0.6], {4: 0.5})
    found = recovery.ends(recovery.behind(soft, DENSE)).loc[("soft", 0.5)]
    assert found.isna().tolist() == [False, True, False]
    assert found["at the end"] == pytest.approx(10)
