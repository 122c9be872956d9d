"""Masked and compact networks beside each other: network x share of channels kept -> largest logit
difference.

python tools/equivalence.py     prints results/equivalence.md, and writes it and results/equivalence.csv

In float64, on networks that are seen to spike: in float32 rounding flips spikes, and a silent network would
prove nothing.
"""

import pandas as pd
from evidence import made_by
from spiking import images, in_shape, living
from tqdm import tqdm

from lib import models, pruning
from lib.core.files import ROOT, write_text
from lib.measure import count_parameters, max_logit_diff

NOTE = """
Every network spikes: in every layer some neurons fire and some do not, and flipping one bit of the layer's
mask changes the logits by more than 1e-6. float64, eval mode, T = 2, IF neurons, random weights, masks and
images.
"""
# a transformer has no prunable channels here
NETWORKS = [name for name in models.NAMES if not name.startswith("spikformer")]
KEPT = {"3/4": 0.75, "1/2": 0.5, "1/4": 0.25, "1/10": 0.1, "one a site": 1}


def compare(name, kept):
    """One row of the table."""
    width = 1.0 if name.endswith("digits") else 0.125
    net, masks = living(name, in_shape(name), KEPT[kept], width=width, T=2)
    small = pruning.compact(net, masks)
    dense = sum(p.numel() for p in net.parameters())
    left = count_parameters(small)["all"]
    return {
        "network": name,
        "width": width,
        "channels kept": kept,
        "parameters left": left,
        "% of dense": round(100 * left / dense, 2),
        "largest logit difference": f"{max_logit_diff(net, small, images(net, 8, seed=11)):.1e}",
    }


def main():
    rows = [compare(name, kept) for name in tqdm(NETWORKS, unit="network") for kept in KEPT]
    table = pd.DataFrame(rows)
    path = ROOT / "results" / "equivalence"
    head = made_by(
        "python tools/equivalence.py", "tools/spiking.py, whose networks, masks and images are random"
    )
    write_text(path.with_suffix(".csv"), table.to_csv(index=False))
    text = table.to_markdown(index=False, disable_numparse=True)
    write_text(path.with_suffix(".md"), f"{head}{text}\n{NOTE}")
    print(path.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
