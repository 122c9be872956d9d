"""How many, when. `progress` runs from just above 0 at the first structure update to 1 at the last."""

import math

from lib.core.errors import pick
from lib.core.returned import fraction


def constant(progress: float, final: float) -> float:
    """The final value from the first update on, as SCA is published (A14)."""
    return final


def cubic_first_half(progress: float, final: float) -> float:
    """From 0 to the final ratio in the first half of the updates, fast at first (Zhu & Gupta 2017, eq. 1)."""
    return final * (1 - (1 - min(1.0, 2 * progress)) ** 3)


def cosine_decay(progress: float, initial: float) -> float:
    """From the initial value to 0 at progress 1: late swaps would have no time to learn (A24;
    RigL, progress t / T_end)."""
    return initial * 0.5 * (1 + math.cos(math.pi * progress))


RATIO_SCHEDULES = {"constant": constant, "gradual": cubic_first_half}
REGROW_SCHEDULES = {"constant": constant, "decay": cosine_decay}


def planned(
    schedules: dict, name: str, kind: str, allowed: str, updates: list[int], *ends: float
) -> dict[int, float]:
    """{epoch: what a schedule asks for}, at all `updates`: a wrong one is refused before training begins.

    kind: its setting, as a message names it; allowed: a key of `returned.RANGES`; ends: what it runs between
    raises: ConfigError if no schedule has that name; CriterionError if a number leaves its range
    """
    schedule = pick(schedules, name, kind)
    plan = {}
    for number, epoch in enumerate(updates, 1):
        who = f"{kind} {name}, update {number} of {len(updates)}"
        plan[epoch] = fraction(schedule(number / len(updates), *ends), allowed, who)
    return plan


def exchanges(name: str, share: float, updates: list[int], end: int, kind: str) -> dict[int, float]:
    """{epoch: share of what is left that is exchanged}, at all `updates`.

    name: of REGROW_SCHEDULES; kind: its setting, as a message names it; end: the epoch at which it has ended
    raises: ConfigError if no schedule has that name; CriterionError if a share leaves [0, 1)
    """
    schedule = pick(REGROW_SCHEDULES, name, kind)
    who = f"{kind} {name}, update {{}} of {len(updates)}"
    return {
        epoch: fraction(schedule(epoch / end, share), "[0, 1)", who.format(number))
        for number, epoch in enumerate(updates, 1)
    }


def update_epochs(epochs: int, warmup: int, interval: int, last_too: bool, stop: float = 1.0) -> list[int]:
    """The epochs (counted from 1) after which the structure changes: warmup, warmup + interval, ...

    last_too: whether the last epoch always ends with an update, as SCA publishes it (soft mode, where masked
    channels train on and only an update zeroes them); otherwise a network is only evaluated after at least
    one epoch of training under its mask. stop: share of the training after which the structure stays as it is
    (methods A24); 1: never
    """
    before = [epoch for epoch in range(max(warmup, 1), epochs, interval) if epoch <= stop * epochs + 1e-9]
    return [*before, epochs] if last_too and warmup <= epochs else before


def geometric(progress: float, start: float, final: float) -> float:
    """The same share goes at each update: PQ's baseline with a fixed ratio."""
    return start * (final / start) ** progress


def cubic(progress: float, start: float, final: float) -> float:
    """Much at first, little at the end (Zhu & Gupta 2017, eq. 1; GraNet; PQ's GraduallySparse, B13)."""
    return final + (start - final) * (1 - progress) ** 3


def once(progress: float, start: float, final: float) -> float:
    """All at once."""
    return final


def unchanged(progress: float, start: float, final: float) -> float:
    """As many weights as at the start (SET, RigL, ESL-SNN)."""
    return start


DENSITY_SCHEDULES = {"geometric": geometric, "cubic": cubic, "once": once, "constant": unchanged}
