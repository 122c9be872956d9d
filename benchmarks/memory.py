"""Peak memory of an epoch, each in a process of its own: `python benchmarks/memory.py plain|compact` prints
mebibytes (Linux).

The compact one trains under uniform masks at 0.7 and then updates its structure, with probes of the whole
network."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from lib.core.memory import keep_freed

SIZE = 64  # the paper's batch
STEPS = 4


def in_process(what: str) -> float:
    done = subprocess.run([sys.executable, __file__, what], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"memory of {what} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def status(field: str) -> float:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) / 1024


def plain_epoch():
    from steps import plain_step

    plain_step(size=2, width=1 / 16)()  # what the first step loads is not counted
    yield
    step = plain_step(size=SIZE)
    for _ in range(STEPS):
        step()


def compact_epoch():
    from epochs import splits
    from nets import odd_masks, task
    from steps import our_step

    from lib import training
    from lib.settings import Method, Trial

    our_step(size=2, width=1 / 16, scored=True)()  # kernels are compiled here
    our_step(size=2, width=1 / 16)()
    data = splits(SIZE * STEPS)
    yield
    run = training.Run(
        data, task(SIZE, 3), Trial(ratio=0.7, method=Method(label="SCA", l1=3e-5, interval=1)), seed=0
    )
    run.pruner.restore({**run.pruner.state(), "masks": odd_masks(run.net, 0.7), "meter": None})
    run.net = run.pruner.trained
    run.optimizer = training.make_optimizer(run.net, run.task.train)
    run.epoch()
    assert run.pruner.history, "no update was measured"


def main() -> None:
    torch.manual_seed(0)
    keep_freed()  # as every training does
    epoch = {"plain": plain_epoch, "compact": compact_epoch}[sys.argv[1]]()
    next(epoch)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
    next(epoch, None)
    print(json.dumps(status("VmHWM") - before))


if __name__ == "__main__":
    main()
