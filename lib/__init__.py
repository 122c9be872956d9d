"""A reproducible study of pruning deep spiking neural networks.

config    params.yaml -> frozen settings; paths
check     a whole params.yaml, before the first stage starts
errors    what a user is told, in one line
files     files that are whole or not there
data      data sets -> tensors in memory, fixed splits; sources, archives: where they come from
events    event streams: simulated from images, frames
models    spiking networks, built from SpikingJelly's neurons and layers
pruning   which channels matter, which come back, how many and when; removal
train     one loop: train, evaluate
ranks     what the devices of one training do together; launch: starts them
resume    where a stopped training goes on
measure   parameters, connectivity, synaptic operations, energy
results   write one run; load the tidy table
plots     one style for all figures
published what others have published
nbcode    notebook -> the code that DVC watches
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
