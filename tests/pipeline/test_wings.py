"""The wings of lib/: which one may import which, and that what draws needs no torch."""

import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
from test_pipeline import imports

from lib.settings import config

LIB = config.ROOT / "lib"
ORDER = ("core", "settings", "models", "pruning", "data", "measure", "training")
MAY = {wing: set(ORDER[:place]) for place, wing in enumerate(ORDER)} | {"report": {"core", "settings"}}


@pytest.mark.parametrize("wing", MAY)
def test_arrows_between_wings_point_one_way(wing):
    assert {path.name for path in LIB.iterdir() if path.is_dir()} - {"__pycache__"} == MAY.keys()
    for path in (LIB / wing).rglob("*.py"):
        upward = imports(path.read_text()) - MAY[wing] - {wing}
        assert not upward, f"{path.relative_to(LIB)} imports lib.{', lib.'.join(sorted(upward))}"


def test_there_is_no_circle():
    arrows = {
        wing: {to for path in (LIB / wing).rglob("*.py") for to in imports(path.read_text())} for wing in MAY
    }
    order = TopologicalSorter({wing: found - {wing} for wing, found in arrows.items()}).static_order()
    assert next(order) == "core"


def test_what_draws_imports_no_torch():
    rooms = [f"lib.report.{path.stem}" for path in (LIB / "report").glob("*.py") if path.stem != "__init__"]
    code = f"import sys, {', '.join(rooms)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=config.ROOT).returncode == 0
