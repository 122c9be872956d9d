"""Trains what a study's grid names, many networks at once, without DVC and notebooks: on a GPU that is lent
for minutes, or on cores, for hours.

    python tools/train.py STUDY [workers=2] [seconds=86400] [only=TASK,...] [methods=METHOD,...]

Small networks leave most of a GPU idle, and a process's Python cannot fill it: `workers` processes share it.
Writes the records that the notebooks write, one as soon as all trials of a seed are done: first those that
the primary hypotheses read, in their order. What is there already is not trained again. Ends after `seconds`;
what is half trained then goes on from its last epoch when the same command is given again.
"""

import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import NamedTuple

import told
import torch

from lib import data, measure, models, training
from lib.core.errors import ConfigError, pick
from lib.settings import STAGES, Fast, Study, config, records
from lib.settings.given import Job
from lib.training import baselines, checkpoint, warmup
from lib.training.fastest import fastest

TRAINED = ("dense", "channels", "ablate", "baselines")  # of STAGES; weights and tokens are measured otherwise
splits = {}  # of this process: {data set: its splits, images on the card}


class Unit(NamedTuple):
    """One training: number of a trial, or of a warm-up."""

    stage: str
    task: str
    method: str
    seed: int
    number: int


def units(study: Study, tasks: list[str], methods: list[str]) -> list[Unit]:
    """The trainings of the grid, or of some tasks and methods, in the order in which they are begun."""
    found = []
    for stage in ("warmup", *TRAINED):
        grid = STAGES.get(stage, STAGES["dense"]).grid
        group = {"dense": None} if stage == "warmup" else study.group(stage)
        for task in getattr(study.grid, grid):
            for method in group:
                job = Job(study, stage, task, method)
                count = len(warmup.plan(job) if stage == "warmup" else job.trials)
                for seed in job.seeds:
                    found += [Unit(stage, task, method, seed, number) for number in range(count)]
    found = sorted(found, key=lambda unit: (asked(study, unit), unit.seed))
    wanted = [unit for unit in found if unit.task in (tasks or [unit.task])]
    arms = [unit for unit in wanted if unit.stage != "warmup" and unit.method in (methods or [unit.method])]
    left = [unit for unit in arms if not is_there(study, unit)]
    order = []
    for unit in left:  # a warm-up stands before the first training that forks from it
        order += [one for one in wanted if one.stage == "warmup" and goes_on(unit, one) and one not in order]
        order.append(unit)
    return order


def goes_on(unit: Unit, warm: Unit) -> bool:
    """A baseline is another network from the start."""
    return unit.stage != "baselines" and (unit.task, unit.seed) == (warm.task, warm.seed)


def asked(study: Study, unit: Unit) -> int:
    """The number of the first hypothesis that reads a training, its dense network and its warm-up with it."""
    for number, one in enumerate(study.primary.values()):
        arms = {one.ours, one.theirs, "dense"}
        on_frontier = "frontier" in arms and unit.task in study.frontier and unit.method == "dense"
        if on_frontier or unit.task == one.task and unit.method in arms:
            return number
    return len(study.primary)


def is_there(study: Study, unit: Unit) -> bool:
    try:
        records.read(study, *unit[:4])
    except records.ResultsError:
        return False
    return True


def ready(study: Study, unit: Unit, open_: set[Unit]) -> bool:
    """Whether what a training goes on from has been trained."""
    if unit.stage == "warmup":
        return True
    if unit.stage == "baselines":
        pruned = unit._replace(stage="channels", method=study.baselines[unit.method].matches)
        return is_there(study, pruned)
    return not any(other.stage == "warmup" and goes_on(unit, other) for other in open_)


def opened(study: Study, name: str) -> data.Splits:
    """The images on the card: augmentation, too, is computed there."""
    if name not in splits:
        there = data.load(study.data_path(name))
        card = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
        parts = [there.train, there.validation, there.test]
        moved = [
            (data.Images(*(tensor.to(card) for tensor in (x.kept, x.shift, x.scale))), y) for x, y in parts
        ]
        splits[name] = data.Splits(*moved, classes=there.classes)
    return splits[name]


