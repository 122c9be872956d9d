"""One training loop for every method: run it, stop it, go on, keep what it made."""

from lib.training.adopted import Adopted
from lib.training.fit import fit, save, save_networks, start
from lib.training.run import Run
from lib.training.setup import seed_everything, set_up
from lib.training.steps import LR_SCHEDULES, add_l1, cosine, make_optimizer, set_lr, step, train_epoch

__all__ = [
    "Adopted", "LR_SCHEDULES", "Run", "add_l1", "cosine", "fit", "make_optimizer", "save", "save_networks",
    "seed_everything", "set_lr", "set_up", "start", "step", "train_epoch",
]  # fmt: skip
