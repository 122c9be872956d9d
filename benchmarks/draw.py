"""results/benchmarks/cost.json -> figures/benchmarks/cost.svg: seconds a dense step against T, batch, width;
their slopes."""

import json

import numpy as np
from timing import spread

from lib.report import plots
from lib.settings.config import ROOT

LABELS = {"T": "time steps T", "batch": "batch (images)", "width": "width (x VGG16's)"}


def main() -> None:
    record = json.loads((ROOT / "results/benchmarks/cost.json").read_text())
    made = record["made_with"]
    fig, axes = plots.figure(180, 75, 1, 3, sharey=True)
    for ax, (axis, label) in zip(axes, LABELS.items(), strict=True):
        for number, variant in enumerate(("plain", "fast")):
            trials = [p for p in record["against"] if p["axis"] == axis and p["variant"] == variant]
            x = [p["value"] for p in trials]
            found = [spread(p["seconds"]) for p in trials]
            low, middle, high = (np.array([one[key] for one in found]) for key in ("low", "median", "high"))
            slope = np.polyfit(np.log(x), np.log(middle), 1)[0]
            color, marker, line = plots.SEQUENCE[number]
            ax.errorbar(
                x, middle, yerr=[middle - low, high - middle], color=color, marker=marker, linestyle=line,
                capsize=2, label=f"{variant}: slope {slope:.2f}",
            )  # fmt: skip
        ax.set(xscale="log", yscale="log", xlabel=label)
        ax.set_xticks(x, [f"{value:g}" for value in x], minor=False)
        ax.minorticks_off()
        ax.legend()
    axes[0].set_ylabel("seconds a training step")
    fig.suptitle(f"dense VGG16 on 32x32 images; where fixed: T = {made['T']}, batch {made['batch']}, width 1")
    n = len(record["against"][0]["seconds"])
    fig.supxlabel(
        f"plain: SpikingJelly's layers and neurons; fast: the study's options; {made['threads']} threads; "
        f"median and quartiles of n = {n}",
        fontsize=6,
        color="0.35",
    )
    plots.save(fig, ROOT / "figures/benchmarks", "cost")


if __name__ == "__main__":
    main()
