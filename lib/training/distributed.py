"""One training on several devices: a process for each, started here, joined by Lightning Fabric,
ended with the last epoch.

`fit` comes back with the run as if its own process had trained it. Processes are spawned, not
forked: a kernel has threads. They keep each epoch where the notebook would,
so that a stopped run goes on from there.
"""

import os
import socket
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import multiprocessing

from lib.core.errors import ConfigError
from lib.training.run import Run
from lib.training.setup import set_up


def fit(run: Run, kept: Path) -> None:
    """Trains the run's last epochs on the devices that its recipe asks for; nothing to do if that is one.

    kept: where each epoch is kept; the run has taken up what is there
    raises: ConfigError if this machine has fewer devices
    """
    devices = run.task.train.devices
    if devices == 1 or len(run.log) == len(run.recipe_epochs):
        return
    check_there(devices, torch.cuda.device_count(), os.cpu_count() or 1)
    if run.log:
        run.checkpoint(kept)  # lottery tickets go on from another run's end
    kept.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=kept.parent) as folder:
        job = Path(folder) / "job.pt"
        torch.save((torch.get_default_dtype(), torch.get_num_threads(), *run.making()), job)
        multiprocessing.spawn(worker, (devices, free_port(), job, kept), nprocs=devices)
    run.resume(kept)


def check_there(devices: int, gpus: int, cores: int) -> None:
    """Raises ConfigError if a run asks for more devices than there are."""
    there, name = (gpus, "GPU") if gpus else (cores, "CPU core")
    if devices > there:
        raise ConfigError(
            f"devices: {devices}: this machine has {there} {name}{'s' * (there > 1)}; lower it in params.yaml"
        )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def worker(rank: int, devices: int, port: int, job: Path, kept: Path) -> None:
    """What each process does: makes the run anew from `job`, and trains its share of it to the end."""
    fabric = join(rank, devices, port)
    run = make(job)
    run.resume(kept)
    train(run, fabric, kept)


def join(rank: int, devices: int, port: int):
    """The Fabric of this process, which has met the others."""
    from lightning_fabric import Fabric  # a second to import, and one device needs none of it
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    os.environ.update(LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    fabric = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=devices,
        strategy=DDPStrategy(broadcast_buffers=False),  # a run averages what BN has seen after each epoch
        plugins=[LightningEnvironment()],  # these processes, and not those of a SLURM job around them
    )
    fabric.launch()
    return fabric


def make(job: Path) -> Run:
    """The run that `fit` was given, untrained, in this process."""
    # written by this user a moment ago
    dtype, threads, kind, *given = torch.load(job, weights_only=False, mmap=True)
    torch.set_default_dtype(dtype)
    set_up(threads)
    return kind(*given)


def train(run: Run, fabric, kept: Path) -> None:
    """All epochs that are left; the first process keeps them."""
    # wrapped once, until an update makes another network
    run.parallel = lru_cache(maxsize=1)(fabric.setup_module)
    run.fit(f"{fabric.world_size} devices", kept)
    fabric.barrier()
