"""results/benchmarks/speedrun.csv -> speedrun.md beside it, and figures/benchmarks/speedrun*.svg."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from evidence import made_by

from lib.core.files import ROOT, write_text
from lib.report import page, speedrun

AIMS = "at least, at most: what was aimed at, in minutes with AMX / without; the Intel Xeon here has it"


def main() -> None:
    table = speedrun.rows()
    head = made_by("python benchmarks/draw_speedrun.py", "results/benchmarks/speedrun.csv")
    found = speedrun.summary(table).to_markdown(index=False, floatfmt=".2f")
    found = found.replace(" nan ", "     ")
    note = f"± half of the 95 % interval over seeds (Student's t); {speedrun.SHARED}; {AIMS}."
    text = f"{head}{found}\n\n{note}\n"
    write_text(ROOT / "results" / "benchmarks" / "speedrun.md", text)
    figures = ROOT / "figures" / "benchmarks"
    page.save(speedrun.budgets(table), figures, "speedrun")
    page.save(speedrun.curves(table), figures, "speedrun_curves")
    page.save(speedrun.tricks(table), figures, "speedrun_tricks")
    print(text)


if __name__ == "__main__":
    main()
