"""What a study found: every question that its results can answer, as one table of differences, and others."""

import pandas as pd

from lib.report import claims, equal_size, questions, results, stats
from lib.report.claims import Difference
from lib.settings.study import Study

KEPT = "Where in a Spikformer do the weights go? (C19)"
KINDS = ["stem", "q", "k", "v", "projection", "MLP", "selector", "head"]
ATTENTION = ["q", "k", "v", "projection"]
SILENT = "How many of the channels that are left fire on none of the images on which costs are counted? (A12)"
COLLAPSE = "How much of its thinnest layer does a network keep?"
UPDATE = "From what to what does the first update take validation accuracy?"


def differences(study: Study, table: pd.DataFrame) -> dict[str, list[Difference]]:
    """{question: differences that answer it}, corrected for their number, of the questions that the rows of
    `lib.report.results.table(study)` can answer. A study in progress has rows for some."""
    # questions set variants beside SCA alone
    others = [name for name, one in study.ablations.items() if one.base != "sca"]
    table = claims.by_variant(table[~table["method"].isin(others)])
    labels = study.labels
    curves = pd.concat([whole(study, table), pruned(table)])
    tried = {
        question: [each for claim in asked for each in claims.compare(claim, table, labels)]
        for question, asked in questions.QUESTIONS.items()
    }
    for question, measure in equal_size.QUESTIONS.items():
        tried[question] = equal_size.matched(curves, list(study.methods), measure, labels)
    tried[questions.PLACES] = places(table, labels)
    return {question: claims.corrected(made) for question, made in tried.items() if made}


def shares(study: Study, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{question: means over seeds, in words}: what is read off single trainings and compares nothing."""
    channels = pruned(claims.by_variant(table))
    both = pd.concat([whole(study, table), channels])
    asked = {
        KEPT: (kept(table), KINDS),
        SILENT: (both.assign(silent=both["silent channels (%)"]), ["silent"]),
        COLLAPSE: (channels, ["thinnest"]),
        UPDATE: (after_updates(channels), ["before", "after"]),
    }
    return {
        question: in_words(over_seeds(rows, values), values, study.labels)
        for question, (rows, values) in asked.items()
        if len(rows)
    }


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
        p = stats.p_value(more)
        words = claims.verdict(mean, p, questions.SPARSE, above=False)
        names = (f"the MLP, {labels[method]}", "attention")
        unit = "% of its weights left"
        made.append(Difference(*names, task, at, mean, half, len(group), unit, words, p=p))
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


def in_words(means: pd.DataFrame, values: list[str], labels: dict[str, str]) -> pd.DataFrame:
    """Those means as a table to read."""
    shown = {
        f"{value} (%, ± 95 %)": [
            "" if pd.isna(mean) else stats.shown(mean, half).lstrip("+")
            for mean, half in means[[value, f"{value} ±"]].itertuples(index=False)
        ]
        for value in values
    }
    methods = [claims.label(method, labels) for method in means["method"]]
    return pd.DataFrame(
        {"method": methods, "network and data": means["task"], "at": means["at"], **shown, "n": means["n"]}
    )


def in_numbers(found: dict[str, list[Difference]]) -> pd.DataFrame:
    """A row a difference that was tried; half width: of the 95 % interval over n seeds."""
    named = {"mean": "difference", "half": "half width (95 %)", "p": "p (Holm)"}
    rows = [{"question": question} | each._asdict() for question, tried in found.items() for each in tried]
    return pd.DataFrame(rows, columns=["question", *Difference._fields]).rename(columns=named)


def in_one_table(found: dict[str, list[Difference]], figures: str = "") -> pd.DataFrame:
    """The same to read. A question stands in its first row, with a link to its figure.

    figures: the folder that links lead to; without it there are none
    """
    told = []
    for question, tried in found.items():
        rows = claims.as_table(tried)
        name = questions.FIGURES.get(question, "effects")
        link = f" [figure]({figures}/{name}.png)" if figures else ""
        rows.insert(0, "question", [f"**{question}**{link}", *[""] * (len(rows) - 1)])
        told.append(rows)
    return pd.concat(told) if told else pd.DataFrame()


def tally(found: dict[str, list[Difference]]) -> tuple[int, int]:
    """How many differences are decided, of how many that are compared: those of too few seeds, too."""
    compared = [each for tried in found.values() for each in tried if each.verdict != claims.APART]
    return sum(claims.decided(each) for each in compared), len(compared)


def counts(found: dict[str, list[Difference]]) -> str:
    """The same in words."""
    decided, compared = tally(found)
    return (
        f"{compared} differences are compared, {decided} are decided: their 95 % interval excludes 0, "
        "also after Holm's correction for all differences that the same question tries."
    )


def as_text(found: dict[str, list[Difference]], others: dict[str, pd.DataFrame]) -> str:
    """Markdown: the one table of differences, and a table for each question that compares nothing."""
    tables = [f"### {question}\n\n{results.as_rows(table)}\n" for question, table in others.items()]
    return "\n".join([counts(found), "", results.as_rows(in_one_table(found)), "", *tables])
