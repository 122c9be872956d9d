"""Warm-ups: what several trials of a task train alike, until one changes its network, is trained once.

What forks from a warm-up equals an unbroken run byte for byte (a test holds it): it saves time and changes no
number.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from lib.core.tensors import load_tensors, save_tensors
from lib.pruning.prefix import prefix
from lib.settings import STAGES, Study, Trial
from lib.settings.given import Job
from lib.training import checkpoint
from lib.training.run import Run

RECIPE = {"data", "augment", "net", "neuron", "T", "width", "train", "fast"}  # of a task


class WarmUp(NamedTuple):
    """start: as `lib.pruning.prefix` tells it; trial: one that begins so; epochs: at whose ends it is kept"""

    start: dict
    trial: Trial
    epochs: list[int]


def plan(study: Study, task: str, students: bool) -> list[WarmUp]:
    """What two trials or more of a task share. students: those from a teacher on, or the others."""
    alike = defaultdict(list)
    for trial in trials(study, task):
        begun = prefix(study.tasks[task], trial)
        if begun and begun.start["student"] == students:
            alike[json.dumps(begun.start, sort_keys=True)].append((begun, trial))
    planned = []
    for members in alike.values():
        shared = sorted(begun.epochs for begun, _ in members)[-2:][0]  # as long as the second longest
        if len(members) < 2 or shared == 0:
            continue
        kept = {min(begun.epochs, shared) for begun, _ in members}
        kept |= {mark for begun, _ in members for mark in begun.marks}
        begun, trial = min(
            members, key=lambda member: member[1].method is not None
        )  # the dense one, if there
        planned.append(WarmUp(begun.start, trial, sorted(epoch for epoch in kept if 0 < epoch <= shared)))
    return planned


def trials(study: Study, task: str) -> list[Trial]:
    """All of the pipeline's trials of a task."""
    stages = [name for name, stage in STAGES.items() if task in getattr(study.grid, stage.grid)]
    methods = [method for stage in stages for method in study.group(stage)]
    return [trial for method in methods for trial in study.trials(task, method)]


def train(job: Job, run: Run, warm: WarmUp, seed: int) -> None:
    """Trains a new run as far as a warm-up goes, its structure unchanged, and keeps what forks from it
    need."""
    run.pruner.updates = []
    label = f"warm-up, {warm.trial.name}, seed {seed}"
    for epoch in tqdm(range(1, warm.epochs[-1] + 1), desc=label, unit="epoch"):
        run.epoch()
        if epoch in warm.epochs:
            save_tensors(run.trunk(), path(job, warm.start, seed, epoch))


def fork(job: Job, run: Run, seed: int) -> None:
    """Takes a new run to the end of the longest warm-up that it shares; without one it stays as it is."""
    begun = prefix(job.recipe, run.trial)
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
