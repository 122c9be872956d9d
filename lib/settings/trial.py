"""What is run: one training, and how its name and its record say what it is."""

from typing import Any

from pydantic import ValidationInfo, field_validator

from lib.settings.base import Density, Ratio, Settings
from lib.settings.method import Baseline, Method, Rewiring, Select, Threshold, Tickets, TokenTickets, regrown

AnyMethod = Method | Baseline | Rewiring | Tickets | Threshold | Select | TokenTickets


class Trial(Settings):
    """One training of a task: a method at a ratio of channels removed, at a density of weights kept, or at a
    share rho of tokens kept from stage to stage. Without any of them it is the dense network's.

    variant: what an ablation replaced, empty otherwise
    """

    ratio: Ratio | None = None
    rho: Density | None = None
    density: Density | None = None
    method: AnyMethod | None = None
    variant: dict[str, Any] = {}

    @field_validator("method")
    @classmethod
    def _regrows(cls, method: AnyMethod | None, given: ValidationInfo) -> AnyMethod | None:
        """The ratio says how much is regrown where the method does not."""
        if not isinstance(method, Method) or method.regrow is not None or given.data.get("ratio") is None:
            return method
        return method.model_copy(update={"regrow": regrown(given.data["ratio"])})

    @property
    def name(self) -> str:
        """ratio 0.7, score abs_v"""
        parts = [
            "" if self.ratio is None else f"ratio {self.ratio}",
            "" if self.rho is None else f"rho {self.rho:g}",
            "" if self.density is None else f"density {self.density:.4g}",
            *(f"{key} {value}" for key, value in self.variant.items()),
        ]
        return ", ".join(filter(None, parts)) or "dense"

    @property
    def file_name(self) -> str:
        """ratio-0.7-score-abs_v"""
        return self.name.replace(", ", "-").replace(" ", "-")

    @property
    def selector(self) -> dict | None:
        """What `lib.models.build` takes: how a transformer selects its tokens."""
        if isinstance(self.method, TokenTickets) and self.method.rho:
            return {"rho": self.method.rho, "rule": "learned"}
        if isinstance(self.method, Select) and self.method.rule != "all":
            return {"rho": self.rho, "rule": self.method.rule}
        return None

    @property
    def record(self) -> dict:
        """What a result says of its training."""
        if self.method is None:
            return {"ratio": 0.0}
        shares = {"ratio": self.ratio, "rho": self.rho, "target_density": self.density}
        variant = {"variant": self.variant} if isinstance(self.method, Method) else {}
        settings = {"settings": self.method.model_dump()}
        return {key: value for key, value in shares.items() if value is not None} | variant | settings


DENSE = Trial()
