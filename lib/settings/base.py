"""What every piece of params.yaml shares: types with their ranges, and how an unknown key is refused."""

import os
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Ratio = Annotated[float, Field(ge=0, lt=1)]
Density = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[int, Field(ge=1, le=100_000)]
LARGEST_SEED = 2**32 - 1  # that NumPy takes
NAME = r"^[a-z0-9][a-z0-9-]*$"
Name = Annotated[str, Field(pattern=NAME)]  # goes into file and stage names


def expanded(path: str) -> str:
    """A path with its ~ and $VARIABLES replaced. raises: ValueError if there is no such user or variable"""
    found = os.path.expanduser(os.path.expandvars(path))
    if found.startswith("~") or "$" in found:
        raise ValueError(f"{path}: no such user or variable here; write the path out, or set the variable")
    return found


def _as_written(path: str) -> str:
    if path.startswith(("~", "/")) or "$" in path:
        raise ValueError(
            f"{path!r}: DVC takes it as it is written; give a relative path; raw data alone may lie elsewhere"
        )
    return path


Anywhere = Annotated[str, AfterValidator(expanded)]  # a path of this machine
Inside = Annotated[str, AfterValidator(_as_written)]  # a path that DVC reads in params.yaml, too


def _unique(values: tuple) -> tuple:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands there more than once; list each value once")
    return values


def list_of(item: type, least: int = 1) -> Any:
    """A list in YAML, a tuple here: of at least so many values, none of them twice."""
    return Annotated[tuple[item, ...], Field(min_length=least, strict=False), AfterValidator(_unique)]


def unsaid(default):
    """A setting that no record holds at its default: that is what all were before it could be chosen."""
    return Field(default, exclude_if=lambda value: value == default)


class Settings(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given):
        """Refuses unknown keys before missing ones are looked for:
        most are misspelt, and one line is enough."""
        if not isinstance(given, dict):
            return given
        unknown = [str(key) for key in given if key not in cls.model_fields]
        if unknown:
            known = ", ".join(cls.model_fields)
            raise ValueError(f"unknown key {', '.join(unknown)}; mend or remove it; known are {known}")
        return given