def train(name: str, unit: Unit, fast: Fast) -> dict | None:
    """In a process of its own: one training to its end; returns its record, of a warm-up None."""
    study = config.load(name)
    training.set_up(study.threads)
    job = Job(study, *unit[:3])
    recipe = job.recipe
    if recipe.fast.measured:  # once for all processes, before they disturb each other
        recipe = recipe.model_copy(update={"fast": fast})
    images = opened(study, recipe.data)
    if unit.stage == "warmup":
        warm = warmup.plan(job)[unit.number]
        run = training.Run(images, recipe, warm.trial, unit.seed)
        run.pruner.updates = []
        files = {epoch: warmup.path(job, warm.start, unit.seed, epoch) for epoch in warm.epochs}
        warmup.folder(job, False).mkdir(parents=True, exist_ok=True)
        warmup.advance(run, files, "warm-up")
        return None
    trial = job.trials[unit.number]
    more = {}
    if unit.stage == "baselines":
        found = baselines.pruned_record(study, images, unit.task, trial, unit.seed)
        run = baselines.Matched(images, recipe, trial, unit.seed, found)
        more = {"epochs": run.task.train.epochs}
    else:
        run = training.Run(images, recipe, trial, unit.seed)
    kept = checkpoint.path(job, unit.seed, unit.number)
    if not run.resume(kept) and unit.stage != "baselines":
        warmup.fork(job, run, unit.seed, unit.number)
    run.fit(f"{unit.method}, {trial.name}, seed {unit.seed}", kept)
    found = records.rounded({**trial.record, **measure.report(run), **more})
    folder = job.folder(unit.seed)
    folder.mkdir(parents=True, exist_ok=True)
    models.save(run.finish(), folder / f"{unit.number}-{trial.file_name}.pt")
    torch.cuda.empty_cache()
    return found


def options(study: Study, given: list[str]) -> tuple[int, float, list[str], list[str]]:
    """workers, seconds, tasks and methods. raises: ConfigError, one line"""
    found = {"workers": "2", "seconds": "86400", "only": "", "methods": ""}
    for each in given:
        key, _, value = each.partition("=")
        pick(found, key, "option")
        found[key] = value
    for key in ("workers", "seconds"):
        if not found[key].isdecimal() or int(found[key]) < 1:
            raise ConfigError(f"{key}={found[key]}: give a whole number of 1 or more")
    methods = dict.fromkeys(name for stage in TRAINED for name in study.group(stage))
    names = {key: list(filter(None, found[key].split(","))) for key in ("only", "methods")}
    for key, known in (("only", dict.fromkeys(study.grid.tasks)), ("methods", methods)):
        for one in names[key]:
            pick(known, one, key)
    return int(found["workers"]), float(found["seconds"]), names["only"], names["methods"]


def processes(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent)


def end_with_parent() -> None:
    """In a worker: a killed parent clears nothing up, and its worker would train on for hours, unseen."""

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def main() -> None:
    name, *given = sys.argv[1:] or ["-h"]
    if name in ("-h", "--help"):
        return print(__doc__)
    study = config.load(name)
    workers, seconds, tasks, methods = options(study, given)
    until = time.monotonic() + seconds
    waiting = units(study, tasks, methods)
    if not waiting:
        return print("nothing to train: all is there, or the grid has no such method on such a task")
    for each in {study.tasks[unit.task].data for unit in waiting}:
        data.open_or_prepare(study, each)
    fast = fastest()
    print(fast, flush=True)
    running = {}
    done = {}
    failed = []
    pool = processes(workers)
    while (waiting or running) and time.monotonic() < until:
        open_ = {*waiting, *running.values()}
        for unit in list(waiting):
            if len(running) >= workers:
                break
            if ready(study, unit, open_):
                waiting.remove(unit)
                running[pool.submit(train, name, unit, fast)] = unit
        if not running:
            failed.append(f"{'/'.join(map(str, waiting[0]))}: it waits for what is not trained")
            break
        finished, _ = wait(running, max(0, until - time.monotonic()), FIRST_COMPLETED)
        for future in finished:
            unit = running.pop(future)
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                raise told.Refused(
                    "a worker was killed, perhaps for want of memory; run again with fewer workers"
                )
            if error:
                failed.append(f"{'/'.join(map(str, unit))}: {type(error).__name__}: {error}")
                print(failed[-1], flush=True)
            elif unit.stage != "warmup":
                done[unit] = future.result()
                keep(study, unit, done)
            left = until - time.monotonic()
            print(f"{left:.0f} s left: {'/'.join(map(str, unit))}, {len(waiting)} wait", flush=True)
    if running:
        for process in active_children():
            process.kill()
    pool.shutdown()
    if failed:
        raise told.Refused(
            f"not all was trained: {failed[0]}" + f" and {len(failed) - 1} more" * (len(failed) > 1)
        )


def keep(study: Study, unit: Unit, done: dict[Unit, dict]) -> None:
    """Writes the record of a seed when its last trial has come."""
    job = Job(study, *unit[:3])
    all_ = [unit._replace(number=number) for number in range(len(job.trials))]
    if all(one in done for one in all_):
        records.save(job, unit.seed, [done[one] for one in all_])
        for one in all_:
            checkpoint.clear(checkpoint.path(job, one.seed, one.number))
        print(f"  {job.task} {job.method} {unit.seed}: {100 * done[all_[0]]['accuracy']:.2f} %", flush=True)


if __name__ == "__main__":
    told.run(main, ConfigError)
