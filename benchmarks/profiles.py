"""Where the time of a step goes, plain, ours and compact -> results/benchmarks/profile.txt"""

import sys
from pathlib import Path

import steps
import torch
from timing import load

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by

from lib.core.files import ROOT, write_text
from lib.training import set_up
from lib.training.fastest import fastest


def main() -> None:
    head = made_by("python benchmarks/profiles.py", "scikit-learn's digits")
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    set_up(threads)
    fast = ", ".join(f"{name}: {value}" for name, value in fastest().model_dump().items())
    how = f"{threads} threads, torch {torch.__version__}, load before it {load()}; {fast}.\n\n"
    write_text(ROOT / "results" / "benchmarks" / "profile.txt", head + how + steps.profiled())


if __name__ == "__main__":
    main()
