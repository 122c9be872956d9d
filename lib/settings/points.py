"""What is run: single trainings, and the grid of all of them."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from lib.settings.base import LARGEST_SEED, Density, Name, Ratio, Settings, list_of
from lib.settings.method import Control, Method, TokenMethod, WeightMethod, regrown


class Point(Settings):
    """One training: a method at a ratio, which says how much is regrown where the method does not.

    variant: what an ablation replaced, empty otherwise
    """

    ratio: Ratio
    method: Method
    variant: dict[str, Any] = {}

    @field_validator("method")
    @classmethod
    def _regrows(cls, method: Method, given: ValidationInfo) -> Method:
        if method.regrow is not None or "ratio" not in given.data:
            return method
        return method.model_copy(update={"regrow": regrown(given.data["ratio"])})

    @property
    def name(self) -> str:
        return ", ".join([f"ratio {self.ratio}", *(f"{key} {value}" for key, value in self.variant.items())])

    @property
    def record(self) -> dict:
        """What a result says of its training."""
        return {"ratio": self.ratio, "variant": self.variant, "settings": self.method.model_dump()}


class WeightPoint(Settings):
    """One training: a method that ends at a density."""

    density: Density
    method: WeightMethod

    @property
    def name(self) -> str:
        return f"density {self.density:.4g}"

    @property
    def record(self) -> dict:
        return {"asked": self.density, "settings": self.method.model_dump()}


class TokenPoint(Settings):
    """One training of a student: the share of tokens that goes on from stage to stage, the density of its weights."""

    rho: Density
    density: Density
    method: TokenMethod

    @property
    def name(self) -> str:
        return f"rho {self.rho:g}, density {self.density:.4g}"

    @property
    def selector(self) -> dict | None:
        """What `lib.models.build` takes."""
        if self.method.kind == "tickets":
            return self.method.rho and {"rho": self.rho, "rule": "learned"}
        return None if self.method.rule == "all" else {"rho": self.rho, "rule": self.method.rule}

    @property
    def record(self) -> dict:
        return {"rho": self.rho, "asked": self.density, "settings": self.method.model_dump()}


class ControlPoint(Settings):
    """One training: a dense network beside a method at a ratio."""

    ratio: Ratio
    method: Control

    @property
    def name(self) -> str:
        return f"ratio {self.ratio}"

    @property
    def record(self) -> dict:
        return {"ratio": self.ratio, "settings": self.method.model_dump()}


def commits(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{7,40}(\.\.[0-9a-f]{7,40})?", value):
        raise ValueError(f"{value!r}: give the commit that made the results, or first..last of several")
    return value


class Grid(Settings):
    """What the pipeline runs, with every seed: all cells dense, the pruned ones with every method, the ablated ones with every
    ablation, the controlled ones with every control, the rewired ones with every method for single weights, the selected ones
    with every method for tokens; data: their sets."""

    data: list_of(str, least=0)
    cells: list_of(Name, least=0)
    pruned: list_of(Name, least=0)
    ablated: list_of(Name, least=0)
    controlled: list_of(Name, least=0)
    rewired: list_of(Name, least=0)
    selected: list_of(Name, least=0)
    seeds: list_of(Annotated[int, Field(ge=0, le=LARGEST_SEED)])
    kept: "Kept | None" = None

    @model_validator(mode="after")
    def _is_run_or_kept(self):
        if self.kept and (self.cells or self.data):
            asked = ", ".join(self.cells or self.data)
            raise ValueError(f"{asked}: the grid has kept results, too; empty its own lists, or take kept out")
        return self


class Kept(Grid):
    """What older code has run, kept as it is: DVC, which reads the grid's own lists alone, trains nothing of it
    and draws figures from its results."""

    kept: None = None
    made_by: Annotated[str, AfterValidator(commits)]
