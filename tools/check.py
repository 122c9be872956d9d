"""Checks a whole params.yaml before the first stage starts: `python -m tools.check params.yaml`.

`lib.settings.config` checks keys, types and ranges; here every name is looked up where it will be used, and the grid is looked at whole.
"""

import os
import shutil
import sys
from pathlib import Path

import torch

from lib import data, models, training
from lib.core.errors import ConfigError, pick
from lib.data import datasets
from lib.models import SpikingNet
from lib.models.neurons import NEURONS
from lib.pruning import GROWTH, RATIO_SCHEDULES, REGROW_SCHEDULES, SCORES, kept_count, prunable_channels
from lib.pruning.schedules import planned, update_epochs
from lib.settings import Grid, config
from lib.settings.config import Study

CELL = {"data": data.SOURCES, "augment": data.AUGMENT, "net": models.FAMILIES, "neuron": NEURONS}
DRAWN = {  # what figures and comparisons name, and what it must be
    "methods": {"sca": {}, "only-prune": {}, "random": {}},
    "weights": {"pq": {"kind": "rewiring"}},
    "tokens": {
        "learned": {"kind": "select", "rule": "learned"},
        "all": {"kind": "select", "rule": "all"},
        "tickets-all": {"kind": "tickets", "start": "dense", "rho": None},
        "tickets-learned": {"kind": "tickets", "start": "dense"},
    },
}
METHOD = {
    "score": SCORES,
    "growth": GROWTH,
    "ratio_schedule": RATIO_SCHEDULES,
    "regrow_schedule": REGROW_SCHEDULES,
}


def names(study: Study) -> None:
    """Raises ConfigError at the first name that no registry holds."""
    for name, task in study.tasks.items():
        for field, registry in CELL.items():
            pick(registry, getattr(task, field), f"tasks.{name}.{field}")
        for field, recipe in {"train": task.train, "student": task.student or task.train}.items():
            pick(training.LR_SCHEDULES, recipe.lr_schedule, f"tasks.{name}.{field}.lr_schedule")
    for group in ("methods", "ablations"):
        for name in getattr(study, group):
            for trial in study.trials(next(iter(study.tasks)), name):
                for field, registry in METHOD.items():
                    pick(registry, getattr(trial.method, field), f"{group}.{name}.{field}")


def grid(study: Study) -> None:
    """Raises ConfigError if the grid prepares other data than its tasks need, or a training ends before its first update."""
    for where, asked in grids(study).items():
        needed = sorted({study.tasks[name].data for name in asked.tasks})
        if sorted(asked.data) != needed:
            raise ConfigError(
                f"{where}.data: {', '.join(asked.data)}; its tasks need exactly {', '.join(needed)}"
            )
        for task in asked.tasks:
            fits(study, task)
            images(study, task)
        for task in asked.pruned:
            floors(study, task, ablated=task in asked.ablated)
        for task in asked.rewired:
            rewires(study, task)
        for task in asked.selected:
            selects(study, task)
        for part in ("pruned", "ablated", "matched", "rewired", "selected"):
            if asked.tasks and not getattr(asked, part):
                raise ConfigError(
                    f"{where}.{part}: empty: give at least one of {', '.join(asked.tasks)}; figures draw it"
                )
    for group, drawn in DRAWN.items():
        missing = [name for name in drawn if name not in getattr(study, group)]
        if missing:
            raise ConfigError(
                f"{group}: {', '.join(missing)} missing; the figures draw {', '.join(drawn)} whatever else there is"
            )
        for name, must in drawn.items():
            method = getattr(study, group)[name]
            for field, value in must.items():
                if (found := getattr(method, field, None)) != value:
                    raise ConfigError(
                        f"{group}.{name}.{field}: {found}: the figures take it for {value}; give another method another name"
                    )
    if study.tokens["tickets-learned"].rho is None:
        raise ConfigError(
            "tokens.tickets-learned.rho: missing; the figures draw it as the tickets with selection; add it"
        )
    for task, settings in study.tasks.items():
        if settings.prune is None:
            continue
        epochs, warmup = settings.train.epochs, settings.prune.warmup
        for name in (*study.methods, *study.ablations):
            for trial in study.trials(task, name):
                mode = trial.method.mode
                if mode != "fixed" and not update_epochs(
                    epochs, warmup, trial.method.interval, mode == "soft", trial.method.stop
                ):
                    raise ConfigError(
                        f"tasks.{task}.prune.warmup: {warmup}: with {epochs} epochs {name} ({mode}) would never prune; "
                        f"the first update must come {'by' if mode == 'soft' else 'before'} the last epoch"
                    )


