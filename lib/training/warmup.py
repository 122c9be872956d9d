"""Warm-ups: what several trials of a task train alike, until one changes its network, is trained once.

What forks from a warm-up equals an unbroken run byte for byte (a test holds it): it saves time and changes no
number.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from lib.core.tensors import load_tensors, save_tensors
from lib.data import Splits
from lib.pruning.prefix import prefix
from lib.settings import STAGES, Study, Trial
from lib.settings.given import Job
from lib.training import checkpoint, distillation
from lib.training.run import Run

RECIPE = {"data", "augment", "net", "neuron", "T", "width", "whiten", "train", "fast"}  # of a task


class WarmUp(NamedTuple):
    """start: as `lib.pruning.prefix` tells it; trial: one that begins so; epochs: at whose ends it is kept"""

    start: dict
    trial: Trial
    epochs: list[int]


def plan(job: Job) -> list[WarmUp]:
    """What two trials or more of a task share: from a teacher on, if the stage is that of the students."""
    alike = defaultdict(list)
    for trial in trials(job.settings, job.task):
        begun = prefix(job.recipe, trial)
        if begun and begun.start["student"] == (job.stage == "warmup-students"):
            alike[json.dumps(begun.start, sort_keys=True)].append((begun, trial))
    planned = []
    for members in alike.values():
        shared = sorted(begun.epochs for begun, _ in members)[-2:][0]  # as long as the second longest
        if len(members) < 2 or shared == 0:
            continue
        kept = {min(begun.epochs, shared) for begun, _ in members}
        kept |= {mark for begun, _ in members for mark in begun.marks}
        dense = [member for member in members if member[1].method is None]
        begun, trial = (dense or members)[0]
        planned.append(WarmUp(begun.start, trial, sorted(epoch for epoch in kept if 0 < epoch <= shared)))
    return planned


def trials(study: Study, task: str) -> list[Trial]:
    """All of the pipeline's trials of a task."""
    stages = [name for name, stage in STAGES.items() if task in getattr(study.grid, stage.grid)]
    methods = [method for stage in stages for method in study.group(stage)]
    return [trial for method in methods for trial in study.trials(task, method)]


def train(job: Job, splits: Splits) -> dict[tuple[int, int], Run]:
    """Trains the warm-ups of a job, {(seed, number of the warm-up): run}, structure unchanged, and keeps what
    forks from them need; a stopped one goes on from its last epoch."""
    runs = {}
    wanted = set()
    for number, warm in enumerate(plan(job)):
        for seed in job.seeds:
            files = {epoch: path(job, warm.start, seed, epoch) for epoch in warm.epochs}
            runs[seed, number] = begin(job, splits, warm.trial, seed)
            advance(runs[seed, number], files, f"warm-up {number}, {warm.trial.name}, seed {seed}")
            wanted |= set(files.values())
    kept = folder(job, job.stage == "warmup-students")
    kept.mkdir(parents=True, exist_ok=True)
    for old in set(kept.iterdir()) - wanted:
        old.unlink()  # of other settings or other code
    return runs


def begin(job: Job, splits: Splits, trial: Trial, seed: int) -> Run:
    """A run that will not change its network, from the beginning that a trial has."""
    if job.stage == "warmup-students":
        teacher = distillation.teacher(job.settings, splits, job.task, seed)
        run = distillation.make(splits, job.recipe, trial, seed, teacher)
    else:
        run = Run(splits, job.recipe, trial, seed)
    run.pruner.updates = []
    return run


def advance(run: Run, files: dict[int, Path], label: str) -> None:
    """Trains to the last epoch of `files`, and writes there what the run is at the end of each."""
    last = max(files)
    if all(file.exists() for file in files.values()):  # named by all that they depend on: as good as new
        run.fork(load_tensors(files[last], run.device))
        return
    kept = checkpoint.ROOT / "build" / "resume" / files[last].name
    run.resume(kept)

    def keep() -> None:
        if len(run.log) in files:
            save_tensors(run.trunk(), files[len(run.log)])

    run.fit(label, kept, last, keep)
    checkpoint.clear(kept)


def fork(job: Job, run: Run, seed: int, number: int) -> None:
    """Takes a new run to the end of the longest warm-up that it shares; without one it stays as it is.

    number: of its trial, which is asked and not the run: a baseline trains as a dense network of its own size
    """
    begun = prefix(job.recipe, job.trials[number])
    if begun is None:
        return
    there = [epoch for epoch in range(1, begun.epochs + 1) if path(job, begun.start, seed, epoch).exists()]
    for epoch in [epoch for epoch in there if epoch in begun.marks or epoch == there[-1]]:
        run.fork(load_tensors(path(job, begun.start, seed, epoch), run.device))


def path(job: Job, start: dict, seed: int, epoch: int) -> Path:
    """Named by all that its numbers depend on: another code or another setting never takes it up."""
    recipe = job.recipe.model_dump(include=RECIPE | ({"student"} if start["student"] else set()))
    data = job.settings.data.model_dump(exclude={"root"})
    parts = [job.task, recipe, data, start, seed, job.settings.threads]
    earlier = checkpoint.teacher(job, seed) if start["student"] else []
    return folder(job, start["student"]) / f"{checkpoint.digest(job, parts, earlier)}-{epoch}.pt"


def folder(job: Job, students: bool) -> Path:
    kind = "warmup-students" if students else "warmup"
    return job.settings.folder / "runs" / job.settings.study / kind / job.task
