"""Checks a whole params.yaml before the first stage starts: `python -m tools.check params.yaml`.

`lib.settings` checks keys, types, ranges, names, and what its parts must agree on. Here is what needs a
network, the arithmetic of `lib.pruning`, this machine or this repository.
"""

import sys
from pathlib import Path

import torch

from lib import models
from lib.core.errors import ConfigError
from lib.models import SpikingNet
from lib.pruning import kept_count, prunable_channels
from lib.pruning.schedules import exchanges, update_epochs
from lib.settings import DATASETS, STAGES, Grid, Rewiring, Study, Task, config
from lib.settings.grid import Kept
from lib.settings.rules import grids
from lib.training.fastest import compiles


def trainable(study: Study) -> None:
    """Raises ConfigError if a stage could not train, or would change nothing that a figure draws."""
    for where, grid in grids(study).items():
        for task in grid.tasks:
            fits(study, task)
        for task in grid.pruned:
            floors(study, task)
        for task in grid.rewired:
            rewires(study, task)
        for task in grid.selected:
            for name in study.tokens:
                for trial in study.trials(task, name):
                    fits(study, task, trial.selector)
        trains_all = where == "grid" and grid.tasks and not isinstance(grid, Kept)
        for stage in STAGES.values():
            if trains_all and not getattr(grid, stage.grid):
                tasks = ", ".join(grid.tasks)
                raise ConfigError(
                    f"{where}.{stage.grid}: empty: give at least one of {tasks}; figures draw it"
                )
    for task in study.tasks:
        prunes(study, task)


def fits(study: Study, task: str, selector: dict | None = None) -> SpikingNet:
    """Raises ConfigError if a task's network cannot read its images, or has no tokens to select."""
    asked = study.tasks[task]
    record = DATASETS[asked.data]
    given = record.classes, record.shape, asked.T, asked.neuron, asked.width
    try:
        with torch.device("meta"):
            return models.build(asked.net, *given, selector=selector, events=record.events)
    except ValueError as error:
        raise ConfigError(f"tasks.{task}.net: {asked.net} on {asked.data}: {error}") from None


def floors(study: Study, task: str) -> None:
    """Raises ConfigError if a floor leaves nothing to choose."""
    asked = study.tasks[task]
    channels = prunable_channels(fits(study, task))
    if not channels:
        raise ConfigError(
            f"tasks.{task}.net: {asked.net} has no prunable channels; take the task out of `pruned`"
        )
    least = kept_count(max(asked.ratios), sum(channels.values()))
    floor = sum(min(asked.prune.floor, size) for size in channels.values())
    if floor > least:
        raise ConfigError(
            f"tasks.{task}.prune.floor: {asked.prune.floor}: the floors of all layers keep {floor} channels, "
            f"ratio {max(asked.ratios)} only {least}; lower the floor or the ratio"
        )


def prunes(study: Study, task: str) -> None:
    """Raises ConfigError if a method for channels would never update a task's structure."""
    asked = study.tasks[task]
    if asked.prune is None:
        return
    epochs = asked.train.epochs
    warmup = asked.prune.warmup
    for name in (*study.methods, *study.ablations):
        for method in (trial.method for trial in study.trials(task, name)):
            soft = method.mode == "soft"
            last = f"{'by' if soft else 'before'} the last epoch"
            if method.mode != "fixed" and not update_epochs(
                epochs, warmup, method.interval, soft, method.stop
            ):
                raise ConfigError(
                    f"tasks.{task}.prune.warmup: {warmup}: with {epochs} epochs {name} ({method.mode}) "
                    f"would never prune; the first update must come {last}"
                )


def rewires(study: Study, task: str) -> None:
    """Raises ConfigError if a method for single weights could never change anything in a task's training."""
    asked = study.tasks[task]
    densities = {name: method.densities or asked.densities for name, method in study.weights.items()}
    if not set.intersection(*map(set, densities.values())):
        raise ConfigError(
            f"weights: no density is asked of all of them on task {task}; give one to all: "
            "they are compared there"
        )
    for name, method in study.weights.items():
        if method.kind == "rewiring":
            rewired(f"weights.{name}", method, task, asked, densities[name])


def rewired(where: str, method: Rewiring, task: str, asked: Task, densities: tuple[float, ...]) -> None:
    """One method of `rewires`."""
    epochs = asked.train.epochs
    stop = asked.rewire.stop
    warmup = method.warmup or asked.rewire.warmup
    interval = method.interval or asked.rewire.interval
    updates = update_epochs(epochs, warmup, interval, last_too=False, stop=stop)
    if method.exchange and updates:
        kind = f"{where}.exchange_schedule"
        exchanges(method.exchange_schedule, method.exchange, updates, updates[-1] + interval, kind)
    for field, value in {"warmup": warmup, "interval": interval}.items():
        if value > stop * epochs or not updates:
            place = f"{where}.{field}" if getattr(method, field) else f"tasks.{task}.rewire.{field}"
            raise ConfigError(
                f"{place}: {value}: updates end after {stop} of {epochs} epochs, before the last; lower it"
            )
    if method.growth == "momentum" and asked.train.momentum == 0:
        raise ConfigError(
            f"{where}.growth: momentum: tasks.{task}.train.momentum is 0; take gradient or random"
        )
    low = [density for density in densities if method.start is not None and density >= method.start]
    if low:
        raise ConfigError(
            f"{where}.start: {method.start}: must lie above the density {max(low)} to end at; "
            "raise start or lower that"
        )


def compiler(study: Study) -> None:
    """Raises ConfigError if a task asks for compiled neurons where nothing compiles them."""
    if compiles():
        return
    for name, task in study.tasks.items():
        if task.fast.neurons == "compiled":
            raise ConfigError(
                f"tasks.{name}.fast.neurons: compiled needs a C++ compiler; install g++, or take fused"
            )


def place(study: Study, path: Path) -> None:
    """Raises ConfigError if a file of this repository names another: that study's results would be
    overwritten."""
    path = path.resolve()
    named = {config.home(study.study), (config.ROOT / study.params).resolve()}
    if path.is_relative_to(config.ROOT) and named != {path}:
        raise ConfigError(
            f"study: {study.study}, params: {study.params}: this file is {path.relative_to(config.ROOT)}; "
            f"give the study the name of its folder, and the path of this file as its params"
        )


def check(path: Path) -> str:
    """One line on what the file asks for. raises: ConfigError, one line on what is wrong"""
    study = config.read(path)
    try:
        trainable(study)
        compiler(study)
        place(study, path)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    asked = "; ".join(f"{where}: {size(study, grid)}" for where, grid in grids(study).items())
    return f"{path}: study {study.study}: {asked}"


def size(study: Study, grid: Grid) -> str:
    asked = study.model_copy(update={"grid": grid})
    trainings = sum(
        len(study.trials(task, name)) * len(asked.seeds(task, name))
        for stage in STAGES
        for task in getattr(grid, STAGES[stage].grid)
        for name in study.group(stage)
    )
    return f"{len(grid.tasks)} tasks x {len(grid.seeds)} seeds, {trainings} trainings"


def main() -> None:
    try:
        for path in sys.argv[1:] or ["params.yaml"]:
            print(check(Path(path)))
    except (ConfigError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