def grids(study: Study) -> dict[str, Grid]:
    return {"grid": study.grid} | ({"planned": study.planned} if study.planned else {})


def fits(study: Study, task: str, selector: dict | None = None) -> SpikingNet:
    """Raises ConfigError if a task's network cannot read its images, or has no tokens to select."""
    settings = study.tasks[task]
    shape, classes = datasets.SHAPES[settings.data]
    try:
        with torch.device("meta"):
            return models.build(
                settings.net, classes, shape, settings.T, settings.neuron, settings.width, selector=selector
            )
    except ValueError as error:
        raise ConfigError(f"tasks.{task}.net: {settings.net} on {settings.data}: {error}") from None


def images(study: Study, task: str) -> None:
    """Raises ConfigError if no image of a class would be held out, or too few were left for a batch."""
    settings, classes = study.tasks[task], datasets.SHAPES[study.tasks[task].data][1]
    most = study.data.images.get(settings.data)
    asked = (most // classes, most // classes * classes) if most else None
    known = [sizes for sizes in (asked, datasets.TRAINING.get(settings.data)) if sizes]
    if not known:
        return
    (each, every), share = map(min, zip(*known, strict=True)), study.data.validation
    held = round(share * each)
    if held == 0:
        raise ConfigError(
            f"data.validation: {share}: holds out none of {each} images a class of {settings.data}; raise it"
        )
    left = round((1 - share) * every)
    for name, recipe in {"train": settings.train, "student": settings.student or settings.train}.items():
        if recipe.batch > left:
            raise ConfigError(
                f"tasks.{task}.{name}.batch: {recipe.batch}: {settings.data} has about {left} images to train on; lower it"
            )


def floors(study: Study, task: str, ablated: bool) -> None:
    """Raises ConfigError if a floor leaves nothing to choose, or an ablation has no training of its base to stand beside."""
    settings, channels = study.tasks[task], prunable_channels(fits(study, task))
    if not channels:
        raise ConfigError(
            f"tasks.{task}.net: {settings.net} has no prunable channels; take the task out of `pruned`"
        )
    least = kept_count(max(settings.ratios), sum(channels.values()))
    floor = sum(min(settings.prune.floor, size) for size in channels.values())
    if floor > least:
        raise ConfigError(
            f"tasks.{task}.prune.floor: {settings.prune.floor}: the floors of all layers keep {floor} channels, "
            f"ratio {max(settings.ratios)} only {least}; lower the floor or the ratio"
        )
    for name, ablation in study.ablations.items():
        if ablated and ablation.ratio not in settings.ratios:
            raise ConfigError(
                f"ablations.{name}.ratio: {ablation.ratio}: task {task} has no training at it, only at {settings.ratios}"
            )


def rewires(study: Study, task: str) -> None:
    """Raises ConfigError if a method for single weights could never change anything in a task's training."""
    recipe, timing = study.tasks[task].train, study.tasks[task].rewire
    shared = set.intersection(
        *(set(m.densities or study.tasks[task].densities) for m in study.weights.values())
    )
    if not shared:
        raise ConfigError(
            f"weights: no density is asked of all of them on task {task}; give one to all: they are compared there"
        )
    for name, method in study.weights.items():
        where = f"weights.{name}"
        if method.kind == "tickets" and method.rewind >= recipe.epochs:
            raise ConfigError(
                f"{where}.rewind: {method.rewind}: task {task} trains {recipe.epochs} epochs; rewind to an earlier one"
            )
        if method.kind != "rewiring":
            continue
        updates = update_epochs(
            recipe.epochs,
            method.warmup or timing.warmup,
            method.interval or timing.interval,
            last_too=False,
            stop=timing.stop,
        )
        if method.exchange and updates:
            planned(
                REGROW_SCHEDULES,
                method.exchange_schedule,
                f"{where}.exchange_schedule",
                "[0, 1)",
                updates,
                method.exchange,
            )
        for field in ("warmup", "interval"):
            value = getattr(method, field) or getattr(timing, field)
            if value > timing.stop * recipe.epochs or not updates:
                place = f"{where}.{field}" if getattr(method, field) else f"tasks.{task}.rewire.{field}"
                raise ConfigError(
                    f"{place}: {value}: updates end after {timing.stop} of {recipe.epochs} epochs, before the last; lower it"
                )
        if method.growth == "momentum" and recipe.momentum == 0:
            raise ConfigError(
                f"{where}.growth: momentum: tasks.{task}.train.momentum is 0; take gradient or random"
            )
        asked = method.densities or study.tasks[task].densities
        low = [density for density in asked if method.start is not None and density >= method.start]
        if low:
            raise ConfigError(
                f"{where}.start: {method.start}: must lie above the density {max(low)} to end at; raise start or lower that"
            )


def selects(study: Study, task: str) -> None:
    """Raises ConfigError if a method for tokens cannot run on a task's network and recipe."""
    settings = study.tasks[task]
    for name, method in study.tokens.items():
        for trial in study.trials(task, name):
            fits(study, task, trial.selector)
        if method.kind == "tickets":
            recipe, who = (
                (settings.train, "cell") if method.start == "scratch" else (settings.student, "a student of")
            )
            if method.rewind >= recipe.epochs:
                raise ConfigError(
                    f"tokens.{name}.rewind: {method.rewind}: {who} {task} trains {recipe.epochs} epochs; rewind earlier"
                )


def compiler(study: Study) -> None:
    """Raises ConfigError if a task asks for compiled neurons where nothing compiles them."""
    if any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        return
    for name, task in study.tasks.items():
        if task.fast.neurons == "compiled":
            raise ConfigError(
                f"tasks.{name}.fast.neurons: compiled needs a C++ compiler; install g++, or take fused"
            )


def place(study: Study, path: Path) -> None:
    """Raises ConfigError if a file of this repository names another: it would overwrite that study's results."""
    path = path.resolve()
    if path.is_relative_to(config.ROOT) and {
        config.home(study.study),
        (config.ROOT / study.params).resolve(),
    } != {path}:
        raise ConfigError(
            f"study: {study.study}, params: {study.params}: this file is {path.relative_to(config.ROOT)}; "
            f"give the study the name of its folder, and the path of this file as its params"
        )


def check(path: Path) -> str:
    """One line on what the file asks for. raises: ConfigError, one line on what is wrong"""
    study = config.read(path)
    try:
        names(study)
        grid(study)
        compiler(study)
        place(study, path)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    return f"{path}: study {study.study}: " + "; ".join(
        f"{where}: {size(study, asked)}" for where, asked in grids(study).items()
    )


def size(study: Study, asked: Grid) -> str:
    trainings = 0
    for task in asked.tasks:
        groups = {
            "pruned": study.methods,
            "ablated": study.ablations,
            "matched": study.baselines,
            "rewired": study.weights,
            "selected": study.tokens,
        }
        names = [name for part, group in groups.items() if task in getattr(asked, part) for name in group]
        trainings += 1 + sum(len(study.trials(task, name)) for name in names)
    return f"{len(asked.tasks)} tasks x {len(asked.seeds)} seeds, {trainings * len(asked.seeds)} trainings"


def main() -> None:
    try:
        for path in sys.argv[1:] or ["params.yaml"]:
            print(check(Path(path)))
    except (ConfigError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
