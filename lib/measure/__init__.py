"""What a trained network is and costs, read off the network itself."""

from lib.measure.activity import firing
from lib.measure.cost import energy, flops, picojoules, synops, training_flops
from lib.measure.evaluate import accuracy, count_correct, max_logit_diff, predict
from lib.measure.report import COST_IMAGES, PROOF_IMAGES, numerics, report
from lib.measure.size import by_kind, count_parameters, count_synapses, parameters, weights_left

__all__ = [
    "COST_IMAGES", "PROOF_IMAGES", "accuracy", "by_kind", "count_correct", "count_parameters",
    "count_synapses", "energy", "firing", "flops", "max_logit_diff", "numerics", "parameters", "picojoules",
    "predict", "report", "synops", "training_flops", "weights_left",
]  # fmt: skip
