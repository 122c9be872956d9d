"""A reproducible study of pruning deep spiking neural networks.

Each wing imports those above it:

core      errors of one line, files that are whole or not there, what several devices share
settings  params.yaml as frozen types, its rules, what a notebook is given, the record of a trial
models    spiking networks, built from SpikingJelly's neurons and layers; saved and loaded
pruning   which channels, weights and tokens go, which come back, how many and when; removal
data      raw files -> fixed splits in memory; augmentation; event streams
measure   accuracy, parameters, connectivity, synaptic operations, energy
training  one loop for every method: run it, stop it, go on, keep what it made
report    records -> one table, claims and figures; needs core and settings alone, and no torch
"""

import sys
from pathlib import Path


def _other_checkout(here: Path, root: Path) -> Path | None:
    """The checkout of this project that `here` lies in, if that is another one than `root`."""
    for folder in (here, *here.parents):
        package = folder / "lib" / "__init__.py"
        if (folder / "dvc.yaml").exists() and package.exists():
            ours = (root / "lib" / "__init__.py").read_text().splitlines()[0]
            return folder if folder != root and package.read_text().splitlines()[0] == ours else None
    return None


# Two clones may share an environment, which knows one of them: the other's numbers would be made by its code.
_root = Path(__file__).resolve().parent.parent
if _other := _other_checkout(Path.cwd().resolve(), _root):
    sys.exit(f"error: this is {_other}, but Python imports lib from {_root}; set PYTHONPATH={_other}")
