"""Everything that is reported of a training."""

import torch

from lib import models
from lib.measure.activity import firing
from lib.measure.cost import flops, picojoules, synops
from lib.measure.evaluate import accuracy, max_logit_diff
from lib.measure.size import parameters
from lib.models import SpikingNet
from lib.pruning import activity_scores

# always the first ones of their split: the same for every run
COST_IMAGES = 200
PROOF_IMAGES = 50
SCORE_IMAGES = 500


def report(trained) -> dict:
    """Everything that is reported of a `lib.training.Run` after its last epoch, read off the compact network.

    The test set is read here and nowhere else. Costs are those of its first COST_IMAGES images.
    """
    # differs from the paper: the last epoch's network under its last mask;
    # published: the best epoch on the test images
    splits = trained.splits
    small = trained.finish()
    images = splits.test[0][:COST_IMAGES]
    ops = synops(small, images)
    rates = {name: rate.cpu() for name, rate in firing(small, images).items()}
    dense = models.build(**{**small.spec, "widths": {}, "selector": None})
    return {
        "accuracy": accuracy(small, *splits.test),
        "validation": accuracy(small, *splits.validation),
        "loss": trained.log[-1]["loss"] if trained.log else None,
        "parameters": parameters(small, dense, trained.pruner.removes),
        "synops": ops,
        "flops": flops(small, images[..., :1, :, :, :]),
        "energy_pj": picojoules(ops),
        "widths": {name: len(site.mask) for name, site in small.sites.items()},
        "channels": {name: len(site.mask) for name, site in dense.sites.items()},
        "firing": rates,
        "silent": torch.cat([rate == 0 for rate in rates.values()]).float().mean().item(),
        "scores": activity_scores(small, "spike_abs_v", [(splits.train[0][:SCORE_IMAGES], None)]),
        "numerics": numerics(small),
        "compact_difference": max_logit_diff(trained.masked(), small, splits.test[0][:PROOF_IMAGES]),
        "updates": trained.pruner.history,
        "log": trained.log,
    }


def numerics(net: SpikingNet) -> dict:
    """Where, in what precision and how the network computes; `lib.settings.records` adds the versions."""
    weight = next(net.parameters())
    dtype = str(weight.dtype).removeprefix("torch.")
    return {"device": weight.device.type, "dtype": dtype, "fast": net.fast.model_dump()}
