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


def compare(old: dict[tuple, list[float]], new: dict[tuple, list[float]]) -> str | None:
    """Prints a row a trial; returns what is wrong with the worst one, None if nothing is."""
    worst = 0.0
    wrong = None
    print(f"{'committed':>9} {'fresh':>7} {'change':>7}  test accuracy, mean over seeds")
    for key in sorted(old.keys() | new.keys()):
        name = " ".join(str(part) for part in key if part != "")
        if len(old[key]) != len(new[key]):
            return f"{name}: {len(old[key])} trials are committed, {len(new[key])} were made"
        change = fmean(new[key]) - fmean(old[key])
        print(f"{fmean(old[key]):9.3f} {fmean(new[key]):7.3f} {change:+7.3f}  {name}")
        excess = abs(change) - tolerance(old[key])
        if excess > worst:
            worst = excess
            wrong = f"{name}: {fmean(old[key]):.3f} is committed, {fmean(new[key]):.3f} was made"
    return wrong


def main() -> None:
    study, revision = (*sys.argv[1:], *("quick", "HEAD")[len(sys.argv) - 1 :])
    old = committed(study, revision)
    if not old:
        sys.exit(f"error: results/{study}: nothing is committed at {revision}; nothing to compare with")
    fresh = sorted(Path("results", study).glob("*/**/*.json"))
    wrong = compare(accuracies(old.values()), accuracies(path.read_text() for path in fresh))
    if wrong:
        sys.exit(
            f"error: the fresh results differ from the committed ones by more than chance; worst: {wrong}"
        )
    print(
        f"{len(fresh)} results of study {study} agree with {revision} "
        f"within max({LEAST}, {ERRORS} standard errors)"
    )


if __name__ == "__main__":
    main()
