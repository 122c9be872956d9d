"""Channel pruning during training: score x growth x schedule, in soft or frozen mode (SCA, Algorithm 1;
methods A14-A24)."""

import torch
from torch import Tensor

from lib.core import collectives
from lib.core.errors import pick
from lib.core.returned import numbers
from lib.models import SpikingNet
from lib.pruning.compact import at_rest, compact, take
from lib.pruning.growth import GROWTH
from lib.pruning.masks import (
    Masks,
    apply_channel_masks,
    current_masks,
    keep_top,
    kept_count,
    kept_entries,
    prunable_channels,
    uniform_random,
    zero_channels,
)
from lib.pruning.members import MEMBERS
from lib.pruning.prices import prices
from lib.pruning.probing import probe
from lib.pruning.pruner import Pruner
from lib.pruning.schedules import RATIO_SCHEDULES, REGROW_SCHEDULES, planned, update_epochs
from lib.pruning.scores import SCORES, WEIGHT_SCORES, ScoreMeter, weight_scores
from lib.settings import Method

Frozen = tuple[Tensor, Tensor, Tensor]  # a tensor, entries that are kept, what the others hold


def choose(
    scores: dict[str, Tensor], growth: dict[str, Tensor] | None, kept: int, regrown: int, floor: int
) -> Masks:
    """One structure update: the best `kept - regrown` channels by score,
    then the best of the rest by growth (A17, A18).

    scores, growth: {site: [C]}; exactly `kept` channels remain (more only if the floors of all sites ask for
    more)
    """
    masks = keep_top(scores, kept - regrown if growth is not None else kept, floor)
    back = kept - sum(int(m.sum()) for m in masks.values())
    if growth is None or back <= 0:
        return masks
    regrow = keep_top(
        {name: torch.where(masks[name], -torch.inf, g.double()) for name, g in growth.items()}, back
    )
    return {name: mask | regrow[name] for name, mask in masks.items()}


