"""What a study found: its results in one table, and every question that they can answer, in a line each."""

import pandas as pd

from lib import claims, results, stats
from lib.claims import SPARSE, Difference
from lib.config import Study

MEASURED = [
    "ratio",
    "asked",
    "rho",
    "variant",
    "kinds",
    "widths",
    "channels",
    "updates",
    "log",
    "density",
    "silent",
]  # not every stage has each
EQUAL = {
    "At equal parameters, whatever the ratios, who is better?": "parameters",
    "At equal SynOps (AC a sample)?": "synops",
}
UNITS = {"parameters": "parameters", "synops": "AC"}
MATCHED = 0.1  # of a size, by which two networks may differ and still count as equally large
SILENT = "How many of the channels that are left fire on none of the images on which costs are counted? (A12)"
SCORED = (
    "sca",
    "sca-literal",
    "only-prune",
    "random",
    "sca-plus",
    "score abs_v",
    "score firing_rate",
    "score bn_gamma",
    "score filter_l1",
)
PLACES = (
    "Where in a Spikformer do the weights go, and is its MLP more redundant than its attention, as SparseSpikformer argues?"
)
KINDS = "stem", "q", "k", "v", "projection", "MLP", "selector", "head"
ATTENTION = ["q", "k", "v", "projection"]
COLLAPSE = "How much of its thinnest layer does a network keep?"
UPDATE = "From what to what does the first update take validation accuracy?"
UPDATED = "sca", "only-prune", "sca-plus"


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
    loaded = [results.load(study, stage, methods) for stage, methods in stages.items()]
    table = pd.concat([rows for rows in loaded if len(rows)], ignore_index=True)
    table = table.reindex(columns=table.columns.union(MEASURED, sort=False))
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


