"""Results of a study that was never trained: every record as its trials ask for it, with numbers made up."""

from lib.report import results
from lib.settings import records

IDENTITY = {"study": "smoke", "stage": "channels", "task": "digits-vgg", "method": "sca", "seed": 0}
MEASURED = {
    "accuracy": 0.5,
    "validation": 0.5,
    "parameters": {"total": 1000},
    "synops": {"ac": 10.0, "mac": 1.0, "mac_x_T": 4.0},
    "flops": 40,
    "energy_pj": 13.6,
    "compact_difference": 0.0,
    "log": [{"epoch": 1, "validation": 0.5}],
}
SHARES = ["connectivity_all", "connectivity_prunable", "synapses_all", "synapses_prunable"]
MEASURED["parameters"] |= dict.fromkeys(SHARES, 0.25)


def fill(study, *stages: str) -> list:
    """Writes every run of some stages; returns their paths."""
    paths = []
    for stage, task, method, seed in results.expected(study):
        if stage in stages:
            identity = IDENTITY | {"stage": stage, "method": method, "seed": seed}
            identity["recipe"] = records.recipe(study, stage, task)
            trials = [trial.record | MEASURED for trial in study.trials(task, method)]
            paths.append(study.result_path(stage, task, method, seed))
            records.write(paths[-1], identity, trials, 1)
    return paths


def named(path) -> str:
    """What a refusal calls a run."""
    return f"{path.parent.name}/{path.name}"
