"""What the functions of a method return, looked at before it counts: a score, a growth or a schedule may be
the reader's own."""

from numbers import Real

from torch import Tensor

from lib.core.errors import CriterionError, shown

RANGES = {"[0, 1)": lambda x: 0 <= x < 1, "(0, 1]": lambda x: 0 < x <= 1}


def shaped(found, pattern: Tensor, who: str) -> Tensor:
    """`found`, detached, if it holds a floating-point number for each entry of `pattern`, on its device.

    who: which function, and where, as the message names it. raises: CriterionError
    """
    right = isinstance(found, Tensor) and found.is_floating_point()
    if right and (found.shape, found.device) == (pattern.shape, pattern.device):
        return found.detach()
    told = f"{found.dtype} {placed(found)}" if isinstance(found, Tensor) else shown(found)
    raise CriterionError(f"{who}: returned {told}; it must return floating-point numbers {placed(pattern)}")


def placed(tensor: Tensor) -> str:
    """In words."""
    return f"of shape {list(tensor.shape)} on {tensor.device}"


def finite(found: Tensor, who: str) -> Tensor:
    """`found`, if every number in it is finite: no other can be ranked. raises: CriterionError"""
    wrong = (~found.isfinite()).nonzero().tolist()
    if not wrong:
        return found
    first = f"{found[tuple(wrong[0])].item()} at {', '.join(map(str, wrong[0]))}"
    raise CriterionError(
        f"{who}: returned {first} ({len(wrong)} of {found.numel()} are not finite); it must return "
        "a finite number for each, dead channels (0/0) included"
    )


def numbers(found, pattern: Tensor, who: str) -> Tensor:
    """`found`, if it is both `shaped` and `finite`."""
    return finite(shaped(found, pattern, who), who)


def fraction(found, allowed: str, who: str) -> float:
    """`found`, if it is a number in the range `allowed`, a key of RANGES. raises: CriterionError"""
    if isinstance(found, Real) and RANGES[allowed](found):
        return float(found)
    raise CriterionError(f"{who}: returned {shown(found)}; it must return a number in {allowed}")
