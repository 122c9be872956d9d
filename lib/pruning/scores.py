"""Which channels matter: one function, one criterion. Larger = keep.

Activity scores see one training batch and return [C]; their mean over the batches since the last structure
update is the score. Weight scores see the site and the convolution that feeds it, once, at the update, in a
network of the kept channels alone: what is masked counts in no score, neither as an output nor as an input.

A criterion of your own is a function with one of the two signatures and a line in the registry below it. It
must return a finite floating-point number for each channel; all else is refused with a `CriterionError`.
"""

from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from lib.core.errors import pick
from lib.core.returned import finite, numbers, shaped
from lib.models import Activity, Site, known

T_N_H_W = (0, 1, 3, 4)  # every dimension of [T, N, C, H, W] but the channel
DECOMPOSED = 8  # images of a batch whose maps are decomposed: all of them would cost more than the training


def spike_abs_v(act: Activity) -> Tensor:
    """Spikes plus membrane potential left after the reset: what SCA's code computes (methods A11).

    A_k = mean_{n,t,h,w} ( S + |V| )     for IF with hard reset: |H| where silent, 1 where a spike was fired
    """
    return (act.spikes + act.v_post.abs()).mean(T_N_H_W)


def spike_abs_v_sum(act: Activity) -> Tensor:
    """As `spike_abs_v`, summed over the map instead of averaged:
    favours layers with large maps (A11, note)."""
    return (act.spikes + act.v_post.abs()).sum((3, 4)).mean((0, 1))


def abs_v(act: Activity) -> Tensor:
    """Mean |V| after the reset: SCA's equation 4 as the text states it, per position (A10)."""
    return act.v_post.abs().mean(T_N_H_W)


def abs_h(act: Activity) -> Tensor:
    """Mean |H|, the membrane potential before firing (A12)."""
    return act.h_pre.abs().mean(T_N_H_W)


def relu_h(act: Activity) -> Tensor:
    """Mean of max(H, 0): an inhibited channel that never fires earns nothing (A12)."""
    return act.h_pre.clamp(min=0).mean(T_N_H_W)


def firing_rate(act: Activity) -> Tensor:
    """Spikes a neuron and time step, in [0, 1] (A12)."""
    return act.spikes.mean(T_N_H_W)


def singular_values(act: Activity) -> Tensor:
    """Sum of the singular values of a channel's map of firing rates, mean over images: many and independent
    patterns rank above one (QP-SNN, ICLR 2025; of the first images of each batch)."""
    rates = act.spikes[:, :DECOMPOSED].mean(0)  # [N, C, H, W]
    return torch.linalg.svdvals(rates).sum(-1).mean(0)


ACTIVITY_SCORES = {
    "spike_abs_v": spike_abs_v,
    "spike_abs_v_sum": spike_abs_v_sum,
    "abs_v": abs_v,
    "abs_h": abs_h,
    "relu_h": relu_h,
    "firing_rate": firing_rate,
    "singular_values": singular_values,
}


def bn_gamma(site: Site, conv: nn.Conv2d, generator: torch.Generator) -> Tensor:
    """|gamma| of the site's batch normalisation (network slimming, Liu et al. 2017)."""
    return site.bn.weight.detach().abs()


def filter_l1(site: Site, conv: nn.Conv2d, generator: torch.Generator) -> Tensor:
    """Sum of the filter's absolute weights (Li et al. 2017, section 3.1)."""
    return conv.weight.detach().abs().sum((1, 2, 3))


def random(site: Site, conv: nn.Conv2d, generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1), drawn anew at each update."""
    return torch.rand(len(site.mask), generator=generator).to(site.bn.weight)


WEIGHT_SCORES = {"bn_gamma": bn_gamma, "filter_l1": filter_l1, "random": random}

SCORES = {**ACTIVITY_SCORES, **WEIGHT_SCORES}


def weight_scores(net, score: str, generator: torch.Generator) -> dict[str, Tensor]:
    """{site: [C]}: a weight score of all channels of `net`, whatever its masks say. raises: CriterionError"""
    criterion = pick(WEIGHT_SCORES, score, "score of weights")
    feeders = {edge.makes: net.get_submodule(edge.module) for edge in known(net).edges() if edge.makes}
    found = {name: criterion(site, feeders[name], generator) for name, site in net.sites.items()}
    return {name: numbers(found[name], net.sites[name].bn.weight, whose(score, name)) for name in found}


def whose(score: str, site: str) -> str:
    """What a message calls a score."""
    return f"score {score}, site {site}"


class ScoreMeter:
    """Running mean of an activity score over training batches, for every site, until `clear`."""

    def __init__(self, net, score: str):
        criterion = pick(ACTIVITY_SCORES, score, "score of activity")
        if known(net).step_mode != "m":
            raise ValueError(
                f"step mode {net.step_mode!r}: scores are read over all T steps at once; "
                "call net.set_step_mode('m')"
            )
        self.name = score
        self.sites = net.sites
        self.before = {name: (site.node.watch, site.meter) for name, site in self.sites.items()}
        for site in self.sites.values():
            site.node.watch = criterion
            site.meter = self
        self.hooks = [
            site.register_forward_hook(partial(self._add, name)) for name, site in self.sites.items()
        ]
        self.clear()

    def clear(self) -> None:
        self.sum = {
            name: torch.zeros_like(site.bn.weight, requires_grad=False) for name, site in self.sites.items()
        }
        self.batches = dict.fromkeys(self.sites, 0)

    @torch.no_grad()
    def _add(self, name: str, site: Site, current, spikes) -> None:
        if site.node.watching() and site.meter is self:
            seen = shaped(site.node.seen, site.like(spikes), whose(self.name, name))
            self.sum[name] += site.own(seen)
            self.batches[name] += 1

    def mean(self) -> dict[str, Tensor]:
        """{site: [C]}. raises: RuntimeError before the first batch;
        CriterionError if any batch was not finite"""
        if not all(self.batches.values()):
            raise RuntimeError(
                "no training batch has been seen since the last structure update: nothing to score"
            )
        # only here: to look at every batch would hold up a GPU, and what is not finite stays so in the sum
        means = {name: total / self.batches[name] for name, total in self.sum.items()}
        return {name: finite(mean, whose(self.name, name)) for name, mean in means.items()}

    def detach(self) -> None:
        """Stops listening; a meter that listened before hears again."""
        for name, site in self.sites.items():
            site.node.watch, site.meter = self.before[name]
        for hook in self.hooks:
            hook.remove()


@contextmanager
def untouched_buffers(net: nn.Module):
    """Runs the net in training mode (batch statistics) and puts every buffer, running statistics included,
    back afterwards."""
    kept = {name: b.clone() for name, b in net.named_buffers()}
    training = net.training
    try:
        yield net.train()
    finally:
        for name, buffer in net.named_buffers():
            buffer.copy_(kept[name])
        net.train(training)


def activity_scores(net, score: str, batches) -> dict[str, Tensor]:
    """{site: [C]}: an activity score of a trained net over `batches` of (x, y),
    read as in training but without a trace."""
    meter = ScoreMeter(net, score)
    with untouched_buffers(net), torch.no_grad():
        for x, _ in batches:
            net(x)
    meter.detach()
    return meter.mean()
