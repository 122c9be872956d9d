"""Single weights, sparse from scratch: masks that hold, rewired as training goes on (PQ, SET, RigL, ESL-SNN,
GraNet).

A removed weight is 0.0 whenever a step or an update has ended. Since the weight itself is 0, its gradient is
the dense one (of the effective weight), and so is the optimiser's momentum: that is what growth reads (B11).
"""

import torch
from torch import Tensor

from lib.core.returned import numbers
from lib.models import SpikingNet
from lib.pruning.pruner import Pruner
from lib.pruning.rewiring import SCOPES, WEIGHT_GROWTH, Rows, protected, rewired, shares, unrows
from lib.pruning.schedules import DENSITY_SCHEDULES, exchanges, planned, update_epochs
from lib.pruning.sparse_init import sparse_masks, total_count
from lib.settings import Rewire, Rewiring

WeightMasks = dict[str, Tensor]


@torch.no_grad()
def apply_weight_masks(net: SpikingNet, masks: WeightMasks) -> None:
    """Sets every weight that is not kept to 0.0. raises: ValueError unless there is a bool mask of the right
    shape for each"""
    weights = net.weights()
    if set(masks) != set(weights):
        wrong = sorted(set(masks) ^ set(weights))
        raise ValueError(
            f"weight masks: {', '.join(wrong)} missing or unknown; the layers are {', '.join(weights)}"
        )
    for name, weight in weights.items():
        mask = masks[name]
        if mask.dtype != torch.bool or mask.shape != weight.shape:
            found = f"{mask.dtype} of {list(mask.shape)}"
            raise ValueError(f"mask of {name}: {found}; expected torch.bool of {list(weight.shape)}")
        weight.masked_fill_(~mask, 0.0)


def density(masks: WeightMasks) -> float:
    """Share of the weights that are kept."""
    return sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())


class WeightPruner(Pruner):
    """start x how much x which x what comes back, as a `Rewiring` composes them.

    final: the density to end at, in (0, 1]; nothing changes any more once it is reached (for `constant`:
    it is the start's)
    epochs: length of the training; timing: when updates come, where the method does not say
    """

    removes = "weights"

    def __init__(
        self,
        net: SpikingNet,
        method: Rewiring,
        final: float,
        epochs: int,
        timing: Rewire,
        generator: torch.Generator,
    ):
        warmup = method.warmup or timing.warmup
        interval = method.interval or timing.interval
        updates = update_epochs(epochs, warmup, interval, last_too=False, stop=timing.stop)
        super().__init__(net, updates[:1] if method.ratio == "once" else updates)
        # RigL's T_end: the first update that does not come
        self.end = updates[-1] + interval if updates else epochs
        self.method = method
        self.generator = generator
        self.optimizer = None
        self.start = final if method.start is None else method.start
        self.final = final
        if method.ratio != "pq":
            ends = self.start, final
            self.densities = planned(DENSITY_SCHEDULES, method.ratio, "ratio", "(0, 1]", self.updates, *ends)
        self.exchanges = dict.fromkeys(self.updates, method.exchange)
        if method.exchange:
            schedule = method.exchange_schedule
            self.exchanges = exchanges(schedule, method.exchange, self.updates, self.end, "exchange_schedule")
        shapes = {name: tuple(weight.shape) for name, weight in self.net.weights().items()}
        device = next(net.parameters()).device
        self.masks = {
            name: m.to(device) for name, m in sparse_masks(shapes, self.start, method.init, generator).items()
        }
        self.ever = {name: mask.clone() for name, mask in self.masks.items()}
        apply_weight_masks(net, self.masks)

    @torch.no_grad()
    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """What the step put into removed weights becomes 0.0 again; their momentum goes on (B11)."""
        self.optimizer = optimizer
        apply_weight_masks(self.net, self.masks)

    @torch.no_grad()
    def after_epoch(self, epoch: int) -> None:
        if epoch not in self.updates:
            return
        method = self.method
        weights = self.net.weights()
        left, every = (
            sum(int(count(m)) for m in self.masks.values()) for count in (Tensor.sum, Tensor.numel)
        )
        target = total_count(self.final, every)
        if method.ratio != "constant" and left <= target:
            return
        share = None
        if method.ratio != "pq":
            target = min(left, total_count(self.densities[epoch], every))
            share = 1 - target / left
        shown = self._rows(protected(weights.values()))
        active = self._rows(self.masks.values())
        ratios, seen = shares(self._rows(weights.values()), active, method, share)
        exchange = self.exchanges[epoch]
        changed = rewired(shown, active, self._growth(), ratios, method, exchange, left - target)
        masks, went, came = (
            dict(zip(weights, unrows(rows, list(weights.values())), strict=True)) for rows in changed
        )
        self.masks = {name: mask.contiguous() for name, mask in masks.items()}
        self.ever = {name: self.ever[name] | mask for name, mask in self.masks.items()}
        self._welcome(came)
        apply_weight_masks(self.net, self.masks)
        layers = {
            name: {
                **{key: value[number].mean().item() for key, value in self._of_layers(seen).items()},
                "density": masks[name].double().mean().item(),
                "removed": int(went[name].sum()),
                "regrown": int(came[name].sum()),
            }
            for number, name in enumerate(weights)
        }
        self.history.append(
            {"epoch": epoch, "density": density(self.masks), "explored": density(self.ever), "layers": layers}
        )

    def _rows(self, tensors) -> Rows:
        return SCOPES[self.method.scope](list(tensors))

    def _of_layers(self, seen: list[dict]) -> dict[str, list[Tensor]]:
        """What was seen of each layer's scopes; a global scope is seen by all layers alike."""
        parts = seen * len(self.masks) if self.method.scope == "global" else seen
        return {key: [part[key] for part in parts] for key in seen[0]}

    def _growth(self) -> Rows | None:
        if self.method.growth == "none":
            return None
        grow = WEIGHT_GROWTH[self.method.growth]
        weights = self.net.weights()
        state = self.optimizer.state
        found = {name: grow(w, state.get(w, {}), self.generator) for name, w in weights.items()}
        who = f"growth {self.method.growth}, layer"
        return self._rows(numbers(found[name], w, f"{who} {name}") for name, w in weights.items())

    def _welcome(self, came: WeightMasks) -> None:
        """A regrown weight starts at 0 with its momentum reset (B11); Adam's second moment goes on.

        The dense gradient has fed it at every step, so it fits the step count that all entries share. Were it
        0, Adam would take it for the mean of all those steps, and late in training the first steps would be 3
        to 6 times as long.
        """
        for name, weight in self.net.weights().items():
            weight.masked_fill_(came[name], 0.0)
            for key, value in self.optimizer.state.get(weight, {}).items():
                if key in ("momentum_buffer", "exp_avg"):
                    value.masked_fill_(came[name], 0.0)

    def state(self) -> dict:
        return {
            **super().state(),
            "masks": self.masks,
            "ever": self.ever,
            "generator": self.generator.get_state(),
        }

    def restore(self, state: dict) -> None:
        super().restore(state)
        self.masks = state["masks"]
        self.ever = state["ever"]
        self.generator.set_state(state["generator"].cpu())
