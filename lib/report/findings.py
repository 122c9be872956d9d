"""What a study found: every question that its results can answer, in a sentence with numbers and a table."""

from typing import NamedTuple

import pandas as pd

from lib.report import claims, equal_size, questions, results, stats
from lib.report.claims import Difference
from lib.settings.study import Study

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


def answers(study: Study, table: pd.DataFrame) -> dict[str, Answer]:
    """{question: answer} of the questions that the rows of `lib.report.results.table(study)` can answer.

    A study in progress has rows for some: a question without any is left out.
    """
    table = claims.by_variant(table)
    labels = study.labels
    channels = pruned(table)
    curves = pd.concat([whole(study, table), channels])
    tried = {
        question: [each for claim in asked for each in claims.compare(claim, table, labels)]
        for question, asked in questions.QUESTIONS.items()
    }
    for question, measure in equal_size.QUESTIONS.items():
        tried[question] = equal_size.matched(curves, list(study.methods), measure, labels)
    tried[PLACES] = places(table, labels)
    shares = {
        KEPT: (kept(table), KINDS),
        SILENT: (curves.assign(silent=curves["silent channels (%)"]), ["silent"]),
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


def whole(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The dense networks of the tasks whose channels are pruned."""
    return table[table["stage"].eq("dense") & table["task"].isin(study.grid.pruned)]


def pruned(table: pd.DataFrame) -> pd.DataFrame:
    """The networks that lose channels, with what is left of the thinnest layer, in percent."""
    rows = table[table["stage"].isin(["channels", "ablate"])]
    thinnest = [
        100 * min(left / channels[name] for name, left in widths.items())
        for widths, channels in zip(rows["widths"], rows["channels"], strict=True)
    ]
    return rows.assign(thinnest=thinnest)


def places(table: pd.DataFrame, labels: dict[str, str]) -> list[Difference]:
    """What is left of the weights of a transformer's MLP, beside what is left of its attention's."""
    made = []
    tickets = table[table["kinds"].notna() & table["at"].str.startswith("density")]
    for (task, at, method), group in tickets.groupby(["task", "at", "method"], sort=False):
        more = [share_left(kinds, ["MLP"]) - share_left(kinds, ATTENTION) for kinds in group["kinds"]]
        mean, half = stats.interval(more)
        words = claims.verdict(mean, half, len(group), questions.SPARSE, above=False)
        names = (f"the MLP, {labels[method]},", "attention")
        made.append(Difference(*names, task, at, mean, half, len(group), "% of its weights left", words))
    return made


def share_left(kinds: dict[str, list[int]], of: list[str]) -> float:
    """Percent of the weights of some kinds of layers; kinds: {kind: [weights left, all weights]}."""
    return 100 * sum(kinds[kind][0] for kind in of) / sum(kinds[kind][1] for kind in of)


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """A transformer's tickets, with what is left of each kind of its layers, in percent."""
    rows = table[table["kinds"].notna() & table["at"].str.startswith("density")]
    left = [{kind: share_left(kinds, [kind]) for kind in kinds} for kinds in rows["kinds"]]
    return pd.concat([rows, pd.DataFrame(left, rows.index, columns=KINDS)], axis="columns")


def after_updates(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds the validation accuracy just before the first update and just after it, in percent.

    at: the ratio of that update
    """
    found = []
    for at, (log, updates) in enumerate(zip(rows["log"], rows["updates"], strict=True)):
        first = next((epoch for epoch in log if "before_update" in epoch), None)
        if first:
            told = {"at": f"ratio {updates[0]['ratio']:.2g}"}
            told |= {"before": 100 * first["before_update"], "after": 100 * first["validation"]}
            found.append(rows.iloc[at].to_dict() | told)
    return pd.DataFrame(found)


def over_seeds(table: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """Mean of each value over seeds, half of its interval, and n, of each way of training in each task."""
    groups = table.groupby(["method", "task", "at"], sort=False)[values]
    halves = groups.agg(lambda seeds: stats.interval(seeds)[1]).add_suffix(" ±")
    return pd.concat([groups.mean(), halves, groups.size().rename("n")], axis="columns").reset_index()


def ranges(means: pd.DataFrame, values: list[str], labels: dict[str, str]) -> str:
    """Of each way of training, from which to which mean (%) its values go in a task, over all asked for."""
    told = {}
    for (task, method), rows in means.groupby(["task", "method"], sort=False):
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
        {"method": methods, "network and data": means["task"], "at": means["at"], **shown, "n": means["n"]}
    )


def differences(answered: dict[str, Answer]) -> pd.DataFrame:
    """A row a difference that was tried, in numbers; half width: of the 95 % interval over n seeds."""
    named = {"mean": "difference", "half": "half width (95 %)", "words": "verdict", "more": "ours has"}
    rows = [
        {"question": question} | each._asdict()
        for question, answer in answered.items()
        for each in answer.tried
    ]
    columns = ["question", *Difference._fields]
    return pd.DataFrame(rows, columns=columns).rename(columns=named)


def as_text(answered: dict[str, Answer]) -> str:
    """Markdown: a sentence a question, how many differences were tried and decided, the tables."""
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
    tables = [f"### {question}\n\n{results.as_rows(answer.table)}\n" for question, answer in answered.items()]
    return "\n".join([*lines, "", chance, "", "## Every number", "", *tables])
