"""`make bench`: what a step costs, fast and pruned, against plain SpikingJelly. About half an hour on a quiet
machine.

Writes results/benchmarks/cost.json, cost.md and profile.txt; `draw.py` makes the figure of them.
"""

import json
import sys
from pathlib import Path

import epochs
import memory
import nets
import pandas as pd
import parity
import processes
import steps
import torch
from timing import amx, load, spread
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import commit, made_by, processor

from lib.core.files import ROOT, write_text
from lib.settings.records import provenance, rounded
from lib.training import set_up
from lib.training.fastest import fastest

FOLDER = ROOT / "results" / "benchmarks"


def main() -> None:
    torch.manual_seed(0)
    set_up(torch.get_num_threads())
    loads = [load()]
    bar = tqdm(total=7, desc="bench", unit="part")

    def done(found):
        loads.append(load())
        bar.update()
        return found

    same = done(parity.pairs())
    rows = done(steps.training_rows()) | done(steps.inference_rows()) | done(processes.rows())
    epoch, parts = done(epochs.sca_epoch())
    rows["SCA epoch at 0.7, own masks / (dense epoch x expected)"] = epoch, 1.1
    peaks = {what: memory.in_process(what) for what in ("plain", "compact")}
    rows["peak memory of a compact epoch at 0.7 / plain dense"] = (
        spread([peaks["compact"] / peaks["plain"]]),
        0.40,
    )
    profile = done(steps.profiled())
    against = done(steps.against())
    made = {
        **provenance(torch.get_num_threads()),
        "commit": commit(),
        "processor": processor(),
        "loads": loads,
        "batch": nets.BATCH,
        "steps of batch": nets.LARGE,
        "fast": fastest().model_dump(),
        "T": nets.T,
    }
    table = [{"row": name, "at most": target, **value} for name, (value, target) in rows.items()]
    record = {
        "made_with": made,
        "rows": table,
        "epoch": parts,
        "memory (MiB)": peaks,
        "against": against,
        "parity": same,
    }
    # asked before anything is written: a file changed would make the commit a dirty one
    head = made_by("python benchmarks/bench.py", "params.yaml and scikit-learn's digits")
    write_text(FOLDER / "cost.json", json.dumps(rounded(record), indent=1) + "\n")
    write_text(FOLDER / "cost.md", head + text(table, parts, peaks, same, made))
    write_text(FOLDER / "profile.txt", head + profile)
    print((FOLDER / "cost.md").read_text())


def text(table: list[dict], parts: dict, peaks: dict, same: list[dict], made: dict) -> str:
    rows = pd.DataFrame(table).rename(columns={"low": "quartile", "high": "quartile "})
    rows["reached"] = [
        "" if pd.isna(row["at most"]) else "yes" if row["median"] <= row["at most"] else "no" for row in table
    ]
    return (
        f"VGG16, T = {made['T']}, train steps of {made['steps of batch']} images, the SCA epoch's of "
        f"{made['batch']}; {made['threads']} threads, {made['processor']}, "
        f"{'with' if amx() else 'without'} AMX, torch {made['torch']}.\n"
        f"Fastest here: {', '.join(f'{name}: {value}' for name, value in made['fast'].items())}.\n"
        f"Load of the last minute, after each part: {', '.join(map(str, made['loads']))}.\n\n"
        f"{rows.to_markdown(index=False, floatfmt='.3f')}\n\n"
        f"The SCA epoch: {epochs.STEPS} steps in {parts['epoch']:.1f} s, of it the update with its probes "
        f"{parts['update']:.2f} s; the dense one {parts['dense epoch']:.1f} s; "
        f"expected share {parts['expected']:.3f}.\n"
        f"Peak memory at batch {memory.SIZE}: plain {peaks['plain']:.0f} MiB, compact epoch with its update "
        f"{peaks['compact']:.0f} MiB.\n\n"
        f"Accuracy on the quick study's first task, against plain options, paired over seeds:\n\n"
        f"{pd.DataFrame(same).to_markdown(index=False, floatfmt='.2f')}\n"
    )


if __name__ == "__main__":
    main()
