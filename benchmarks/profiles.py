"""Where the time of a step goes, plain, ours and compact -> results/benchmarks/profile.txt"""

import sys
from pathlib import Path

import steps
import torch

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by

from lib.core.files import ROOT, write_text
from lib.training import set_up


def main() -> None:
    head = made_by("python benchmarks/profiles.py", "scikit-learn's digits")
    torch.manual_seed(0)
    set_up(torch.get_num_threads())
    write_text(ROOT / "results" / "benchmarks" / "profile.txt", head + steps.profiled())


if __name__ == "__main__":
    main()
