"""What a study found: its results in one table, and every question that they can answer, in a sentence each."""

import math
from typing import NamedTuple

import pandas as pd

from lib.report import claims, results, stats
from lib.report.claims import SPARSE, Difference
from lib.settings.config import Study

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
    "At equal parameters, along each method's curve from the dense network on, who is better?": "parameters",
    "At equal SynOps (AC a sample), along those curves?": "synops",
}  # nearest: by how much the size of the nearest network on the curve differs that was measured
UNITS = {"parameters": "parameters", "synops": "AC"}
BEYOND = "not compared: outside the other's curve"
PLACES = "Is the MLP of a Spikformer more redundant than its attention, as SparseSpikformer argues? (C19)"
KEPT = "Where in a Spikformer do the weights go? (C19)"
KINDS = ["stem", "q", "k", "v", "projection", "MLP", "selector", "head"]
ATTENTION = ["q", "k", "v", "projection"]
SILENT = "How many of the channels that are left fire on none of the images on which costs are counted? (A12)"
COLLAPSE = "How much of its thinnest layer does a network keep?"
UPDATE = "From what to what does the first update take validation accuracy?"


class Answer(NamedTuple):
    """One sentence with numbers, the table behind it, and the differences that it tried."""

    sentence: str
    table: pd.DataFrame
    tried: list[Difference]


def runs(study: Study) -> pd.DataFrame:
    """One row a training, with all that was measured; method: of an ablation what it varies; at: what it was asked for, "" if
    nothing goes; accuracy, density, silent in percent; parameters, synops (AC a sample) and energy as numbers; epochs: of the
    whole training, with those of the dense network that it starts from; end: the epoch of the last update of the structure."""
    stages = {
        "dense": ["dense"],
        "channels": study.methods,
        "ablate": study.ablations,
        "baselines": study.baselines,
        "weights": study.weights,
        "tokens": study.tokens,
    }
    loaded = [results.load(study, stage, methods) for stage, methods in stages.items()]
    table = pd.concat([rows for rows in loaded if len(rows)], ignore_index=True)
    table = table.reindex(columns=table.columns.union(MEASURED, sort=False))
    every = {
        name for name, method in study.tokens.items() if method.kind == "select" and method.rule == "all"
    }
    dense = {(run.task, run.seed): len(run.log) for run in table.itertuples() if run.method == "dense"}
    before = [dense[run.task, run.seed] if run.method in study.tokens else 0 for run in table.itertuples()]
    return table.assign(
        epochs=[len(log) + earlier for log, earlier in zip(table["log"], before, strict=True)],
        end=[
            updates[-1]["epoch"] if isinstance(updates, list) and updates else float("nan")
            for updates in table["updates"]
        ],
        method=[claims.varied(run.variant) or run.method for run in table.itertuples()],
        at=["" if run.method in {"dense"} | every else asked(run) for run in table.itertuples()],
        accuracy=100 * table["accuracy"],
        density=100 * table["density"],
        parameters=[counts["total"] for counts in table["parameters"]],
        synops=[counts["ac"] for counts in table["synops"]],
        energy=table["energy_pj"],
        silent=100 * table["silent"],
    )


def asked(run) -> str:
    """What one training was asked for, as a reader is told it."""
    if not pd.isna(run.asked) and run.asked < 1:
        return f"density {100 * run.asked:.3g} %"
    return f"ratio {run.ratio:g}" if pd.isna(run.rho) else f"rho {run.rho:g}"


