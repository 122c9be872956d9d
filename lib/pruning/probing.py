"""What the loss would gain if removed channels spoke: gradients of a few batches, and no trace of them."""

import math

import torch

from lib.models import SpikingNet
from lib.pruning.scores import untouched_buffers

PROBE_IMAGES = 16  # at most, in a pass


def probe(net: SpikingNet, batches) -> None:
    """Leaves in `.grad` of each site's BN the gradient of a few batches;
    no step is taken, no BN statistic moves (A22).

    A masked channel is heard by its own BN scale alone: see `lib.models.sites.Site`. Batches of more than
    PROBE_IMAGES run in equal parts, each with its own batch statistics, and no gradient of a weight is
    formed: the peak of memory stays small.
    """
    if net.step_mode != "m":
        raise ValueError(
            f"step mode {net.step_mode!r}: probes run over all T steps at once; call net.set_step_mode('m')"
        )
    heard = {id(p) for site in net.sites.values() for p in site.bn.parameters()}
    others = [p for p in net.parameters() if id(p) not in heard and p.requires_grad]
    net.zero_grad()
    for site in net.sites.values():
        site.state = "probing"
    for p in others:
        p.requires_grad_(False)
    try:
        with untouched_buffers(net):
            for x, y in batches:
                parts = math.ceil(len(y) / PROBE_IMAGES)
                for images, labels in zip(x.chunk(parts, -4), y.chunk(parts), strict=True):
                    loss = torch.nn.functional.cross_entropy(net(images), labels)
                    (loss * len(labels) / len(y)).backward()
    finally:
        for p in others:
            p.requires_grad_(True)
        for site in net.sites.values():
            site.state = "masked"
