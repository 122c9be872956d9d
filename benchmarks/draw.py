"""results/benchmarks/cost.json -> cost.md beside it, and figures/benchmarks/cost.svg: seconds a dense step
against T, batch, width; the powers of them that it grows with."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from epochs import STEPS
from memory import SIZE
from timing import spread

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by

from lib.core.files import ROOT, write_text
from lib.report import page, plots

LABELS = {"T": "time steps T", "batch": "batch (images)", "width": "width (x VGG16's)"}


def table(record: dict) -> str:
    """The measured rows in markdown, and how they were measured."""
    made = record["made_with"]
    parts = record["epoch"]
    peaks = record["memory (MiB)"]
    rows = pd.DataFrame(record["rows"]).rename(columns={"low": "quartile", "high": "quartile "})
    rows["reached"] = [reached(row) for row in record["rows"]]
    rows = rows.astype(object).where(rows.notna(), None)
    processor = made["processor"] + ", with AMX" * made.get("AMX", False)
    return (
        f"Measured by `python benchmarks/bench.py` at commit {made['commit']}.\n"
        f"VGG16, T = {made['T']}, train steps of {made['steps of batch']} images, the SCA epoch's of "
        f"{made['batch']}; {made['threads']} threads, {processor}, torch {made['torch']}.\n"
        f"Fastest here: {', '.join(f'{name}: {value}' for name, value in made['fast'].items())}.\n"
        f"Load of the last minute, after each part: {', '.join(map(str, made['loads']))}.\n\n"
        f"{rows.to_markdown(index=False, floatfmt='.3f', missingval='')}\n\n"
        f"Reached: yes or no, where both quartiles agree. The dense step once more, in the part of this run "
        f"that the figure draws: {again(record['against'], SIZE):.3f}.\n\n"
        f"The SCA epoch: {STEPS} steps in {parts['epoch']:.1f} s, of it the update with its probes "
        f"{parts['update']:.2f} s; the dense one {parts['dense epoch']:.1f} s; "
        f"expected share {parts['expected']:.3f}.\n"
        f"Peak memory at batch {SIZE}: plain {peaks['plain']:.0f} MiB, compact epoch with its update "
        f"{peaks['compact']:.0f} MiB.\n\n"
        f"Accuracy on the quick study's first task, against plain options, paired over seeds:\n\n"
        f"{pd.DataFrame(record['parity']).to_markdown(index=False, floatfmt='.2f')}\n"
    )


def reached(row: dict) -> str:
    """Whether a row is at most what was aimed at."""
    most = row["at most"]
    if most is None:
        return ""
    return "yes" if row["high"] <= most else "no" if row["low"] > most else "within the spread"


def again(trials: list[dict], size: int) -> float:
    """Median of a fast step's part of a plain one's in the same round, at that batch."""
    both = {
        each["variant"]: np.array(each["seconds"])
        for each in trials
        if each["axis"] == "batch" and each["value"] == size
    }
    return float(np.median(both["fast"] / both["plain"]))


def gains(trials: list[dict]) -> dict[int, float]:
    """{batch: how many times as long a plain step of it takes as a fast one (medians)}, the smallest first"""
    medians = {
        (trial["value"], trial["variant"]): spread(trial["seconds"])["median"]
        for trial in trials
        if trial["axis"] == "batch"
    }
    sizes = sorted({size for size, _ in medians})
    return {size: medians[size, "plain"] / medians[size, "fast"] for size in sizes}


def in_words(found: dict[int, float]) -> str:
    """Of `gains`: of the largest batch, and of the smallest if that is slower than plain."""
    least, most = min(found), max(found)
    loss, gain = found[least], found[most]
    says = f"At batch {most} a training step is {gain:.1f} times as fast as plain SpikingJelly's"
    return f"{says}; at batch {least} it takes {1 / loss:.1f} times as long" if loss < 1 else says


def main() -> None:
    head = made_by("python benchmarks/draw.py", "results/benchmarks/cost.json")
    record = json.loads((ROOT / "results/benchmarks/cost.json").read_text())
    made = record["made_with"]
    fig, axes = plots.figure(180, 75, 1, 3, sharey=True)
    for ax, (axis, label) in zip(axes, LABELS.items(), strict=True):
        for number, variant in enumerate(("plain", "fast")):
            trials = [p for p in record["against"] if p["axis"] == axis and p["variant"] == variant]
            x = [p["value"] for p in trials]
            found = [spread(p["seconds"]) for p in trials]
            low, middle, high = (np.array([one[key] for one in found]) for key in ("low", "median", "high"))
            slope = np.polyfit(np.log(x), np.log(middle), 1)[0]  # of a straight line in logarithms
            color, marker, line = plots.SEQUENCE[number]
            ax.errorbar(
                x, middle, yerr=[middle - low, high - middle], color=color, marker=marker, linestyle=line,
                capsize=2, label=f"{variant}: grows as power {slope:.2f}",
            )  # fmt: skip
        ax.set(xscale="log", yscale="log", xlabel=label)
        ax.set_xticks(x, [f"{value:g}" for value in x], minor=False)
        ax.minorticks_off()
        ax.legend()
    axes[0].set_ylabel("seconds a training step")
    fixed = f"VGG16 on 32x32 images; where fixed: T = {made['T']}, batch {made['batch']}, width 1"
    fig.suptitle(f"{in_words(gains(record['against']))}\n{fixed}")
    n = len(record["against"][0]["seconds"])
    loads = f"load {min(made['loads'])} to {max(made['loads'])}"
    where = f"{made['processor']}, {made['threads']} threads, {loads}"
    fig.supxlabel(
        f"plain: SpikingJelly's layers and neurons; fast: the study's options; {where}; "
        f"median and quartiles of n = {n}",
        fontsize=6,
        color="0.35",
    )
    page.save(fig, ROOT / "figures/benchmarks", "cost")
    text = head + table(record)
    write_text(ROOT / "results/benchmarks/cost.md", text)
    print(text)


if __name__ == "__main__":
    main()
