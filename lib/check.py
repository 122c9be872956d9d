"""Checks a whole params.yaml before the first stage starts: `python -m lib.check params.yaml`.

`lib.config` checks keys, types and ranges; here every name is looked up where it will be used.
"""

import sys
from pathlib import Path

from lib import config, data, models, train
from lib.config import ConfigError, Study, pick
from lib.models.neurons import NEURONS
from lib.pruning import GROWTH, RATIO_SCHEDULES, REGROW_SCHEDULES, SCORES

CELL = {"data": data.SOURCES, "augment": data.AUGMENT, "net": models.FAMILIES, "neuron": NEURONS}
METHOD = {"score": SCORES, "growth": GROWTH, "ratio_schedule": RATIO_SCHEDULES, "regrow_schedule": REGROW_SCHEDULES}


def names(study: Study) -> None:
    """Raises ConfigError at the first name that no registry holds."""
    for name, cell in study.cells.items():
        for field, registry in CELL.items():
            pick(registry, getattr(cell, field), f"cells.{name}.{field}")
        pick(train.LR_SCHEDULES, cell.train.lr_schedule, f"cells.{name}.train.lr_schedule")
    for name in (*study.methods, *study.ablations):
        for point in study.points(study.grid.cells[0], name):
            for field, registry in METHOD.items():
                pick(registry, getattr(point.method, field), f"{name}.{field}")


def main() -> None:
    try:
        for path in map(Path, sys.argv[1:]):
            study = config.read(path)
            names(study)
            points = sum(len(study.points(cell, name)) for cell in study.grid.cells for name in (*study.methods, *study.ablations))
            trainings = (points + len(study.grid.cells)) * len(study.grid.seeds)
            print(f"{path}: study {study.study}: {len(study.grid.cells)} cells x {len(study.grid.seeds)} seeds, {trainings} trainings")
    except (ConfigError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
