"""Points behind the dense network, from a training's last change on."""

import pandas as pd
import pytest

from lib.report import recovery, results


def rows(
    method: str, accuracies: list[float], changed: dict[int, float], seed: int = 0, mode: str = "frozen"
) -> pd.DataFrame:
    """One training. accuracies: after each epoch; changed: {epoch of an update: share switched}"""
    log = [{"epoch": number, "validation": each} for number, each in enumerate(accuracies, 1)]
    updates = [{"epoch": epoch, "changed": share} for epoch, share in changed.items()]
    which = dict.fromkeys(results.WHICH, "") | {"method": method, "label": method, "seed": seed, "ratio": 0.5}
    return pd.DataFrame([which | {"log": log, "updates": updates, "settings": {"mode": mode}}])


DENSE = rows("dense", [0.3, 0.5, 0.6, 0.7], {})


def points(found: pd.DataFrame) -> dict:
    return dict(zip(found[recovery.SINCE], found[recovery.BEHIND].round(6), strict=True))


def test_it_begins_with_the_last_update_that_changed_something():
    once = rows("random", [0.3, 0.1, 0.4, 0.6], {2: 0.5, 3: 0.0})
    again = rows("sca", [0.3, 0.1, 0.2, 0.6], {2: 0.5, 3: 0.1})
    assert points(recovery.behind(once, DENSE)) == {0: 40, 1: 20, 2: 10}
    assert points(recovery.behind(again, DENSE)) == {0: 40, 1: 10}


def test_an_update_that_changes_nothing_is_left_out_unless_it_is_soft():
    changed = {2: 0.5, 3: 0.0, 4: 0.1}
    both = pd.concat([rows("random", [0.3] * 4, changed), rows("soft", [0.3] * 4, changed, mode="soft")])
    assert [[each["epoch"] for each in one] for one in recovery.changing(both)] == [[2, 4], [2, 3, 4]]


def test_what_never_changes_and_what_has_no_dense_network_is_left_out():
    assert recovery.behind(rows("fixed", [0.3, 0.1], {}), DENSE).empty
    assert recovery.behind(rows("sca", [0.3, 0.1], {1: 0.5}, seed=1), DENSE).empty
    nothing = recovery.behind(rows("sca", [0.3, 0.1], {1: 0.5}), DENSE[:0])
    assert nothing.empty and recovery.SINCE in nothing


def test_each_training_ends_where_it_ends():
    both = pd.concat([rows("a", [0.3, 0.1, 0.4, 0.6], {2: 0.5}), rows("b", [0.3, 0.5, 0.2, 0.5], {3: 0.1})])
    found = recovery.ends(recovery.behind(both, DENSE))
    assert found.loc[("a", 0.5)].tolist() == pytest.approx([40, 20, 10])
    assert found.loc[("b", 0.5)].tolist() == pytest.approx([40, 20, 20])


def test_a_training_that_changes_to_the_last_epoch_has_no_epoch_later():
    late = rows("sca", [0.3, 0.1, 0.4, 0.6], {4: 0.5})
    found = recovery.behind(late, DENSE)
    assert recovery.ends(found).loc[("sca", 0.5)].isna().tolist() == [False, True, False]
    assert recovery.won_back(found).empty


def test_in_soft_mode_each_update_is_a_change():
    """It sets the channels that are off to zero anew, even where they are the same."""
    soft = rows("soft", [0.3, 0.1, 0.4, 0.6], {2: 0.5, 3: 0.0}, mode="soft")
    assert points(recovery.behind(soft, DENSE)) == {0: 20, 1: 10}


def test_a_mean_is_of_all_seeds():
    """One seed changed an epoch later than the other: the last epoch of the other stands alone."""
    other = rows("dense", [0.3, 0.5, 0.6, 0.7], {}, seed=1)
    both = [rows("a", [0.3, 0.1, 0.4, 0.6], {2: 0.5}), rows("a", [0.3, 0.5, 0.2, 0.5], {3: 0.1}, seed=1)]
    found = recovery.behind(pd.concat(both), pd.concat([DENSE, other]))
    assert sorted(found[recovery.SINCE]) == [0, 0, 1, 1]
    assert recovery.ends(found).loc[("a", 0.5), "at the end"] == pytest.approx(20)


def test_what_is_won_back_is_told_of_each_training():
    found = recovery.won_back(recovery.behind(rows("a", [0.3, 0.1, 0.4, 0.6], {2: 0.5}), DENSE))
    assert found["points"].tolist() == pytest.approx([10]) and found["seed"].tolist() == [0]
