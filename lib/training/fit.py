"""What every notebook that trains does: open the data, train each run to its end, write what came of it."""

from pathlib import Path

from lib import data, models
from lib.data import Splits
from lib.models import sparse
from lib.settings import records
from lib.settings.given import Job
from lib.training import checkpoint, distributed, warmup
from lib.training.run import Run
from lib.training.setup import set_up

Runs = dict[tuple[int, int], Run]  # {(seed, number of the trial): its training}


def start(job: Job) -> Splits:
    """Sets this process up, and opens the data of a job; prepares them if no run has done so yet."""
    set_up(job.settings.threads)
    return data.open_or_prepare(job.settings, job.recipe.data)


def fit(job: Job, runs: Runs) -> None:
    """Trains every run of a job to its end, with a progress bar each;
    a stopped one goes on from its last epoch."""
    for (seed, number), run in runs.items():
        kept = checkpoint.path(job, seed, number)
        shorter = runs.get((seed, number - 1))
        if not run.resume(kept):
            if shorter and run.pruner.extends(shorter.pruner):
                run.resume_prefix(checkpoint.path(job, seed, number - 1))
            else:
                warmup.fork(job, run, seed, number)
        distributed.fit(run, kept)
        run.fit(f"{job.method}, {job.trials[number].name}, seed {seed}", kept)


def save_networks(job: Job, runs: Runs) -> dict[tuple[int, int], Path]:
    """Writes the networks that are reported, and returns where:
    those with single weights removed as sparse files."""
    files = {}
    for (seed, number), run in runs.items():
        folder = job.folder(seed)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{number}-{job.trials[number].file_name}"
        if job.stage in ("weights", "tokens"):
            files[seed, number] = folder / f"{name}.safetensors"
            sparse.save(run.finish(), files[seed, number])
        else:
            files[seed, number] = folder / f"{name}.pt"
            models.save(run.finish(), files[seed, number])
    return files


def save(job: Job, measured: dict[tuple[int, int], dict]) -> None:
    """One record a seed; what was kept to go on with is of no use then."""
    for seed in job.seeds:
        numbers = range(len(job.trials))
        records.save(job, seed, [measured[seed, number] for number in numbers])
        for number in numbers:
            checkpoint.clear(checkpoint.path(job, seed, number))
