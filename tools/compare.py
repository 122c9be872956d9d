"""Compares the results in the working tree with the committed ones: mean test accuracy over seeds, and what
was run.

python tools/compare.py [study] [revision]
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

# Rounding differs between CPUs and thread counts; in float32 it flips spikes, and 1,000 steps later the
# network is another one, as if another seed had been drawn. So two means over seeds may differ by three
# standard errors of such a difference, and by 0.05 where the seeds happen to agree.
LEAST = 0.05
ERRORS = 3
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


def tolerance(seeds: list[float]) -> float:
    """How far the mean of as many other seeds may lie from the mean of these."""
    return max(LEAST, ERRORS * stdev(seeds) * (2 / len(seeds)) ** 0.5) if len(seeds) > 1 else LEAST


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
    excess = {key: abs(fmean(new[key]) - fmean(old[key])) - tolerance(old[key]) for key in sorted(old)}
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
