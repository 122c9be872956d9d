"""Runs the tests of faults, short and slow ones, and writes what they met: results/benchmarks/faults.md.

    python tools/faults.py                    20 minutes on 2 cores
    python tools/faults.py build/faults.xml   the table alone, of such runs made before (pytest's --junit-xml)

The numbers and the lines of the table are those of these runs.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

# the tree of this file, whichever one the environment knows
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from evidence import made_by

from lib.core.files import ROOT, write_text

TESTS = ("test_killed.py", "test_faults.py", "test_faults_files.py", "test_faults_repro.py")
REPORT = ROOT / "build" / "faults.xml"
TABLE = ROOT / "results" / "benchmarks" / "faults.md"
HEAD = """What happens to running stages of the smoke study, and what comes of it: real processes and
signals. *Recovered*: no file was half-written, and the next run ended with the files (data, results, nets)
of an unbroken run, byte for byte. Of {kills} times `kill -9`, {recovered} were recovered; it took
{minutes:.0f} minutes, two tests at a time.

"""


def properties(reports: list[Path], name: str) -> list[str]:
    """The values that the tests recorded under this name, in order."""
    found = [entry for report in reports for entry in ElementTree.parse(report).iter("property")]
    return [entry.get("value") for entry in found if entry.get("name") == name]


def lost(values: list) -> str:
    """What is lost in words; of seconds, their mean and the most."""
    seconds = [value for value in values if not isinstance(value, str)]
    if not seconds:
        return "; ".join(dict.fromkeys(values))
    mean = sum(seconds) / len(seconds)
    return f"what no finished epoch holds: {mean:.1f} s of work on average, {max(seconds):.1f} at most"


def shown(line: str) -> str:
    """A line as any reader would get it: without the folder of the test."""
    return re.sub(r"/\S*?/(?=build/|studies/)", "", " ".join(line.split())).replace("|", "\\|")


def table(reports: list[Path]) -> pd.DataFrame:
    """A row a fault."""
    tried = Counter(properties(reports, "tried"))
    recovered = [json.loads(value) for value in properties(reports, "recovered")]
    rows = []
    for fault, times in sorted(tried.items(), key=lambda each: each[0].lower()):
        ends = [end for end in recovered if end["fault"] == fault]
        rows.append(
            {
                "fault": fault,
                "tried": times,
                "recovered": len(ends),
                "what is kept": "; ".join(dict.fromkeys(end["kept"] for end in ends)),
                "lost": lost([end["lost"] for end in ends]),
                "what the user is told": shown(ends[0]["told"]) if ends else "",
            }
        )
    return pd.DataFrame(rows)


def head(reports: list[Path], faults: pd.DataFrame) -> str:
    kills = faults[faults["fault"].str.startswith("kill -9")]
    suites = [suite for report in reports for suite in ElementTree.parse(report).iter("testsuite")]
    minutes = sum(float(suite.get("time")) for suite in suites) / 60
    return HEAD.format(kills=kills["tried"].sum(), recovered=kills["recovered"].sum(), minutes=minutes)


def run() -> int:
    """The tests' exit status. raises: SystemExit if they did not even start"""
    REPORT.unlink(missing_ok=True)
    tests = [str(ROOT / "tests" / "faults" / name) for name in TESTS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--junit-xml", REPORT, *tests], cwd=ROOT
    )
    if not REPORT.exists():
        sys.exit(f"error: the tests did not start (exit status {done.returncode}): see above")
    return done.returncode


def main() -> None:
    given = [Path(name) for name in sys.argv[1:]]
    status = 0 if given else run()
    faults = table(given or [REPORT])
    first = made_by("python tools/faults.py", "the tests in tests/faults and studies/smoke/params.yaml")
    text = faults.to_markdown(index=False, disable_numparse=True)
    write_text(TABLE, f"{first}{head(given or [REPORT], faults)}{text}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
