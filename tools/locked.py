"""Whether every dvc.lock is of what is committed with it: code, settings, results, figures and tables.

    python tools/locked.py

What git ignores (data/, runs/) need not be there. Nor need a study be finished: a stage that no dvc.lock
holds has not run, and what there is of its results counts if a figure or a table that is locked was drawn
from it. Of a study that is kept, figures and tables are all there is (`kept` in lib/settings/grid.py).
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import notebook_code
import told
from dvc_inside import KNOWN, Stage, root, stages
from ruamel.yaml import YAML
from told import Refused

SHOWN = 3  # stages beside each file


def status() -> dict[str, list]:
    """{address: what has changed}, as `dvc status` says it."""
    done = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"`dvc status` failed: {' '.join(done.stderr.split())}")
    return json.loads(done.stdout)


def locked() -> set[str]:
    """Addresses of the stages that a dvc.lock holds, whether there is a dvc.yaml beside it or not."""
    found = set()
    for lock in (Path("dvc.lock"), *sorted(Path("studies").glob("*/dvc.lock"))):
        if lock.exists():
            prefix = "" if lock.name == str(lock) else f"{lock.with_suffix('.yaml')}:"
            found |= {f"{prefix}{name}" for name in YAML(typ="safe").load(lock)["stages"]}
    return found


def ignored(paths: list[str]) -> set[str]:
    """Those of some paths that git ignores."""
    command = ["git", "check-ignore", "--stdin"]
    done = subprocess.run(command, input="\n".join(paths), capture_output=True, text=True)
    if done.returncode > 1:  # 1: none of them
        raise Refused(f"git check-ignore: {' '.join(done.stderr.split())}")
    return set(done.stdout.splitlines())


def changes_of(entries: list) -> list[tuple[str, str, str]]:
    """(kind, path, how) of each change of a stage: "changed command", or {"changed deps": {path: how}}."""
    found = []
    for entry in entries:
        kinds = entry if isinstance(entry, dict) else {entry: {entry: "modified"}}
        for kind, paths in kinds.items():
            for path, how in paths.items():
                keys = f" ({', '.join(how)})" if isinstance(how, dict) else ""
                found.append((kind, f"{path}{keys}", "modified" if keys else how))
    return found


def is_none(held: set[Path], kind: str, path: str, how: str) -> bool:
    """Whether a change of a stage that has not run is none: nothing is there, or what is there is held."""
    there = Path(path).resolve()
    return kind != "changed outs" or how == "deleted" or any(map(there.is_relative_to, held))


def differing(found: dict[str, Stage], run: set[str]) -> dict[str, list[str]]:
    """{what is not as dvc.lock says: the stages that it belongs to}. The stages `code` have no say: what they
    would write is written here, anew, and compared with what their readers have read.

    found: all stages; run: the addresses of those that a lock holds
    """
    changed = {address: changes_of(entries) for address, entries in status().items()}
    held = {Path(path) for each in run - changed.keys() if each in found for path in found[each].reads}
    wrong = [
        (change[1], address)
        for address, changes in changed.items()
        for change in changes
        if found[address].name != "code" and (address in run or not is_none(held, *change))
    ]
    unkept = ignored([path for path, _ in wrong if not path.startswith("build/code/")])
    differs = defaultdict(list)
    for path, address in wrong:
        if path not in unkept:
            differs[path].append(address)
    return differs


def remedy(addresses: list[str]) -> str:
    """What makes stages anew."""
    pipelines = sorted({address.rpartition(":")[0] or "dvc.yaml" for address in addresses})
    studies = [pipeline.split("/")[1] for pipeline in pipelines if pipeline.startswith("studies/")]
    quick = [] if len(studies) == len(pipelines) else ["`make repro`"]
    return " and ".join(quick + [f"`make repro STUDY={study}`" for study in studies])


def main() -> None:
    os.chdir(root())  # DVC's paths and addresses are as seen from here
    found = stages()
    run = locked()
    if left := sorted(run - found.keys()):
        raise Refused(f"{', '.join(left)}: in dvc.lock, but in no dvc.yaml; take it out of dvc.lock")
    for stage in found.values():
        if stage.name == "code":
            notebook_code.write(Path(stage.writes[0]), Path("notebooks"))
    wrong = differing(found, run)
    for path, addresses in wrong.items():
        more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
        print(f"{path}: not as locked by {', '.join(addresses[:SHOWN])}{more}")
    if wrong:
        made = remedy(sum(wrong.values(), []))
        raise Refused(f"{len(wrong)} files are not those of dvc.lock; run {made}, then commit all of it")
    waiting = len(found.keys() - run)
    print(
        "code, settings, results and figures are those of every dvc.lock"
        + f"; {waiting} stages have not run" * (waiting > 0)
    )


if __name__ == "__main__":
    told.run(main, *KNOWN)
