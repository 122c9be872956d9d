"""What a training step costs on a GPU against plain SpikingJelly's, on the same card, in one process.

usage: python benchmarks/cuda.py        -> results/benchmarks/cuda.md
"""

import sys
from pathlib import Path

import pandas as pd
import torch
from steps import our_step, plain_step
from timing import interleaved, ratio, spread

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by

from lib import training
from lib.core.files import ROOT, write_text
from lib.settings import Fast

T = 4
SIZE = 128
PLAIN = "plain SpikingJelly"
OURS = {
    "SpikingJelly's neurons, static image once": Fast(neurons="spikingjelly"),
    "fused neurons": Fast(),
    "fused neurons, channels last, bf16": Fast(channels_last=True, bf16=True),
    "compiled layers, channels last": Fast(neurons="compiled", channels_last=True),
    "compiled layers, channels last, bf16": Fast(neurons="compiled", channels_last=True, bf16=True),
}


def main() -> None:
    training.set_up(1)
    torch.manual_seed(0)
    shape = {"size": SIZE, "steps": T}
    variants = {PLAIN: plain_step(**shape)}
    seconds = interleaved(variants | {name: our_step(**shape, fast=fast) for name, fast in OURS.items()})
    rows = []
    for name, each in seconds.items():
        found = spread([1000 * value for value in each])
        against = ratio(seconds, name, PLAIN)
        rows.append(
            {
                "step": name,
                "ms": found["median"],
                "quartiles": f"{found['low']:.1f} to {found['high']:.1f}",
                "of plain": against["median"],
                "images a second": 1000 * SIZE / found["median"],
            }
        )
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    head = made_by("python benchmarks/cuda.py", "scikit-learn's digits at CIFAR's size")
    text = (
        f"VGG16, T = {T}, batch {SIZE}, {card}, torch {torch.__version__}: a whole training step, median of "
        f"{len(seconds[PLAIN])} rounds.\n\n{pd.DataFrame(rows).to_markdown(index=False, floatfmt='.3f')}\n"
    )
    write_text(ROOT / "results" / "benchmarks" / "cuda.md", head + text)
    print(text)


if __name__ == "__main__":
    main()
