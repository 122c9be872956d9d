"""`make bench`: what a step costs, fast and pruned, against plain SpikingJelly. About half an hour on a quiet
machine.

Writes results/benchmarks/cost.json; `draw.py` makes a table and a figure of it, `profiles.py` shows where the
time goes.
"""

import json
import sys
from pathlib import Path

import epochs
import memory
import nets
import parity
import processes
import steps
import torch
from timing import amx, load, spread
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import commit, processor

from lib.core.files import ROOT, write_text
from lib.settings.records import provenance, rounded
from lib.training import set_up
from lib.training.fastest import fastest

FOLDER = ROOT / "results" / "benchmarks"


def main() -> None:
    torch.manual_seed(0)
    set_up(torch.get_num_threads())
    loads = [load()]
    bar = tqdm(total=6, desc="bench", unit="part")

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
    against = done(steps.against())
    made = {
        **provenance(torch.get_num_threads()),
        "commit": commit(),
        "processor": processor(),
        "AMX": amx(),
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
    write_text(FOLDER / "cost.json", json.dumps(rounded(record), indent=1) + "\n")


if __name__ == "__main__":
    main()
