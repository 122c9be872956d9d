"""The results of a study in one flat table: a row a trial, units in the names of the columns.

What has not been trained yet is a missing row. What was made with other settings than params.yaml asks
for now is an error.
"""

import math

import pandas as pd

from lib.core.errors import pick
from lib.core.files import write_text
from lib.report import stats
from lib.settings import STAGES, Study, records

# what says which trial a row is
WHICH = ["stage", "task", "method", "label", "variant", "at", "ratio", "rho", "target density (%)", "seed"]
# what a trial holds a list or a dict of; `unfold` makes rows of it
NESTED = ["log", "updates", "widths", "channels", "firing", "scores", "layers", "kinds", "tokens", "settings"]

COSTS = {"parameters": "parameters", "AC": "SynOps", "energy (nJ)": "energy"}  # columns, in words
SHOWN = 6  # records that a message names


def expected(study: Study, stages: tuple[str, ...] = (), task: str = "") -> list[tuple[str, str, str, int]]:
    """(stage, task, method, seed) of all that the grid asks for, or of some stages and of a task alone."""
    return [
        (name, each, method, seed)
        for name in stages or STAGES
        for each in getattr(study.grid, STAGES[name].grid)
        if each == (task or each)
        for method in study.group(name)
        for seed in study.seeds(each, method)
    ]


def table(study: Study, *stages: str, task: str = "") -> pd.DataFrame:
    """One row a trial that has been trained, in the order of params.yaml.

    stages, task: what to read; without them all. A figure reads what it draws: what another stage left with
    older settings is no reason to refuse it.

    Columns: WHICH, what `measured` gives, and NESTED.
    raises: lib.settings.records.ResultsError that names every record that is not what params.yaml asks for
    """
    rows = []
    wrong = []
    for stage, each, method, seed in expected(study, stages, task):
        try:
            trials = records.read(study, stage, each, method, seed)
        except records.Missing:
            continue
        except records.ResultsError as error:
            wrong.append(f"{stage}/{error}")
            continue
        label = study.labels.get(method, study.group(stage)[method].label if method != "dense" else method)
        named = {"stage": stage, "task": each, "method": method, "label": label, "seed": seed}
        rows += [named | asked(study, method, trial) | measured(trial) for trial in trials]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        told = ", ".join(wrong[:SHOWN]) + more
        raise records.ResultsError(f"results/{study.study}: {told}; run `make repro`")
    if not rows:
        what = f"nothing of {task}" if task else "nothing"
        raise records.ResultsError(f"results/{study.study}: {what} has been trained yet; run `make repro`")
    found = pd.DataFrame(rows)
    return whole_training(
        study, found.reindex(columns=[*WHICH, *found.columns.difference(WHICH, sort=False)])
    )


def asked(study: Study, method: str, trial: dict) -> dict:
    """What a trial was asked for. at: in words, "" where nothing is removed."""
    density = trial.get("target_density")
    told = (
        f"ratio {trial['ratio']:g}" if "ratio" in trial else f"rho {trial['rho']:g}" if "rho" in trial else ""
    )
    if density is not None and density < 1:
        told = f"density {100 * density:.3g} %"
    keeps_all = method in study.tokens and getattr(study.tokens[method], "rule", "") == "all"
    return {
        "variant": ", ".join(f"{key} {value}" for key, value in trial.get("variant", {}).items()),
        "at": "" if method == "dense" or keeps_all else told,
        "ratio": trial.get("ratio", math.nan),
        "rho": trial.get("rho", math.nan),
        "target density (%)": percent(density),
    }


def measured(trial: dict) -> dict:
    """Everything measured of a trial: sizes, operations a sample, shares in percent, nested values as is.

    A column is empty for the stages that do not measure it.
    """
    parameters = trial["parameters"]
    operations = trial["synops"]
    size = trial.get("bytes", {})
    updates = trial.get("updates") or []
    flat = {
        "accuracy (%)": 100 * trial["accuracy"],
        "validation (%)": 100 * trial["validation"],
        "parameters": parameters["total"],
        "parameters left (%)": percent(parameters["connectivity_all"]),
        "prunable parameters left (%)": percent(parameters["connectivity_prunable"]),
        "synapses left (%)": percent(parameters["synapses_all"]),
        "prunable synapses left (%)": percent(parameters["synapses_prunable"]),
        "density (%)": percent(trial.get("density")),
        "AC": operations["ac"],
        "MAC": operations["mac"],
        "MAC x T": operations["mac_x_T"],
        "MAC, every layer dense": trial["flops"],
        "energy (nJ)": trial["energy_pj"] / 1e3,
        "silent channels (%)": percent(trial.get("silent")),
        "file (bytes)": size.get("sparse", math.nan),
        "file, every weight (bytes)": size.get("dense", math.nan),
        "masked - removed (logits)": trial["compact_difference"],
        "epochs": len(trial["log"]),
        "last update (epoch)": updates[-1]["epoch"] if updates else math.nan,
    }
    return flat | {name: trial.get(name) for name in NESTED}


