"""What leaving tokens out saves: throughput of Spikformer-4-384 with and without (`python benchmarks/tokens.py`).

Writes results/benchmarks/tokens.md. A few minutes on 2 cores, nothing beside it.
"""

import pandas as pd
import torch
from timing import interleaved, load, ratio

from lib import measure, models
from lib.config import ROOT
from lib.results import provenance, write_text
from lib.train import set_up

RHOS, BATCH, SHAPE = (0.9, 0.8, 0.7, 0.6, 0.5), 8, (3, 32, 32)
FLOPS = {None: 3.74, 0.9: 3.44, 0.8: 3.24, 0.7: 3.04, 0.6: 2.88, 0.5: 2.75}  # G, published (methods 3.6)
THROUGHPUT = {0.9: 1293 / 950, 0.8: 1382 / 950, 0.7: 1449 / 950, 0.6: 1522 / 950, 0.5: 1587 / 950}  # published, on a GPU


def net(rho: float | None):
    selector = None if rho is None else {"rho": rho, "rule": "learned"}
    return models.build("spikformer4-384", 10, SHAPE, 4, neuron="lif", selector=selector).eval()


def main() -> None:
    torch.manual_seed(0)
    set_up(torch.get_num_threads())
    x, before = torch.rand(BATCH, *SHAPE), load()
    nets = {rho: net(rho) for rho in (None, *RHOS)}
    seconds = interleaved({str(rho): lambda one=one: measure.run(one, x) for rho, one in nets.items()})
    rows = []
    for rho, one in nets.items():
        faster = ratio(seconds, "None", str(rho))
        kept = [64, 64, 64, 64] if rho is None else [64, *one.selector.counts]
        rows.append(
            {
                "rho": "dense" if rho is None else rho,
                "tokens in each block": ", ".join(map(str, kept)),
                "G multiply-accumulates": measure.flops(one, x[:1]) / 1e9,
                "published GFLOPs": FLOPS[rho],
                "throughput / dense": faster["median"],
                "quartile": faster["low"],
                "quartile ": faster["high"],
                "n": faster["n"],
                "published throughput / dense": THROUGHPUT.get(rho),
            }
        )
    made = provenance()
    text = (
        f"Spikformer-4-384, untrained, T = 4, batch {BATCH}, 32x32 images, float32, {made['threads']} threads, torch "
        f"{made['torch']}; load of the last minute {before} before, {load()} after. The published throughput is of a trained "
        f"network on a GPU.\n\n{pd.DataFrame(rows).to_markdown(index=False, floatfmt='.2f')}\n"
    )
    write_text(ROOT / "results" / "benchmarks" / "tokens.md", text)
    print(text)


if __name__ == "__main__":
    main()
