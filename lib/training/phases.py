"""From one phase of a training to the next: rectified units, firing rates, spikes (`lib.settings.task`).

The weights stay; what they meant to the units before is fitted to those that follow.
"""

import torch

from lib.core import collectives
from lib.models import SpikingNet
from lib.models.start import recalibrate, rescale

SCALING = 4  # batches that the scale of neurons after rectified units is chosen on
CALIBRATION = 50  # batches that the statistics of batch normalisation are measured on


def fit_to_units(net: SpikingNet, before: str, batches, loss) -> None:
    """Measures statistics of BN anew with the units that `net` has now; those that follow rectified units
    first take up the scale that suits them.

    before: the units until now; batches: count -> so many of (x, y); loss: (net, x, y) -> a number
    """
    if before == "relu":
        rescale(net, list(batches(SCALING)), lambda chosen: mean_loss(net, chosen, loss))
    recalibrate(net, batches(CALIBRATION))


@torch.no_grad()
def mean_loss(net: SpikingNet, batches: list, loss) -> float:
    """Over batches and devices, in eval mode."""
    return collectives.all_sum(sum(loss(net, x, y).item() for x, y in batches)) / len(batches)
