"""Training on fewer tokens: the student's loss, its statistics afterwards, and who took part
(SparseSpikformer; methods C11, C12)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.models.spikformer import Spikformer
from lib.models.tokens import Selector


def ratio_loss(decisions: list[Tensor], counts: list[int]) -> Tensor:
    """Mean over stages and images of (share kept - share wanted)^2 (C11)."""
    # differs from the paper: the target is the share that is really kept at inference, int(64 rho^k) / 64;
    # published: rho^k
    wanted = [count / mask.shape[1] for count, mask in zip(counts, decisions, strict=True)]
    return torch.stack(
        [((mask.mean(1) - share) ** 2).mean() for mask, share in zip(decisions, wanted, strict=True)]
    ).mean()


def token_loss(
    logits: Tensor, y: Tensor, teacher: Tensor, selector: Selector | None, smoothing: float = 0.0
) -> Tensor:
    """CE + 2 x ratio loss + 0.5 x KL(teacher || student) (C11).
    selector None: no ratio loss; smoothing: of the labels"""
    known = F.log_softmax(teacher, 1)
    told = F.log_softmax(logits, 1)
    kl = F.kl_div(told, known, reduction="batchmean", log_target=True)
    kept = 0.0 if selector is None else ratio_loss(selector.decisions, selector.counts)
    return F.cross_entropy(logits, y, label_smoothing=smoothing) + 2.0 * kept + 0.5 * kl


@torch.no_grad()
def worked_on(net: Spikformer, images: Tensor) -> list[Tensor]:
    """[N, L] for each block of a network in eval mode, on the CPU: 1 for a token that the block works on."""
    every = torch.ones(images.shape[-4], net.tokens)
    if net.selector is None:
        return [every] * len(net.blocks)
    gathered = net.selector.gathered
    net.selector.gathered = False
    net(images)
    net.selector.gathered = gathered
    decisions = [mask.cpu() for mask in net.selector.decisions]
    return [every] * (len(net.blocks) - len(decisions)) + decisions


@torch.no_grad()
def teach(teacher: Spikformer, x: Tensor) -> Tensor:
    """The dense network's logits, in eval mode; its state is reset, as in every forward pass (3.5,
    item 1)."""
    return teacher.eval()(x)