def pruned(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The trainings of networks that lose channels, with what is left of the thinnest layer, in percent."""
    rows = table[table["cell"].isin(study.grid.pruned) & table["at"].str.startswith("ratio")]
    rows = rows[~rows["method"].isin(study.baselines)]
    return rows.assign(
        thinnest=[
            100 * min(k / run.channels[layer] for layer, k in run.widths.items()) for run in rows.itertuples()
        ]
    )


def over_seeds(table: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """Mean of each value over seeds, half of its interval, and n, of each way of training in each cell."""
    groups = table.groupby(["method", "cell", "at"], sort=False)[values]
    halves = groups.agg(lambda seeds: stats.interval(seeds)[1]).add_suffix(" ±")
    return pd.concat([groups.mean(), halves, groups.size().rename("n")], axis="columns").reset_index()


def ranges(means: pd.DataFrame, values: list[str], labels: dict[str, str]) -> str:
    """Of each way of training, from which to which mean (%) its values go in a task, over all that was asked for."""
    told = {}
    for (cell, method), rows in means.groupby(["cell", "method"], sort=False):
        ends = {
            value: sorted({f"{end:.1f}" for end in (rows[value].min(), rows[value].max())}, key=float)
            for value in values
        }
        shown = [
            f"{value} {' to '.join(numbers)} %" for value, numbers in ends.items() if "nan" not in numbers
        ]
        told.setdefault(task, []).append(f"{claims.label(method, labels)} {', '.join(shown)}")
    return ". ".join(f"{task}: {'; '.join(each)}" for task, each in told.items())


def in_words(means: pd.DataFrame, values: list[str], labels: dict[str, str]) -> pd.DataFrame:
    """Those means as a table to read."""
    shown = {
        f"{value} (%, ± 95 %)": [
            "" if pd.isna(mean) else f"{mean:.1f} ± {half:.1f}"
            for mean, half in means[[value, f"{value} ±"]].itertuples(index=False)
        ]
        for value in values
    }
    methods = [claims.label(method, labels) for method in means["method"]]
    return pd.DataFrame(
        {"method": methods, "network and data": means["cell"], "at": means["at"], **shown, "n": means["n"]}
    )


def matched(
    table: pd.DataFrame, methods: list[str], measure: str, labels: dict[str, str]
) -> list[Difference]:
    """Methods beside random channels, and sca+ beside SCA, at equal size by `measure`, seed by seed: at each size that ours was
    measured at, beside the curve of theirs; and at each of theirs, beside the curve of ours."""
    made = []
    for ours, theirs in [*((name, "random") for name in methods if name != "random"), ("sca-plus", "sca")]:
        for _, rows in table.groupby("cell", sort=False):
            for one, other, sign in ((ours, theirs, 1), (theirs, ours, -1)):
                curves = rows[rows["method"].isin([other, "dense"])]
                for _, points in rows[rows["method"].eq(one)].groupby("at", sort=False):
                    found = at_equal_size(points, curves, measure)
                    mean, half = (
                        stats.interval([sign * gap for gap, _ in found]) if found else (math.nan, math.nan)
                    )
                    whose = "" if sign > 0 else f" of {claims.label(one, labels)}"
                    place = f"{points['at'].iloc[0]}{whose} ({sizes(points, found, measure)})"
                    words = claims.verdict(mean, half, len(found)) if found else BEYOND
                    names = (claims.label(ours, labels), claims.label(theirs, labels))
                    made.append(
                        Difference(
                            *names, points["cell"].iloc[0], place, mean, half, len(found), "points", words
                        )
                    )
    return made


def at_equal_size(points: pd.DataFrame, curves: pd.DataFrame, measure: str) -> list[tuple[float, float]]:
    """Of each training whose size lies within the other's curve of the same seed: its accuracy minus that of the curve at this
    size (points), and by how much the nearest network that was measured differs in size (%)."""
    found = []
    for seed, accuracy, there in points[["seed", "accuracy", measure]].itertuples(index=False):
        curve = curves[curves["seed"] == seed]
        gap = accuracy - stats.along(curve[measure], curve["accuracy"], there)
        found.append((gap, stats.farness(curve[measure], there)))
    return [(gap, far) for gap, far in found if not math.isnan(gap)]


def sizes(points: pd.DataFrame, found: list[tuple[float, float]], measure: str) -> str:
    """At which size it was compared, and how far from it the nearest network on the curve was measured."""
    told = [f"{points[measure].mean() / 1e3:.0f} K {UNITS[measure]}"]
    if found:
        told.append(f"nearest {stats.span([far for _, far in found], '+')} %")
    if len(found) < len(points):
        told.append(f"n={len(found)}")
    return ", ".join(told)


def places(table: pd.DataFrame, labels: dict[str, str]) -> list[Difference]:
    """What is left of the weights of a transformer's MLP, beside what is left of its attention's."""
    made = []
    tickets = table[table["kinds"].notna() & table["at"].str.startswith("density")]
    for (cell, at, method), group in tickets.groupby(["cell", "at", "method"], sort=False):
        attention = [
            100 * sum(k[n][0] for n in ATTENTION) / sum(k[n][1] for n in ATTENTION) for k in group["kinds"]
        ]
        mlp = [100 * k["MLP"][0] / k["MLP"][1] for k in group["kinds"]]
        mean, half = stats.interval([a - b for a, b in zip(mlp, attention, strict=True)])
        words = claims.verdict(mean, half, len(group), SPARSE, above=False)
        names = (f"the MLP, {labels[method]},", "attention")
        made.append(Difference(*names, task, at, mean, half, len(group), "% of its weights left", words))
    return made


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """A transformer's tickets, with what is left of each kind of its layers, in percent."""
    rows = table[table["kinds"].notna() & table["at"].str.startswith("density")]
    left = [{kind: 100 * some / every for kind, (some, every) in kinds.items()} for kinds in rows["kinds"]]
    return pd.concat([rows, pd.DataFrame(left, rows.index, columns=KINDS)], axis="columns")


def after_updates(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds the validation accuracy just before the first update and just after it, in percent; at: the ratio of that update."""
    first = [next((row for row in run.log if "before_update" in row), None) for run in rows.itertuples()]
    rows, first = rows[[row is not None for row in first]], [row for row in first if row]
    return rows.assign(
        at=[f"ratio {run.updates[0]['ratio']:.2g}" for run in rows.itertuples()],
        before=[100 * row["before_update"] for row in first],
        after=[100 * row["validation"] for row in first],
    )


def answers(study: Study) -> dict[str, Answer]:
    """{question: answer} of the questions that the study's results can answer.

    raises: lib.report.results.ResultsError if one run of the grid cannot be had
    """
    table = runs(study)
    named = study.methods | study.baselines | study.weights | study.tokens
    labels = {"dense": "dense"} | {name: method.label for name, method in named.items()}
    channels = pruned(study, table)
    whole = table[table["method"].eq("dense") & table["cell"].isin(study.grid.pruned)]
    tried = {
        question: [each for claim in asked for each in claims.compare(claim, table, labels)]
        for question, asked in claims.QUESTIONS.items()
    }
    for question, measure in EQUAL.items():
        tried[question] = matched(pd.concat([whole, channels]), list(study.methods), measure, labels)
    tried[PLACES] = places(table, labels)
    shares = {
        KEPT: (kept(table), KINDS),
        SILENT: (pd.concat([whole, channels]), ["silent"]),
        COLLAPSE: (channels, ["thinnest"]),
        UPDATE: (after_updates(channels), ["before", "after"]),
    }
    answered = {
        question: Answer(claims.sentence(made), claims.as_table(made), made)
        for question, made in tried.items()
        if made
    }
    for question, (rows, values) in shares.items():
        if len(rows):
            means = over_seeds(rows, values)
            answered[question] = Answer(ranges(means, values, labels), in_words(means, values, labels), [])
    return answered


def as_text(answered: dict[str, Answer]) -> str:
    """Markdown: a sentence a question, how many differences were tried and decided, and the tables behind the sentences."""
    compared = [
        each
        for answer in answered.values()
        for each in answer.tried
        if each.n > 1 and "not compared" not in each.words
    ]
    decided = [each for each in compared if "undecided" not in each.words]
    lines = [f"- **{question}** {answer.sentence}." for question, answer in answered.items()]
    chance = (
        f"{len(compared)} differences are tried, each by itself at 95 %, and {len(decided)} are decided; "
        f"if nothing differed, about {len(compared) / 20:.0f} would be."
    )
    tables = [f"### {question}\n\n{as_rows(answer.table)}\n" for question, answer in answered.items()]
    return "\n".join([*lines, "", chance, "", "## Every number", "", *tables])


def as_rows(table: pd.DataFrame) -> str:
    """Markdown; a bar in a name, as in |V|, does not end its column."""
    return table.map(lambda shown: str(shown).replace("|", r"\|")).to_markdown(
        index=False, disable_numparse=True
    )
