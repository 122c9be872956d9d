"""What a study found: its results in one table, and every question that they can answer, in a line each."""

import pandas as pd

from lib import claims, results, stats
from lib.config import Study

EQUAL = {
    "Does a score beat random channels at equal parameters, whatever the ratios?": "parameters",
    "Does it at equal SynOps (AC a sample)?": "synops",
}
MATCHED = 0.1  # of a size, by which two networks may differ and still count as equally large
SILENT = "How many of the channels that are left never fire? (A12)"
PLACES = "Where in a Spikformer do the weights go, and is its MLP redundant? (C13)"
COLLAPSE = "How much of its thinnest layer does a network keep?"
UPDATE = "From what to what does the first update take validation accuracy?"
UPDATED = "sca", "only-prune", "sca-plus"
THINNEST = "sca", "sca-literal", "only-prune", "random", "sca-plus", "normalise True", "score firing_rate", "score bn_gamma"


def runs(study: Study) -> pd.DataFrame:
    """One row a training, with all that was measured; method: of an ablation what it varies; at: what it was asked for, "" if
    nothing goes; accuracy, density, silent in percent; parameters and synops (AC a sample) as numbers."""
    stages = {
        "dense": ["dense"],
        "channels": study.methods,
        "ablate": study.ablations,
        "controls": study.controls,
        "weights": study.weights,
        "tokens": study.tokens,
    }
    table = pd.concat([results.load(study, stage, methods) for stage, methods in stages.items()], ignore_index=True)
    every = {name for name, method in study.tokens.items() if method.kind == "select" and method.rule == "all"}
    return table.assign(
        method=[varied(run.variant) or run.method for run in table.itertuples()],
        at=["" if run.method in {"dense"} | every else asked(run) for run in table.itertuples()],
        accuracy=100 * table["accuracy"],
        density=100 * table["density"],
        parameters=[counts["total"] for counts in table["parameters"]],
        synops=[counts["ac"] for counts in table["synops"]],
        silent=100 * table["silent"],
    )


def varied(variant) -> str:
    """{"score": "abs_v"} -> "score abs_v"; "" of what is no ablation."""
    return ", ".join(f"{key} {value}" for key, value in variant.items()) if isinstance(variant, dict) else ""


def asked(run) -> str:
    """What one training was asked for, as a reader is told it."""
    if not pd.isna(run.asked) and run.asked < 1:
        return f"density {100 * run.asked:.3g} %"
    return f"ratio {run.ratio:g}" if pd.isna(run.rho) else f"rho {run.rho:g}"


def channels(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The trainings of networks that are pruned by channels, with what is left of the thinnest layer, in percent."""
    rows = table[table["cell"].isin(study.grid.pruned) & table["widths"].notna() & table["at"].str.startswith("ratio")]
    rows = rows[rows["method"].isin(THINNEST)]
    return rows.assign(
        thinnest=[100 * min(k / run.channels[layer] for layer, k in run.widths.items()) for run in rows.itertuples()]
    )


def over_runs(table: pd.DataFrame, values: tuple[str, ...], labels: dict[str, str]) -> str:
    """Means and intervals of shares in percent, of each way of training in each cell."""
    told = []
    for (cell, at, method), group in table.groupby(["cell", "at", "method"], sort=False):
        means = " to ".join("{:.1f} ± {:.1f} %".format(*stats.interval(group[value])) for value in values)
        told.append(f"{claims.label(method, labels)} {means} at {at} of {cell}")
    return "; ".join(told)


def matched(table: pd.DataFrame, measure: str, labels: dict[str, str]) -> str:
    """Methods with a score beside random channels where both are as large by `measure`, each at a ratio of its own."""
    size = table.groupby(["cell", "method", "at"])[measure].transform("mean")
    chance, scored = (table.assign(size=size)[table["method"].eq("random") == same] for same in (True, False))
    both = scored.merge(chance, on=["cell", "seed"], suffixes=("_ours", "_theirs"))
    both = both[(both["size_ours"] / both["size_theirs"] - 1).abs() <= MATCHED]
    told = []
    for (cell, method, at, other), rows in both.groupby(["cell", "method_ours", "at_ours", "at_theirs"], sort=False):
        mean, half = stats.interval(rows["accuracy_ours"] - rows["accuracy_theirs"])
        words = claims.verdict(mean, half, len(rows), claims.Claim("", ""))
        names = f"{claims.label(method, labels)} ({at}) against random ({other})"
        told.append(f"{names} {mean:+.1f} ± {half:.1f} points at {rows['size_ours'].mean() / 1e3:.0f} K of {cell} ({words})")
    return "; ".join(told)


def places(table: pd.DataFrame, labels: dict[str, str]) -> str:
    """Where a transformer's weights go: what is left of each kind of layer, and of the MLP beside the whole."""
    told = []
    tickets = table[table["kinds"].notna() & table["at"].str.startswith("density")]
    for (cell, at, method), group in tickets.groupby(["cell", "at", "method"], sort=False):
        left = pd.DataFrame([{kind: 100 * some / every for kind, (some, every) in kinds.items()} for kinds in group["kinds"]])
        mean, half = stats.interval(left["MLP"].to_numpy() - group["density"].to_numpy())
        words = claims.verdict(mean, half, len(group), claims.Claim("", "", claims.SPARSE, False))
        kinds = ", ".join(f"{kind} {share:.0f}" for kind, share in left.mean().items())
        beside = f"the MLP {mean:+.1f} ± {half:.1f} against all ({words})"
        told.append(f"{labels[method]} keep {kinds} % at {at} of {cell}, {beside}")
    return "; ".join(told)


def after_updates(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds the validation accuracy just before the first update and just after it, in percent."""
    first = [next((row for row in run.log if "before_update" in row), None) for run in rows.itertuples()]
    rows = rows[[row is not None for row in first]]
    first = [row for row in first if row]
    return rows.assign(before=[100 * row["before_update"] for row in first], after=[100 * row["validation"] for row in first])


def answers(study: Study) -> dict[str, str]:
    """{question: answer}, of the questions that the study's results can answer. raises: ResultsError as `lib.results.load`"""
    table = runs(study)
    named = study.methods | study.controls | study.weights | study.tokens
    labels = {"dense": "dense"} | {name: method.label for name, method in named.items()}
    pruned = channels(study, table)
    told = {question: claims.answer(asked, table, labels) for question, asked in claims.QUESTIONS.items()}
    for question, measure in EQUAL.items():
        told[question] = matched(pruned[pruned["method"].isin(study.methods)], measure, labels)
    told[SILENT] = over_runs(pruned, ("silent",), labels)
    told[PLACES] = places(table, labels)
    told[COLLAPSE] = over_runs(pruned, ("thinnest",), labels)
    told[UPDATE] = over_runs(after_updates(pruned[pruned["method"].isin(UPDATED)]), ("before", "after"), labels)
    return {question: said for question, said in told.items() if said}


def as_text(told: dict[str, str]) -> str:
    """Markdown: a line a question, and how many differences were tried."""
    number = sum(said.count(" points at ") - said.count("not compared") for said in told.values())
    lines = [f"- **{question}** {said}." for question, said in told.items()]
    chance = (
        f"{number} differences are tried, each by itself at 95 %: about {number / 20:.0f} would be decided by chance alone."
    )
    return "\n".join([*lines, "", chance]) + "\n"
