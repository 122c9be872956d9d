"""What is asked of a study: which way of training is set beside which, and which paper makes the comparison.

A paper is named only where it compares the two. Numbers of items and sections are those of docs/methods.md.
"""

from typing import NamedTuple

SCA = "SCA"
SPARSE = "SparseSpikformer"
LIU = "Liu et al. (2019)"
INTERVAL = (
    "What does another interval between updates change, if the last update falls in the same epoch? (A16)"
)
CHOICE = (
    "Are learned tokens better than random ones (printed for rho 0.8 to 0.6), "
    "or than attention's choice? (3.6)"
)
PLACES = "Is the MLP of a Spikformer more redundant than its attention, as SparseSpikformer argues? (C19)"


class Claim(NamedTuple):
    """ours, theirs: a method, a baseline, "dense", what an ablation varies ("score abs_v"; "l1": each value)

    says, above: who makes the comparison, and whether it finds ours above theirs
    measure: "accuracy (%)", a difference in points, or "parameters", a difference in percent of theirs
    same_end: not compared if the structure changes for the last time in other epochs
    """

    ours: str
    theirs: str
    says: str = ""
    above: bool = True
    measure: str = "accuracy (%)"
    same_end: bool = False


QUESTIONS: dict[str, tuple[Claim, ...]] = {
    "What does removing channels cost? (1.7)": (Claim("sca", "dense"), Claim("sca-plus", "dense")),
    "Does prune-and-regrow beat only-prune? (A32)": (
        Claim("sca", "only-prune", SCA),
        Claim("sca-soft", "only-prune", SCA),
    ),
    "Does only-prune beat random channels? (A32)": (Claim("only-prune", "random", SCA),),
    "Does prune-and-regrow beat random channels? (A32)": (
        Claim("sca", "random", SCA),
        Claim("sca-soft", "random", SCA),
    ),
    "Do only-prune and random keep more parameters at an equal ratio? (A32)": (
        Claim("only-prune", "sca", SCA, True, "parameters"),
        Claim("only-prune", "sca-soft", SCA, True, "parameters"),
        Claim("random", "sca", SCA, True, "parameters"),
        Claim("random", "sca-soft", SCA, True, "parameters"),
    ),
    "What does sca+, our schedule of the same parts, gain? (A22, A24)": (
        Claim("sca-plus", "sca"),
        Claim("sca-plus", "only-prune"),
        Claim("sca-plus", "random"),
    ),
    "What do scores divided by their layer's mean change in sca+?": (
        Claim("sca-plus-divided", "sca-plus"),
        Claim("sca-plus-divided", "random"),
    ),
    "What does |V|, which the text prints, change against S + |V|, which the code uses? (A10-A12)": (
        Claim("score abs_v", "sca"),
    ),
    "Are other scores better than S + |V|? (A12)": (
        Claim("score firing_rate", "sca"),
        Claim("score relu_h", "sca"),
        Claim("score bn_gamma", "sca"),
        Claim("score filter_l1", "sca"),
        Claim("score singular_values", "sca"),
    ),
    "Does it matter which channels of a layer are kept? (A32)": (Claim("members", "sca"),),
    "What does SCA as published, soft and updated to the last epoch, change? (A20-A24)": (
        Claim("mode", "sca"),
    ),
    "Are other scores better than |V|? (A10, A12)": (
        Claim("score firing_rate", "score abs_v"),
        Claim("score relu_h", "score abs_v"),
        Claim("score bn_gamma", "score abs_v"),
        Claim("score filter_l1", "score abs_v"),
    ),
    "What does dividing scores by their layer's mean change? (A22)": (Claim("normalise", "sca"),),
    "Frozen or soft: does freezing what is masked matter? (A20-A22)": (Claim("sca", "sca-soft"),),
    "What does another L1 change? (A25)": (Claim("l1", "sca"),),
    "What does another regrown fraction change? (A15)": (Claim("regrow", "sca"),),
    INTERVAL: (
        Claim("interval", "stop", same_end=True),
        Claim("interval", "sca", same_end=True),
    ),
    "What does it change if only the last updates are left out? (A24)": (Claim("stop", "sca"),),
    "Do the weights that pruning leaves beat its widths, trained anew? (A34)": (
        Claim("sca", "anew", LIU, False),
    ),
    "Does SCA beat a dense network of equal parameters, or of equal training cost? (A34)": (
        Claim("sca", "uniform"),
        Claim("sca", "uniform-longer"),
    ),
    "What do sparse weights cost? (2.6)": (Claim("pq", "dense"),),
    "Does PQ beat its baselines, at equal density? (2.6, B16)": (
        Claim("pq", "pq-fixed"),
        Claim("pq", "pq-random"),
        Claim("pq", "esl"),
        Claim("pq", "one-shot"),
    ),
    "Does PQ beat other methods for single weights, at equal density? (2.7)": (
        Claim("pq", "set"),
        Claim("pq", "rigl"),
        Claim("pq", "granet"),
        Claim("pq", "lottery"),
        Claim("pq", "grad-r"),
        Claim("pq", "stds"),
    ),
    "What does each part of PQ change? (2.6)": (
        Claim("pq", "pq-neuron"),
        Claim("pq", "pq-constant"),
        Claim("pq", "pq-shrink"),
        Claim("pq", "pq-gradual"),
    ),
    CHOICE: (
        Claim("learned", "random-tokens", SPARSE),
        Claim("learned", "attention"),
    ),
    "What do dropped tokens cost beside all tokens, trained on?": (Claim("learned", "all"),),
    "What does that training give by itself?": (Claim("all", "dense"),),
    "What does skipping cost, which trains nothing? (3.7)": (Claim("skip", "dense"),),
    "Do tickets gain from selected tokens, as on CIFAR-10? (3.6)": (
        Claim("tickets-learned", "tickets-all", SPARSE),
    ),
    "What do tickets cost beside all weights, trained on?": (Claim("tickets-all", "all"),),
}

FIGURES = {  # where a question's answer is drawn; of the others: effects
    "What does removing channels cost? (1.7)": "accuracy",
    "Does prune-and-regrow beat only-prune? (A32)": "ablation",
    "Does only-prune beat random channels? (A32)": "ablation",
    "Does prune-and-regrow beat random channels? (A32)": "ablation",
    "At equal parameters, along each method's curve from the dense network on, who is better?": "accuracy",
    "At equal SynOps (AC a sample), along those curves?": "accuracy",
    "What do sparse weights cost? (2.6)": "density",
    "Does PQ beat its baselines, at equal density? (2.6, B16)": "density",
    "Does PQ beat other methods for single weights, at equal density? (2.7)": "density",
    "What does each part of PQ change? (2.6)": "density",
    CHOICE: "tokens",
    "What do dropped tokens cost beside all tokens, trained on?": "tokens",
    "What does that training give by itself?": "tokens",
    "What does skipping cost, which trains nothing? (3.7)": "tokens",
    "Do tickets gain from selected tokens, as on CIFAR-10? (3.6)": "codesign",
    "What do tickets cost beside all weights, trained on?": "codesign",
    PLACES: "codesign",
}
