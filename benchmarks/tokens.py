"""What leaving tokens out saves: throughput of Spikformer-4-384 with and without (`python
benchmarks/tokens.py`).

Writes results/benchmarks/tokens.csv and .md. A few minutes on 2 cores, nothing beside it.
"""

import re
import sys
from pathlib import Path

import pandas as pd
import torch
from timing import interleaved, load, ratio

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by

from lib import measure, models
from lib.core.files import ROOT, write_text
from lib.report import published
from lib.settings.records import provenance
from lib.training import set_up

RHOS = (0.9, 0.8, 0.7, 0.6, 0.5)
BATCH = 8
SHAPE = (3, 32, 32)


def net(rho: float | None):
    selector = None if rho is None else {"rho": rho, "rule": "learned"}
    return models.build("spikformer4-384", 10, SHAPE, 4, neuron="lif", selector=selector).eval()


def printed() -> dict[float | None, tuple[float, float]]:
    """{rho: (GFLOPs, images a second)} as the paper prints them (methods 3.6)."""
    rows = published.read().query("data == 'CIFAR-10' and definition == 'tokens'")
    found = {}
    for name, text in zip(rows["method"], rows["synops"], strict=True):
        numbers = re.fullmatch(r"([\d.]+) GFLOPs; (\d+) images/s", text)
        if numbers:
            rho = re.search(r"rho=([\d.]+)", name)
            found[float(rho[1]) if rho else None] = (float(numbers[1]), float(numbers[2]))
    return found


def main() -> None:
    torch.manual_seed(0)
    set_up(torch.get_num_threads())
    x = torch.rand(BATCH, *SHAPE)
    before = load()
    nets = {rho: net(rho) for rho in (None, *RHOS)}
    seconds = interleaved({str(rho): lambda one=one: measure.predict(one, x) for rho, one in nets.items()})
    rows = []
    theirs = printed()
    for rho, one in nets.items():
        faster = ratio(seconds, "None", str(rho))
        rows.append(
            {
                "rho": "dense" if rho is None else rho,
                "tokens in each block": ", ".join(map(str, one.works_on)),
                "G multiply-accumulates": measure.flops(one, x[:1]) / 1e9,
                "published GFLOPs": theirs[rho][0],
                "throughput / dense": faster["median"],
                "lower quartile": faster["low"],
                "upper quartile": faster["high"],
                "n": faster["n"],
                "published throughput / dense": theirs[rho][1] / theirs[None][1],
            }
        )
    made = provenance(torch.get_num_threads())
    text = made_by("python benchmarks/tokens.py", "results/published.csv") + (
        f"Spikformer-4-384, untrained, T = 4, batch {BATCH}, 32x32 images, float32, "
        f"{made['threads']} threads, torch {made['torch']}; load of the last minute {before} before, "
        f"{load()} after. The published throughput is of a trained network on a GPU. n: rounds, each with "
        "every row once. At rho 0.9 the count is 1 % above the printed "
        f"one; why is not known.\n\n{pd.DataFrame(rows).to_markdown(index=False, floatfmt='.2f')}\n"
    )
    write_text(
        ROOT / "results" / "benchmarks" / "tokens.csv", pd.DataFrame(rows).round(4).to_csv(index=False)
    )
    write_text(ROOT / "results" / "benchmarks" / "tokens.md", text)
    print(text)


if __name__ == "__main__":
    main()
