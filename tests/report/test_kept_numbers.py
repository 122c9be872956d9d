"""The committed results hold together: sums over layers, energies, and empty places."""

import json

import pytest

from lib.settings.config import ROOT

TRIALS = [
    (record, trial)
    for path in sorted((ROOT / "results").glob("*/*/*/*/*.json"))
    for record in [json.loads(path.read_text())]
    for trial in record["trials"]
]
CHOOSES = {"attention", "skip"}
PRUNES_NOTHING = ("dense", "baselines")


def named(pair) -> str:
    record, trial = pair
    return (
        f"{record['study']}, {record['stage']}, {record['task']}, {record['method']}, seed {record['seed']}"
    )


@pytest.mark.parametrize("unit", ["ac", "mac", "mac_x_T"])
def test_operations_are_the_sums_of_their_layers(unit):
    for pair in TRIALS:
        ops = pair[1]["synops"]
        assert sum(layer[unit] for layer in ops["layers"].values()) == pytest.approx(ops[unit], rel=1e-4), (
            named(pair)
        )


def test_energy_is_that_of_the_operations():
    for pair in TRIALS:
        ops = pair[1]["synops"]
        assert 0.9 * ops["ac"] + 4.6 * ops["mac"] == pytest.approx(pair[1]["energy_pj"], rel=1e-4), named(
            pair
        )


def test_heads_read_means_of_spikes_and_cost_no_mac():
    for pair in TRIALS:
        assert pair[1]["synops"]["layers"]["head"]["mac"] == 0 < pair[1]["synops"]["layers"]["head"]["ac"], (
            named(pair)
        )


def test_choosing_tokens_is_charged_to_those_that_compute_something_for_it():
    rules = set()
    for pair in TRIALS:
        rule = pair[1].get("settings", {}).get("rule")
        charged = any("choice" in layer for layer in pair[1]["synops"]["layers"])
        rules.add(rule)
        assert charged == (rule in CHOOSES), named(pair)
    assert rules >= CHOOSES


def test_where_nothing_may_be_removed_no_share_is_given():
    for pair in TRIALS:
        record, trial = pair
        nothing = record["stage"] in PRUNES_NOTHING or trial.get("settings", {}).get("kind") == "select"
        shares = {key: value for key, value in trial["parameters"].items() if key.endswith("_prunable")}
        assert all((value is None) == nothing for value in shares.values()), named(pair)


def test_the_density_of_single_weights_is_their_share_over_what_may_be_removed():
    for pair in TRIALS:
        trial = pair[1]
        if trial["parameters"]["connectivity_prunable"] is not None and "density" in trial:
            assert trial["parameters"]["connectivity_prunable"] == pytest.approx(
                trial["density"], rel=1e-4
            ), named(pair)


def test_what_is_estimated_is_said_and_only_in_results_that_an_earlier_code_made():
    told = {(record["study"], record["method"]) for record, _ in TRIALS if record.get("estimated")}
    assert told == {("small", "skip"), ("small", "tickets-all"), ("small", "tickets-learned")}
