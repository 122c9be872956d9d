"""Fills README.md, pages of docs/ and the first notebook between `<!-- name -->` and `<!-- end -->`.

What they are filled with is made of notebooks, tables and results.

`python tools/readme.py` writes them; a test holds that they are up to date.
"""

import json
import re
import sys
from pathlib import Path

import pandas as pd

# the tree of this file, whichever one the environment knows
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import captions_cifar
import prose
import prose_cifar
import prose_tasks
import prose_turned

from lib.core.files import atomic_write
from lib.report import findings, primary, results
from lib.report.claims import decided as is_decided
from lib.report.stats import shown
from lib.settings import Study, config
from lib.settings.config import ROOT
from lib.settings.primary import FRONTIER, Hypothesis

PAGES = [ROOT / "README.md", *(ROOT / "docs" / name for name in ("results.md", "data.md", "protocol.md"))]
START = ROOT / "notebooks" / "00_start_here.ipynb"
ASKED = "target density (%)"
COLUMNS = ["accuracy (%)", "± (95 %)", "density (%)", ASKED]


def sources() -> str:
    """Which notebook and stage each figure and table comes from, and the question it answers."""
    rows = []
    for path in sorted((ROOT / "notebooks").glob("[23]?_*.ipynb")):
        _, kind, name = path.stem.split("_", 2)
        made = {"fig": f"figures/quick/{name}.png", "tab": f"tables/quick/{name}.csv"}[kind]
        rows.append(
            {
                "what": f"[{name}](../{made})",
                "question": question(path.stem),
                "stage": f"`show@{name}`",
                "notebook": f"[{path.stem}](../notebooks/{path.name})",
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False)


def question(notebook: str) -> str:
    """The first question of the notebook's first cell."""
    text = "".join(json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"][0]["source"])
    return " ".join(re.search(r"\*\*Question\.\*\*\s+([^?]*\?)", text).group(1).split())


def numbers() -> str:
    """Test accuracy of each channel method at each ratio of the quick study: mean and 95 % interval."""

    def chosen(table):
        return table[ASKED].isna() & ~table["task"].isin(table.loc[table["rho"].notna(), "task"])

    return wide(chosen, "ratio", "ratio {:g}")


def densities() -> str:
    """Test accuracy of each method for single weights at each density that it was asked for."""
    return wide(lambda table: table[ASKED].notna() & table["rho"].isna(), ASKED, "asked for {:.3g} %")


def tokens() -> str:
    """Test accuracy of each way to select tokens at each rho."""

    def chosen(table):
        dense = table["method"].eq("dense") & table["task"].isin(table.loc[table["rho"].notna(), "task"])
        return dense | table[ASKED].eq(100) & table["rho"].notna()

    return wide(chosen, "rho", "rho {:g}")


def tickets() -> str:
    """Test accuracy of the transformer's lottery tickets at each density."""
    return wide(lambda table: table[ASKED].lt(100) & table["rho"].notna(), ASKED, "density {:.3g} %")


def wide(rows, column: str, title: str, study: str = "quick") -> str:
    """The chosen rows of a study's summary, a column for each value of `column`."""
    table = pd.read_csv(ROOT / "tables" / study / "summary.csv")
    table = table[rows(table)].fillna({"rho": 1.0})
    table["shown"] = [
        shown(mean, half).lstrip("+") + (f" (at {density:.3g} %)" if abs(density - asked) > 0.1 else "")
        for mean, half, density, asked in table[COLUMNS].itertuples(index=False)
    ]
    found = table.pivot(index=["task", "method"], columns=column, values="shown").fillna("")
    order = table[["task", "method"]].drop_duplicates()
    found = found.reindex(pd.MultiIndex.from_frame(order)).reset_index()
    return found.rename(columns={value: title.format(value) for value in found.columns[2:]}).to_markdown(
        index=False
    )


def real() -> str:
    """Test accuracy of each channel method at each ratio, on real images."""

    def chosen(table):
        return table["task"].isin(table.loc[table["ratio"] > 0, "task"])

    return wide(chosen, "ratio", "ratio {:g}", "small")


def claims() -> str:
    """The differences of the small study that are decided, of how many, and which questions have none."""
    found = prose.differences()
    decided = {question: [each for each in tried if is_decided(each)] for question, tried in found.items()}
    some = {name: each for name, each in decided.items() if each}
    table = findings.in_one_table(some, "../figures/small")
    tried = iter(f"{len(each)} of {len(found[name])}" for name, each in some.items())
    table.insert(1, "decided", [next(tried) if question else "" for question in table["question"]])
    none = "\n".join(f"- {question}" for question, each in decided.items() if not each)
    return (
        f"{findings.counts(found)}\n\n{results.as_rows(table)}\n\nNothing is decided of these questions "
        f"([every difference](../tables/small/claims.md)):\n\n{none}"
    )


def trained(asked: Hypothesis, study: Study) -> list[tuple[str, str]]:
    """What a hypothesis needs: tasks and methods."""
    beside = [(asked.task, asked.theirs)]
    if asked.theirs == FRONTIER:
        beside = [(task, "dense") for task in study.frontier]
    return [(asked.task, asked.ours), *beside]


def hypotheses() -> str:
    """What the cifar study will decide, and with how many seeds."""
    study = config.load("cifar")
    rows = [
        {
            **primary.described(name, each),
            "ours": f"`{each.ours}`",
            "theirs": f"`{each.theirs}`",
            "n": min(len(study.seeds(*both)) for both in trained(each, study)),
        }
        for name, each in study.primary.items()
    ]
    order = ["", "hypothesis", "ours", "theirs", "task", "ratios", "at", "n"]
    return results.as_rows(pd.DataFrame(rows)[order])


TABLES = (sources, numbers, densities, tokens, tickets, real, claims, hypotheses)
PARAGRAPHS = (
    captions_cifar.picture,
    captions_cifar.pictures,
    prose_cifar.at_ninety,
    prose_cifar.left,
    prose_cifar.recovers,
    prose_cifar.state,
    prose_cifar.decisions,
    prose_turned.turned,
    prose_tasks.tasks,
    prose.in_short,
    prose.speed,
    prose.procedure,
    prose.setting,
    prose.updates,
    prose.layers,
    prose.cost,
    prose.trainings,
)
PARTS = {each.__name__: each for each in TABLES + PARAGRAPHS}


def filled(text: str) -> str:
    return re.sub(
        r"(<!-- (\w+) -->\n).*?(<!-- end -->)",
        lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[3]}",
        text,
        flags=re.DOTALL,
    )


def filled_notebook(text: str) -> str:
    """The same in each cell of a notebook; nothing else of it is touched."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = filled("".join(cell["source"])).replace("](docs/", "](../docs/")
            cell["source"] = text.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, fill in [*((page, filled) for page in PAGES), (START, filled_notebook)]:
        with atomic_write(path) as beside:
            beside.write_text(fill(path.read_text()))
