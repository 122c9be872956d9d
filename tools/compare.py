"""Compares the results in the working tree with the committed ones: mean test accuracy over seeds, and what
was run.

python tools/compare.py [study] [revision]
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, variance

# Rounding differs between CPUs and thread counts; in float32 it flips spikes, and 1,000 steps later the
# network is another one, as if another seed had been drawn. So two means over seeds may differ by some
# standard errors of such a difference, and by 0.05 where no trial's seeds differ by much.
# Three seeds that happen to agree say little about their spread: with two degrees of freedom Student's t
# exceeds 3 in one case of ten. So the variance is pooled over the trials of a stage and task: 30 degrees of
# freedom at most, but 2 of dense networks, one trial a task, which LEAST protects. Four errors, as some 50
# trials are compared at once: chance exceeds them once in 2,600 trials at 30 degrees, in 250 at 8.
LEAST = 0.05
ERRORS = 4
KEYS = {"ratio": "ratio", "rho": "rho", "target_density": "density"}  # of a record -> as it is shown


def committed(study: str, revision: str) -> dict[str, str]:
    """{path: text} of the results at a git revision."""
    listed = git("ls-tree", "-r", "--name-only", revision, f"results/{study}").splitlines()
    runs = [
        path for path in listed if path.endswith(".json") and path.count("/") > 2
    ]  # in the folders of stages
    return {path: git("show", f"{revision}:{path}") for path in runs}


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"error: git {' '.join(arguments)}: {' '.join(done.stderr.split())}"
        )  # git may say in more what to do
    return done.stdout


def accuracies(texts) -> dict[tuple, list[float]]:
    """{(stage, task, method, what was asked for, variant): test accuracies, one a seed}"""
    found = defaultdict(list)
    for record in map(json.loads, texts):
        for trial in record["trials"]:
            variant = ", ".join(f"{key} {value}" for key, value in trial.get("variant", {}).items())
            asked = " ".join(f"{KEYS[key]} {trial[key]:g}" for key in KEYS if key in trial)
            found[record["stage"], record["task"], record["method"], asked, variant].append(trial["accuracy"])
    return found


def tolerances(old: dict[tuple, list[float]]) -> dict[tuple, float]:
    """{trial: how far the mean of as many other seeds may lie from its own}"""
    groups = defaultdict(list)  # the seeds of each trial of a stage and task
    for key, seeds in old.items():
        groups[key[:2]].append(seeds)
    spread = {group: pooled(trials) for group, trials in groups.items()}
    return {key: max(LEAST, ERRORS * spread[key[:2]] * (2 / len(seeds)) ** 0.5) for key, seeds in old.items()}


def pooled(trials: list[list[float]]) -> float:
    """The standard deviation within trials; 0 where none has two seeds."""
    several = [seeds for seeds in trials if len(seeds) > 1]
    freedom = sum(len(seeds) - 1 for seeds in several)
    squares = sum(variance(seeds) * (len(seeds) - 1) for seeds in several)
    return (squares / freedom) ** 0.5 if freedom else 0.0


def named(key: tuple) -> str:
    return " ".join(str(part) for part in key if part != "")


def missing(old: dict[tuple, list[float]], new: dict[tuple, list[float]]) -> str | None:
    """The first trial that one side has more often than the other; None if there is none."""
    for key in sorted(old.keys() | new.keys()):
        before, after = len(old.get(key, [])), len(new.get(key, []))
        if before != after:
            return f"{named(key)}: {before} trials are committed, {after} were made"
    return None


def rows(old: dict[tuple, list[float]], new: dict[tuple, list[float]]) -> list[str]:
    """A row a trial, and their heading."""
    told = [f"{'committed':>9} {'fresh':>7} {'change':>7}  test accuracy, mean over seeds"]
    for key in sorted(old):
        before, after = fmean(old[key]), fmean(new[key])
        told.append(f"{before:9.3f} {after:7.3f} {after - before:+7.3f}  {named(key)}")
    return told


def worst(old: dict[tuple, list[float]], new: dict[tuple, list[float]]) -> str | None:
    """The trial that differs by the most beyond chance; None if none does."""
    room = tolerances(old)
    excess = {key: abs(fmean(new[key]) - fmean(old[key])) - room[key] for key in sorted(old)}
    key = max(excess, key=excess.get)
    if excess[key] <= 0:
        return None
    return f"{named(key)}: {fmean(old[key]):.3f} is committed, {fmean(new[key]):.3f} was made"


def main(study: str = "quick", revision: str = "HEAD") -> None:
    old = committed(study, revision)
    if not old:
        sys.exit(f"error: results/{study}: nothing is committed at {revision}; nothing to compare with")
    fresh = sorted(Path("results", study).glob("*/**/*.json"))
    both = accuracies(old.values()), accuracies(path.read_text() for path in fresh)
    if lacking := missing(*both):
        sys.exit(f"error: not the trials that are committed: {lacking}")
    print("\n".join(rows(*both)))
    if wrong := worst(*both):
        sys.exit(
            f"error: the fresh results differ from the committed ones by more than chance; worst: {wrong}"
        )
    print(
        f"{len(fresh)} results of study {study} agree with {revision} "
        f"within max({LEAST}, {ERRORS} standard errors)"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
