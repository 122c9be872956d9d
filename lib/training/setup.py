"""What a process that trains sets once: threads, determinism, seeds."""

import os
import random

import numpy as np
import torch

from lib.core.memory import keep_freed
from lib.training import checkpoint


def set_up(threads: int) -> None:
    """Threads a process; denormal numbers to 0 (L1 makes many, and they are slow); SIGTERM heeded;
    deterministic algorithms. Call it before anything is computed: cuBLAS reads its setting at its first use.

    On a CPU the same code, settings and threads give the same bits, stopped and taken up again or not: tests
    hold that. On a GPU it is asked for, not proven: an operation without a deterministic algorithm warns and
    goes on.
    """
    keep_freed()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products may differ
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.allow_tf32 = False  # what is computed in float32 is, as on a CPU
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads it, and filling it costs
    checkpoint.install_sigterm()


def seed_everything(seed: int) -> torch.Generator:
    """Seeds Python, NumPy and torch; returns the generator that orders and augments the batches."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)
