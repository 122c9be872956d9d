import shutil

import pytest

from lib.settings import config


@pytest.fixture
def study(tmp_path):
    """The smoke study with two seeds, of one task, and a folder of its own."""
    settings = config.load("smoke")
    lists = dict.fromkeys(("tasks", "pruned", "ablated", "matched", "rewired"), ("digits-vgg",))
    grid = settings.grid.model_copy(update={"seeds": (0, 1), "selected": (), **lists})
    return settings.model_copy(update={"out": str(tmp_path), "grid": grid})


@pytest.fixture
def quick(tmp_path):
    """The quick study, and a copy of its committed results."""
    settings = config.load("quick")
    shutil.copytree(settings.results, tmp_path / "results" / "quick")
    return settings.model_copy(update={"out": str(tmp_path)})
