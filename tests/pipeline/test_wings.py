"""The wings of lib/: which one may import which, and that what draws needs no torch."""

import re
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
from test_pipeline import imports

import lib
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


@pytest.mark.parametrize("wing", MAY)
def test_the_map_names_every_room_and_no_other(wing):
    rooms = {path.stem for path in (LIB / wing).glob("*.py")} - {"__init__"}
    section = re.search(rf"^{wing}/.*\n((?:  .*\n)+)", lib.__doc__, re.MULTILINE)[1]
    for room in rooms:
        assert re.search(rf"\b{room}\b", section), f"lib/__init__.py does not name {wing}/{room}"
    named = {line.split()[0] for line in section.splitlines() if re.match(r"  \w+  +\w", line)}
    assert named <= rooms


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