class ChannelPruner(Pruner):
    """SCA and its relatives; `masks` are the channels that are kept.

    ratio: fraction of all channels removed, in [0, 1)
    epochs: length of the training; warmup: epochs before the first update;
    floor: channels that each layer keeps at least
    probes: called for the training batches that the growth gradient is read from
    """

    removes = "channels"

    def __init__(
        self,
        net: SpikingNet,
        method: Method,
        ratio: float,
        epochs: int,
        warmup: int,
        floor: int,
        generator: torch.Generator,
        probes,
    ):
        self.soft = method.mode == "soft"
        fixed = method.mode == "fixed"
        super().__init__(
            net, [] if fixed else update_epochs(epochs, warmup, method.interval, self.soft, method.stop)
        )
        self.method = method
        self.floor = floor
        self.generator = generator
        self.probes = probes
        self.ratios = self._planned(RATIO_SCHEDULES, "ratio_schedule", ratio)
        self.regrows = self._planned(REGROW_SCHEDULES, "regrow_schedule", method.regrow)
        pick(SCORES, method.score, "score")
        self.meter = (
            ScoreMeter(net, method.score) if self.updates and method.score not in WEIGHT_SCORES else None
        )
        self.prices = prices(net, method.per_synapses)
        self.frozen: list[Frozen] = []
        self.masks = current_masks(net)
        if fixed:
            self.masks = uniform_random(prunable_channels(net), ratio, floor, generator)
        self._apply()

    def _planned(self, schedules: dict, kind: str, end: float) -> dict[int, float]:
        return planned(schedules, getattr(self.method, kind), kind, "[0, 1)", self.updates, end)

    @torch.no_grad()
    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Frozen mode: puts back every weight and BN statistic whose output or input channel is masked (A22).

        Its momentum is 0 and stays so; of Adam's second moment see `at_rest`.
        """
        for tensor, kept, stored in self.frozen:
            tensor.copy_(torch.where(kept, tensor, stored))
            for key, value in optimizer.state.get(tensor, {}).items():
                if isinstance(value, Tensor) and value.shape == tensor.shape:
                    value.copy_(at_rest(key, value, kept))

    def stats_to_sync(self) -> list[Tensor]:
        return [] if self._meter() is None else list(self._meter().sum.values())

    def after_epoch(self, epoch: int) -> None:
        """Changes the structure if `epoch` (counted from 1) is one after which the schedule says so."""
        if epoch not in self.updates:
            if self.meter is not None and epoch + self.method.interval in self.updates:
                # scores are those of the last interval before an update, as published (an epoch)
                self.meter.clear()
            return
        ratio = self.ratios[epoch]
        regrow = self.regrows[epoch]
        total = sum(len(mask) for mask in self.masks.values())
        kept = kept_count(ratio, total)
        old = self.masks
        self.masks = choose(
            self.scores(), self.growth(), kept, min(int(regrow * total + 1e-9), kept), self.floor
        )
        if self.meter is not None:
            self.meter.clear()  # after the probes, which it heard too (A13)
        self._apply()
        self.history.append(
            {
                "epoch": epoch,
                "ratio": ratio,
                "regrow": regrow,
                "changed": sum(int((old[name] ^ mask).sum()) for name, mask in self.masks.items()) / total,
                "kept": {name: int(mask.sum()) for name, mask in self.masks.items()},
            }
        )

    def state(self) -> dict:
        meter = self._meter()
        return {
            **super().state(),
            "net": self.net.state_dict(),
            "masks": self.masks,
            "generator": self.generator.get_state(),
            "meter": None if meter is None else {"sum": meter.sum, "batches": meter.batches},
        }

    def restore(self, state: dict) -> None:
        super().restore(state)
        self.net.load_state_dict(state["net"])
        self.masks = state["masks"]
        self.generator.set_state(state["generator"].cpu())
        self._rebuild()
        if state["meter"] is not None:
            meter = self._meter()
            meter.sum = state["meter"]["sum"]
            meter.batches = state["meter"]["batches"]

    def _meter(self) -> ScoreMeter | None:
        return self.meter

    def _rebuild(self) -> None:
        if not self.soft:
            self._freeze()

    def finish(self) -> SpikingNet:
        """The small network that is reported; `net` holds the masked one, with the same values."""
        return compact(self.net, self.masks)

    def scores(self) -> dict[str, Tensor]:
        """{site: [C]} of this interval. In frozen mode a masked channel ranks last:
        only growth can bring it back (A22)."""
        scores = self._measured()
        heard = {name: torch.ones_like(mask) if self.soft else mask for name, mask in self.masks.items()}
        if self.method.normalise:
            scores = {
                name: score / score[heard[name]].mean().clamp(min=1e-12) for name, score in scores.items()
            }
        reassign = pick(MEMBERS, self.method.members, "members")
        found = {}
        for name, score in scores.items():
            found[name] = torch.full_like(score, -torch.inf)
            found[name][heard[name]] = reassign(score[heard[name]], self.generator) / self.prices[name]
        return found

    def _measured(self) -> dict[str, Tensor]:
        """{site: [C]}; in frozen mode a weight score is read where nothing is masked: no weight counts that
        no spike can reach. In soft mode all channels spike and train, and all are scored."""
        if self.meter is not None:
            return self.meter.mean()
        if self.soft:
            return weight_scores(self.net, self.method.score, self.generator)
        return self._spread(weight_scores(self._kept(), self.method.score, self.generator))

    def _kept(self) -> SpikingNet:
        """A network of the kept channels alone, with the gradients that the last batch left them."""
        small = compact(self.net, self.masks)
        axes = self.net.channel_dims()
        for (name, whole), part in zip(self.net.named_parameters(), small.parameters(), strict=True):
            part.grad = None if whole.grad is None else take(whole.grad, axes[name], self.masks)
        return small

    def _spread(self, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Scores of the kept channels -> {site: [C]}, 0 where masked."""
        spread = {name: score.new_zeros(len(self.masks[name])) for name, score in scores.items()}
        for name, score in scores.items():
            spread[name][self.masks[name]] = score
        return spread

    def growth(self) -> dict[str, Tensor] | None:
        """{site: [C]}; None if the method regrows nothing."""
        grow = pick(GROWTH, self.method.growth, "growth")
        if grow is None:
            return None
        # differs from the paper: frozen mode freezes masked channels and takes the gradient of the mean loss
        # over probe batches |sum dL/dgamma|;
        # published (mode soft): that of the last batch alone
        if not self.soft:  # soft mode reads the gradient that the last batch of the epoch left (A18)
            probe(self.net, self.probes())
            collectives.all_mean([p.grad for site in self.net.sites.values() for p in site.bn.parameters()])
        sites = self.net.sites
        who = f"growth {self.method.growth}, site"
        found = {name: grow(site, self.generator) for name, site in sites.items()}
        found = {name: numbers(found[name], site.bn.weight, f"{who} {name}") for name, site in sites.items()}
        return {name: growth / self.prices[name] for name, growth in found.items()}

    def _apply(self) -> None:
        if self.soft:
            zero_channels(self.net, self.masks)
        else:
            self._freeze()

    def _freeze(self) -> None:
        """Masks the network, and remembers what the frozen entries hold."""
        self.frozen = []
        apply_channel_masks(self.net, self.masks)
        tensors = {**dict(self.net.named_parameters()), **dict(self.net.named_buffers())}
        for name, axes in self.net.channel_dims().items():
            if any(axes) and not name.endswith(".mask"):
                kept = kept_entries(tensors[name], axes, self.masks)
                if not kept.all():
                    self.frozen.append((tensors[name], kept, tensors[name].detach().clone()))
