"""SGD for most of a network, Muon for its convolutions."""

import torch
from torch import Tensor

MOMENTUM = 0.6  # of the convolutions: airbench96's


class MuonSGD(torch.optim.SGD):
    """torch.optim.Muon (Jordan et al. 2024) for the parameters of the groups marked `muon`, SGD for the rest;
    both with the same kind of state, `momentum_buffer`.

    Each filter is a row of a matrix, whose norm is set to the square root of its rows before each step, as in
    airbench: BN, which follows, takes no notice.

    A filter or an input channel whose gradient is 0 stays where it is but for that common factor.
    """

    STEPS = 3  # of Newton and Schulz: airbench's

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            if group.get("muon"):
                self._move([p for p in group["params"] if p.grad is not None], group)
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group.get("muon")]
        try:
            super().step(closure)
        finally:
            self.param_groups = groups

    def _move(self, filters: list[Tensor], group: dict) -> None:
        rows = [torch.nn.Parameter(p.flatten(1) * (len(p) ** 0.5 / p.norm())) for p in filters]
        muon = torch.optim.Muon(
            rows, group["lr"], weight_decay=0.0, momentum=group["momentum"], ns_steps=self.STEPS
        )
        for parameter, row in zip(filters, rows, strict=True):
            row.grad = parameter.grad.flatten(1)
            held = self.state[parameter].get("momentum_buffer")
            if held is not None:
                muon.state[row]["momentum_buffer"] = held.flatten(1)
        muon.step()
        for parameter, row in zip(filters, rows, strict=True):
            parameter.copy_(row.view_as(parameter))
            self.state[parameter]["momentum_buffer"] = muon.state[row]["momentum_buffer"].view_as(parameter)
