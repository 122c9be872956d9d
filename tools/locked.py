"""Whether every dvc.lock is of what is committed with it: code, settings, results, figures and tables.

    python tools/locked.py

What git ignores (data/, runs/) need not be there. Of a study that is kept, figures and tables are locked, and
by them the results that they are drawn from (`kept` in lib/settings/trial.py).
"""

import os
import sys
from collections import defaultdict

from dvc.repo import Repo
from repro import told
from ruamel.yaml import YAML

SHOWN = 3  # stages beside each file


def differing(repo: Repo) -> dict[str, list[str]]:
    """{what is not as dvc.lock says: the stages that it belongs to}"""
    found = defaultdict(list)
    for stage, changes in repo.status().items():
        for change in changes:  # a word ("changed command"), or {"changed deps": {path: how}}
            entries = next(iter(change.values())) if isinstance(change, dict) else {change: "modified"}
            for path, how in entries.items():
                if not repo.scm.is_ignored(repo.fs.abspath(path)):
                    keys = f" ({', '.join(how)})" if isinstance(how, dict) else ""
                    found[f"{path}{keys}"].append(stage)
    return found


def vanished(repo: Repo) -> list[str]:
    """Stages that a dvc.lock still holds and no dvc.yaml does."""
    stages = {stage.addressing for stage in repo.index.stages}
    left = []
    for pipeline in {stage.path_in_repo for stage in repo.index.stages}:
        lock = repo.fs.join(repo.root_dir, pipeline.replace(".yaml", ".lock"))
        if repo.fs.exists(lock):
            prefix = "" if pipeline == "dvc.yaml" else f"{pipeline}:"
            locked = YAML(typ="safe").load(repo.fs.read_text(lock))["stages"]
            left += [name for name in (f"{prefix}{stage}" for stage in locked) if name not in stages]
    return sorted(left)


def remedy(stages: list[str]) -> str:
    """What makes stages anew."""
    pipelines = sorted({stage.rpartition(":")[0] or "dvc.yaml" for stage in stages})
    studies = [pipeline.split("/")[1] for pipeline in pipelines if pipeline.startswith("studies/")]
    quick = [] if len(studies) == len(pipelines) else ["`make repro`"]
    return " and ".join(quick + [f"`make repro STUDY={study}`" for study in studies])


def main() -> None:
    os.chdir(Repo.find_root())  # DVC's paths and addresses are as seen from here
    with Repo() as repo:
        found, left = differing(repo), vanished(repo)
    for path, stages in found.items():
        more = f" and {len(stages) - SHOWN} more" if len(stages) > SHOWN else ""
        print(f"{path}: not as locked by {', '.join(stages[:SHOWN])}{more}")
    if found:
        made = remedy(sum(found.values(), []))
        raise RuntimeError(f"{len(found)} files are not those of dvc.lock; run {made}, then commit all of it")
    if left:
        raise RuntimeError(f"{', '.join(left)}: in dvc.lock, but in no dvc.yaml; take it out of dvc.lock")
    print("code, settings, results and figures are those of every dvc.lock")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(f"error: {told(error)}")
