"""Fills the generated parts of README.md, between `<!-- name -->` and `<!-- end -->`, from dvc.yaml, notebooks and results.

`python tools/readme.py` writes them; a test holds that they are up to date.
"""

import json
import re
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from lib.config import ROOT
from lib.files import whole

README = ROOT / "README.md"
COLUMNS = ["accuracy (%)", "± (95 %)", "density (%)", "asked (%)"]


def sources() -> str:
    """Which notebook and stage each figure and table comes from, and the question it answers."""
    rows = []
    for stage, spec in YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"].items():
        if not stage.startswith(("fig-", "tab-")):
            continue
        notebook = re.search(r"notebooks/(\S+)\.ipynb", spec["cmd"]).group(1)
        made = [
            Path(path).name for out in spec.get("plots", []) + spec.get("outs", []) for path in out if not path.endswith(".svg")
        ]
        rows.append(
            {
                "what": ", ".join(made),
                "question": question(notebook),
                "stage": f"`{stage}`",
                "notebook": f"[{notebook}](notebooks/{notebook}.ipynb)",
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False)


def question(notebook: str) -> str:
    """The first question of the notebook's first cell."""
    text = "".join(json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"][0]["source"])
    return " ".join(re.search(r"\*\*Question\.\*\*\s+([^?]*\?)", text).group(1).split())


def numbers() -> str:
    """Test accuracy of each channel method at each ratio of the quick study, mean and 95 % interval over its seeds."""

    def chosen(table):
        return table["asked (%)"].isna() & ~table["cell"].isin(table.loc[table["rho"].notna(), "cell"])

    return wide(chosen, "ratio", "ratio {:g}")


def densities() -> str:
    """Test accuracy of each method for single weights at each density that it was asked for."""
    return wide(lambda table: table["asked (%)"].notna() & table["rho"].isna(), "asked (%)", "asked for {:.3g} %")


def tokens() -> str:
    """Test accuracy of each way to select tokens at each rho."""

    def chosen(table):
        dense = table["method"].eq("dense") & table["cell"].isin(table.loc[table["rho"].notna(), "cell"])
        return dense | table["asked (%)"].eq(100) & table["rho"].notna()

    return wide(chosen, "rho", "rho {:g}")


def tickets() -> str:
    """Test accuracy of the transformer's lottery tickets at each density."""
    return wide(lambda table: table["asked (%)"].lt(100) & table["rho"].notna(), "asked (%)", "density {:.3g} %")


def wide(rows, column: str, title: str) -> str:
    """The chosen rows of the quick study's summary, a column for each value of `column`."""
    table = pd.read_csv(ROOT / "results/quick/summary.csv")
    table = table[rows(table)].fillna({"rho": 1.0})
    table["shown"] = [
        f"{mean:.1f} ± {half:.1f}" + (f" (at {density:.3g} %)" if abs(density - asked) > 0.1 else "")
        for mean, half, density, asked in table[COLUMNS].itertuples(index=False)
    ]
    found = table.pivot(index=["cell", "method"], columns=column, values="shown").fillna("")
    order = table[["cell", "method"]].drop_duplicates()
    found = found.reindex(pd.MultiIndex.from_frame(order)).reset_index()
    return found.rename(columns={value: title.format(value) for value in found.columns[2:]}).to_markdown(index=False)


def findings() -> str:
    """The comparisons that name a winner, and how many name none."""
    text = (ROOT / "results/quick/comparisons.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("- ") and "not compared" not in line]
    decided = [line for line in lines if "undecided" not in line]
    apart = text.count("not compared")
    rest = f"- the other {len(lines) - len(decided)} comparisons: undecided; {apart} are not made, as the densities differ"
    chance = (
        f"- each is tried by itself, at 95 %: about {len(lines) / 20:.0f} of all {len(lines)} would be named by chance alone"
    )
    return "\n".join([*decided, rest, chance])


PARTS = {each.__name__: each for each in (sources, numbers, densities, tokens, tickets, findings)}


def filled(text: str) -> str:
    return re.sub(
        r"(<!-- (\w+) -->\n).*?(<!-- end -->)",
        lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[3]}",
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    with whole(README) as beside:
        beside.write_text(filled(README.read_text()))
