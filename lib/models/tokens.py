"""Parts of a spiking transformer that choose its tokens: which, how many, and where (SparseSpikformer;
methods C6-C10, 3.7).

Before the second and each later block a share rho, rho^2, ... of the tokens that the image had goes on. While
training, dropped tokens are masked, so that the decision earns a gradient; afterwards they are gone, and the
blocks run on fewer tokens.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.core.errors import pick
from lib.core.returned import numbers
from lib.models.spikformer import Block, Spikformer


def kept_tokens(tokens: int, rho: float, stages: int) -> list[int]:
    """Tokens that go on at each stage: int(tokens rho^k), k = 1, 2, ...; at least 1 (C8).

    The one source of these numbers: training, inference and costs all read it.
    raises: ValueError unless 0 < rho <= 1
    """
    if not 0 < rho <= 1:
        raise ValueError(f"rho {rho}: allowed is more than 0 and at most 1")
    return [max(1, int(tokens * rho**k + 1e-9)) for k in range(1, stages + 1)]


def highest(score: Tensor, count: int, second: Tensor | None = None) -> Tensor:
    """Indices [N, count] of the highest scores of each row, in the order of their places.

    Ties go to the higher `second`, then to the earlier one.
    """
    order = (score if second is None else second).argsort(dim=1, descending=True, stable=True)
    if second is not None:
        order = order.gather(1, score.gather(1, order).argsort(dim=1, descending=True, stable=True))
    return order[:, :count].sort(dim=1).values


def as_mask(index: Tensor, tokens: int) -> Tensor:
    """[N, count] indices -> [N, tokens], 1 where a token is among them."""
    return torch.zeros(len(index), tokens, device=index.device).scatter_(1, index, 1.0)


class Predictor(nn.Sequential):
    """Log-probabilities [N, L, 2] of keeping and dropping, from the firing rates of a token (C7). Its first
    layer reads a mean over steps, and costs ACs; its second is analog, and costs MACs (C18)."""

    def __init__(self, width: int):
        super().__init__(nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, 2), nn.LogSoftmax(-1))


class Selector(nn.Module):
    """Tokens that go on, from stage to stage fewer. rule: 'learned' (a Predictor a stage), 'random', or
    'attention' (how much attention the block before gave a token)

    gathered: whether dropped tokens are really left out in eval mode;
    otherwise they are masked, with the same logits
    decisions: after a forward pass in which tokens are masked, the mask [N, L] of each stage
    works_on: tokens that each block works on; tokens_left: those that the classifier reads
    """

    def __init__(self, net: Spikformer, rho: float, rule: str = "learned"):
        super().__init__()
        self.rule = rule
        self.gathered = True
        self.stages = len(net.blocks) - 1
        self.counts = kept_tokens(net.tokens, rho, self.stages)
        self.works_on = [net.tokens, *self.counts]
        self.tokens_left = self.works_on[-1]
        self.places = None  # where the tokens that are left stood
        self.noise = None  # what 'random' draws for each token, at each stage
        self.predictors = nn.ModuleList(
            Predictor(net.head.in_features) for _ in range(self.stages if rule == "learned" else 0)
        )
        self.decisions: list[Tensor] = []

    def forward(
        self, number: int, blocks: nn.ModuleList, x: Tensor, keep: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """x [T, N, L, D] and who is left of it -> the same after this stage's decision and block `number`."""
        if number:
            x, keep = self.decide(number, x, keep, blocks[number - 1])
        return blocks[number](x, keep), keep

    def decide(
        self, number: int, x: Tensor, keep: Tensor | None, before: Block
    ) -> tuple[Tensor, Tensor | None]:
        """Who goes on into block `number`."""
        if number == 1:
            self.decisions = []
            self.places = torch.arange(x.shape[2], device=x.device).expand(x.shape[1], -1)
            if self.rule == "random":
                self.noise = torch.rand(self.stages, *self.places.shape, device=x.device)
        score = self.score(number, x, before)
        if self.training and self.rule == "learned":
            drawn = F.gumbel_softmax(score, tau=1.0, hard=True)[..., 0]
            keep = drawn if keep is None else keep * drawn
        else:
            learned = self.rule == "learned"
            score = score[..., 0] if learned else numbers(score, x[0, :, :, 0], f"rule {self.rule}")
            score = score if keep is None else torch.where(keep > 0, score, -torch.inf)
            # columns are small whole numbers, with many ties
            rate = x.mean((0, 3)) if self.rule == "attention" else None
            index = highest(score, self.counts[number - 1], rate)
            if self.gathered and not self.training:
                self.places = self.places.gather(1, index)
                return x.take_along_dim(index[None, :, :, None], 2), None
            keep = as_mask(index, x.shape[2]).to(x.dtype)
        self.decisions.append(keep)
        return x, keep

    def score(self, number: int, x: Tensor, before: Block) -> Tensor:
        """[N, L], higher goes on; for the learned rule [N, L, 2]."""
        if self.rule == "learned":
            return self.predictors[number - 1](x.mean(0))
        if self.rule == "random":
            return self.noise[number - 1].gather(1, self.places)
        return before.attention.columns


def information(x: Tensor, side: tuple[int, int]) -> Tensor:
    """[N, L]: how much a token differs from the mean of its 3x3 neighbourhood, plus how much it changes from
    step to step, each divided by the largest of the image (in the manner of TP-Spikformer, ICLR 2026; methods
    3.7). x: [T, N, L, D]
    """
    maps = x.transpose(-1, -2).flatten(0, 1).unflatten(-1, side)  # [T*N, D, H, W]
    around = F.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)
    apart = (maps - around).norm(dim=1).flatten(1).unflatten(0, x.shape[:2]).mean(0)
    change = (x[1:] - x[:-1]).norm(dim=-1).mean(0) if len(x) > 1 else torch.zeros_like(apart)
    return sum(part / part.amax(1, keepdim=True).clamp(min=1e-12) for part in (apart, change))


class Skipper(nn.Module):
    """Needs no training: the tokens that say least pass by a block unchanged,
    and are there again for the next one.

    rho: share of the tokens that each block works on
    decisions: after a forward pass, who took part in each block [N, L]
    """

    gathered = True  # nothing is ever masked

    # differs from the paper: the same tokens at all T steps, which keeps a neuron's steps together;
    # published: chosen at each
    def __init__(self, net: Spikformer, rho: float, rule: str = "skip"):
        super().__init__()
        [self.count] = kept_tokens(net.tokens, rho, 1)
        self.side = net.side
        self.rule = rule
        self.works_on = [self.count] * len(net.blocks)
        self.decisions = []
        self.tokens_left = net.tokens  # who passes by is there again

    def forward(self, number: int, blocks: nn.ModuleList, x: Tensor, keep: None) -> tuple[Tensor, None]:
        """x [T, N, L, D] -> the same after block `number`."""
        chosen = highest(information(x, self.side), self.count)
        self.decisions = [*(self.decisions if number else []), as_mask(chosen, x.shape[2])]
        index = chosen[None, :, :, None].expand(len(x), -1, -1, x.shape[-1])
        return x.scatter(2, index, blocks[number](x.gather(2, index))), None


RULES = {"learned": Selector, "random": Selector, "attention": Selector, "skip": Skipper}


def make_selector(net: Spikformer, rho: float, rule: str = "learned") -> Selector | Skipper:
    """What decides which tokens go on. raises: ValueError for a rho out of range,
    ConfigError for an unknown rule"""
    return pick(RULES, rule, "rule")(net, rho, rule)
