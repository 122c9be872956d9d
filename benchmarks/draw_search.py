"""results/benchmarks/search.csv -> search.md beside it, and figures/benchmarks/search.svg."""

import sys
from pathlib import Path

import pandas as pd

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by
from matplotlib.figure import Figure
from search import LOG, TASK

from lib.core.files import ROOT, write_text
from lib.report import draw, equal_size, page, plots, stats
from lib.settings import config

VALIDATION = "validation (%)"
SIZES = {"parameters": "parameters", "AC": "SynOps (AC a sample)"}
WITHOUT = ["dense", "random"]  # of which the curve is made that others are compared with
MARKS = ("s", "^", "v", "P", "X", "<")  # of the changes of a method, in turn
# how a changed setting is told in the legend; another stands as it was given
SAID = {
    "normalise=True": "divided scores",
    "ratio_schedule=gradual": "step by step",
    "per_synapses=": "price ",
}


def pilots() -> pd.DataFrame:
    """A row a pilot; way: the method, with what was changed."""
    table = pd.read_csv(LOG, keep_default_na=False)
    return table.assign(way=(table["method"] + " " + table["changed"]).str.strip())


def above_random(table: pd.DataFrame, size: str) -> pd.Series:
    """Of each pilot: points above dense and random channels of equal size; none outside their sizes, and of
    these themselves."""
    among = table["way"].isin(WITHOUT)
    named = table.rename(columns={VALIDATION: draw.ACCURACY})
    return equal_size.beside_curve(named[~among], named[among], size)["gap"].reindex(table.index)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """What is told of each pilot, those of a ratio together, the most accurate first."""
    told = pd.DataFrame(
        {
            "way": table["way"],
            "ratio": table["ratio"],
            "seed": table["seed"],
            VALIDATION: table[VALIDATION],
            "parameters (K)": table["parameters"] / 1e3,
            "AC (M)": table["AC"] / 1e6,
            "above random at equal parameters (points)": above_random(table, "parameters"),
            "above random at equal SynOps (points)": above_random(table, "AC"),
        }
    )
    return told.sort_values(["ratio", VALIDATION], ascending=[True, False])


def picture(table: pd.DataFrame) -> Figure:
    """Accuracy against both sizes: random channels and the dense network as a line, other ways as marks."""
    study = config.load("cifar")
    seeds = stats.span(table.groupby(["way", "ratio"])["seed"].nunique())
    fig, axes = plots.figure(180, 90, 1, 2, sharey=True)
    others = table[table["method"].ne("dense")]
    ways = [way for way in dict.fromkeys(others["way"]) if way not in WITHOUT]
    ratios = sorted(table.loc[table["way"].isin(ways), "ratio"].unique())
    for ax, (size, label) in zip(axes, SIZES.items(), strict=True):
        curve = table[table["way"].isin(WITHOUT)].groupby(["ratio"])[[size, VALIDATION]].mean()
        ax.plot(curve[size], curve[VALIDATION], **plots.style("random"), label="random channels")
        dense = table[table["method"].eq("dense")]
        ax.plot(dense[size], dense[VALIDATION], **plots.style("dense") | {"linestyle": ""}, label="dense")
        for way in ways:
            mark = {**look(way, ways), "label": said(way, study.labels)}
            for ratio, rows in table[table["way"].eq(way)].groupby("ratio"):
                # its size tells the ratio: numbers beside the marks overlapped
                ax.plot(rows[size], rows[VALIDATION], **mark, markersize=1 + 10 * (1 - ratio))
        draw.size_axis(ax)
        ax.set_xlabel(label)
    axes[0].set_ylabel(VALIDATION)
    told = ", ".join(f"{ratio:g}" for ratio in ratios)
    fig.supxlabel(f"the larger a mark, the lower its ratio ({told}); hollow: with a setting changed", size=6)
    plots.head(fig, f"Pilots of ways to prune, {plots.task_title(study.tasks[TASK])}; n = {seeds}")
    return fig


def said(way: str, labels: dict[str, str]) -> str:
    """A way of pruning as a legend names it."""
    method, _, changed = way.partition(" ")
    changed = changed.replace(" ", ", ")
    for setting, words in SAID.items():
        changed = changed.replace(setting, words)
    return ", ".join(filter(None, [labels.get(method, method), changed]))


def look(way: str, ways: list[str]) -> dict:
    """A method's own colour and mark; hollow with a mark in turn where a setting of it is changed."""
    method, _, changed = way.partition(" ")
    own = {**plots.style(method), "linestyle": ""}
    if not changed:
        return own
    among = [each for each in ways if each.startswith(f"{method} ")]
    return own | {"marker": MARKS[among.index(way) % len(MARKS)], "markerfacecolor": "white"}


def main() -> None:
    table = pilots()
    head = made_by("python benchmarks/draw_search.py", "results/benchmarks/search.csv")
    found = summary(table).to_markdown(
        index=False, floatfmt=("", "g", "g", ".2f", ".0f", ".2f", "+.1f", "+.1f")
    )
    found = found.replace("+nan", "    ")
    write_text(ROOT / "results" / "benchmarks" / "search.md", f"{head}{found}\n")
    page.save(picture(table), ROOT / "figures" / "benchmarks", "search")
    print(found)


if __name__ == "__main__":
    main()