def percent(share: float | None) -> float:
    """nan where it was not measured."""
    return math.nan if share is None else 100 * share


def whole_training(study: Study, found: pd.DataFrame) -> pd.DataFrame:
    """epochs: with those of the dense network that a student starts from; empty where that one is missing."""
    dense = found[found["method"] == "dense"].set_index(["task", "seed"])["epochs"]
    before = dense.reindex(pd.MultiIndex.from_frame(found[["task", "seed"]])).to_numpy()
    scratch = [name for name, method in study.tokens.items() if getattr(method, "start", "") == "scratch"]
    students = found["stage"].eq("tokens") & ~found["method"].isin(scratch)
    return found.assign(epochs=(found["epochs"] + before).where(students, found["epochs"]))


def write_table(study: Study, name: str, rows: pd.DataFrame, text: str, kind: str = "md") -> None:
    """tables/<study>/<name>.csv of the rows, and a text beside it: Markdown, or JSON for `dvc metrics`."""
    write_text(study.tables / f"{name}.csv", rows.to_csv(index=False))
    write_text(study.tables / f"{name}.{kind}", text.rstrip() + "\n")


def as_rows(shown: pd.DataFrame) -> str:
    """Markdown, of text as it is; a bar in a name, as in |V|, does not end its column."""
    text = shown.astype("str").map(lambda each: each.replace("|", r"\|"))
    return text.to_markdown(index=False, disable_numparse=True)


def unfold(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row for each item of a nested column, beside WHICH.

    An item of a list is a dict, whose keys become columns; an item of a dict becomes `layer` and `value`.
    """
    long = []
    for which, nested in zip(rows[WHICH].to_dict("records"), rows[column], strict=True):
        if isinstance(nested, dict):
            long += [which | {"layer": layer, "value": value} for layer, value in nested.items()]
        else:
            long += [which | item for item in nested or []]
    return pd.DataFrame(long, columns=None if long else [*WHICH, "layer", "value"])


def chosen(study: Study, stage: str, which: str = "") -> str:
    """The task of a stage that its figures draw: the first that it runs, or `which`.

    raises: lib.settings.records.ResultsError, where it runs none; ConfigError, where none has that name
    """
    names = getattr(study.grid, STAGES[stage].grid)
    if not names:
        raise records.ResultsError(
            f"grid.{STAGES[stage].grid}: names no task: nothing of {stage} is drawn; name one of `tasks`"
        )
    if which:
        pick(dict.fromkeys(names), which, f"which, a task of {stage} in study {study.study}")
    return which or names[0]


def first(study: Study, found: pd.DataFrame, stage: str, which: str = "") -> tuple[str, pd.DataFrame]:
    """The `chosen` task, and the rows of both.

    raises: as `chosen` does, and lib.settings.records.ResultsError, where there are no rows
    """
    task = chosen(study, stage, which)
    rows = found[(found["stage"] == stage) & (found["task"] == task)]
    if rows.empty:
        raise records.ResultsError(
            f"results/{study.study}/{stage}: nothing of {task} has been trained yet; run `make repro`"
        )
    return task, rows


def common(rows: pd.DataFrame) -> float:
    """The density (%) at which most methods stand beside each other; the largest of several."""
    methods = rows.groupby("target density (%)")["method"].nunique()
    return methods[methods == methods.max()].index.max()


def progress(study: Study, rows: pd.DataFrame) -> str:
    """How many seeds each trial has: "n = 3 seeds"; "n = 1 to 2 of 3 seeds" of a study in progress."""
    if rows.empty:
        return f"n = 0 of {len(study.grid.seeds)} seeds"
    which = ["stage", "task", "method", "variant", "at"]
    counts = rows.groupby(which, dropna=False)["seed"].nunique()
    asked = [len(study.seeds(task, method)) for _, task, method, *_ in counts.index]
    found = stats.span(counts)
    if list(counts) == asked:
        return f"n = {found} seed{'s' if found != '1' else ''}"
    return f"n = {found} of {stats.span(asked)} seeds"