def pruned(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The trainings of networks that lose channels, with what is left of the thinnest layer, in percent."""
    rows = table[table["cell"].isin(study.grid.pruned) & table["at"].str.startswith("ratio")]
    rows = rows[~rows["method"].isin(study.controls)]
    return rows.assign(
        thinnest=[100 * min(k / run.channels[layer] for layer, k in run.widths.items()) for run in rows.itertuples()]
    )


def over_seeds(table: pd.DataFrame, values: tuple[str, ...], labels: dict[str, str]) -> str:
    """Means and intervals of shares in percent, of each way of training in each cell."""
    told = []
    for (cell, at, method), group in table.groupby(["cell", "at", "method"], sort=False):
        means = " to ".join("{:.1f} ± {:.1f} %".format(*stats.interval(group[value])) for value in values)
        told.append(f"{claims.label(method, labels)} {means} {f'at {at} ' * bool(at)}of {cell}")
    return "; ".join(told)


def matched(table: pd.DataFrame, measure: str, labels: dict[str, str]) -> list[Difference]:
    """Methods beside random channels, and sca+ beside SCA, where both are as large by `measure`, at different ratios."""
    size = table.groupby(["cell", "method", "at"])[measure].transform("mean")
    table, made = table.assign(size=size), []
    both = table.merge(table[table["method"].isin(["random", "sca"])], on=["cell", "seed"], suffixes=("_ours", "_theirs"))
    near = (both["size_ours"] / both["size_theirs"] - 1).abs() <= MATCHED
    wanted = both["method_ours"].ne("random") & both["method_theirs"].eq("random") | both["method_ours"].eq("sca-plus")
    both = both[near & wanted & (both["at_ours"] != both["at_theirs"])]
    by = ["cell", "method_ours", "at_ours", "method_theirs", "at_theirs"]
    for (cell, ours, at, theirs, other), rows in both.groupby(by, sort=False):
        mean, half = stats.interval(rows["accuracy_ours"] - rows["accuracy_theirs"])
        names = (f"{claims.label(ours, labels)} ({at})", f"{claims.label(theirs, labels)} ({other})")
        place = f"{rows['size_ours'].mean() / 1e3:.0f} K {UNITS[measure]}"
        made.append(Difference(*names, cell, place, mean, half, "points", claims.verdict(mean, half, len(rows))))
    return made


def places(table: pd.DataFrame, labels: dict[str, str]) -> tuple[str, list[Difference]]:
    """What is left of each kind of a transformer's layers, in percent; and the share left of its MLP beside its attention's."""
    told, made = [], []
    tickets = table[table["kinds"].notna() & table["at"].str.startswith("density")]
    for (cell, at, method), group in tickets.groupby(["cell", "at", "method"], sort=False):
        left = pd.DataFrame([{kind: 100 * some / every for kind, (some, every) in kinds.items()} for kinds in group["kinds"]])
        attention = [100 * sum(k[n][0] for n in ATTENTION) / sum(k[n][1] for n in ATTENTION) for k in group["kinds"]]
        mean, half = stats.interval(left["MLP"].to_numpy() - attention)
        words = claims.verdict(mean, half, len(group), SPARSE, above=False)
        made.append(
            Difference(f"the MLP, {labels[method]},", "attention", cell, at, mean, half, "% of its weights left", words)
        )
        kinds = ", ".join(f"{kind} {left[kind].mean():.0f}" for kind in KINDS if kind in left)
        told.append(f"{labels[method]} keep {kinds} % at {at} of {cell}")
    return "; ".join(told), made


def after_updates(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds the validation accuracy just before the first update and just after it, in percent; at: the ratio of that update."""
    first = [next((row for row in run.log if "before_update" in row), None) for run in rows.itertuples()]
    rows, first = rows[[row is not None for row in first]], [row for row in first if row]
    return rows.assign(
        at=[f"ratio {run.updates[0]['ratio']:.2g}" for run in rows.itertuples()],
        before=[100 * row["before_update"] for row in first],
        after=[100 * row["validation"] for row in first],
    )


def answers(study: Study) -> tuple[dict[str, str], list[Difference]]:
    """{question: answer} of the questions that the study's results can answer, and all differences tried.

    raises: lib.results.ResultsError if one run of the grid cannot be had
    """
    table = runs(study)
    named = study.methods | study.controls | study.weights | study.tokens
    labels = {"dense": "dense"} | {name: method.label for name, method in named.items()}
    channels = pruned(study, table)
    tried = {
        question: [each for claim in asked for each in claims.compare(claim, table, labels)]
        for question, asked in claims.QUESTIONS.items()
    }
    for question, measure in EQUAL.items():
        tried[question] = matched(channels[channels["method"].isin(study.methods)], measure, labels)
    kept, tried[PLACES] = places(table, labels)
    told = {question: claims.answer(made) for question, made in tried.items()}
    told[PLACES] += f"; {kept}" * bool(kept)
    whole = table[table["method"].eq("dense") & table["cell"].isin(study.grid.pruned)]
    told[SILENT] = over_seeds(pd.concat([whole, channels[channels["method"].isin(SCORED)]]), ("silent",), labels)
    told[COLLAPSE] = over_seeds(channels, ("thinnest",), labels)
    told[UPDATE] = over_seeds(after_updates(channels[channels["method"].isin(UPDATED)]), ("before", "after"), labels)
    return {question: said for question, said in told.items() if said}, [each for made in tried.values() for each in made]


def as_text(told: dict[str, str], tried: list[Difference]) -> str:
    """Markdown: a line a question, and how many differences were tried and decided."""
    compared = [each for each in tried if "not compared" not in each.words]
    decided = [each for each in compared if "undecided" not in each.words]
    lines = [f"- **{question}** {said}." for question, said in told.items()]
    chance = (
        f"{len(compared)} differences are tried, each by itself at 95 %, and {len(decided)} are decided; "
        f"if nothing differed, about {len(compared) / 20:.0f} would be."
    )
    return "\n".join([*lines, "", chance]) + "\n"
