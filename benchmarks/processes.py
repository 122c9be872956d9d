"""Whole processes side by side: one training of two threads or two of one each, freed memory kept or given
back.

usage: python benchmarks/processes.py THREADS KEEP     -> seconds a step of the cifar study's small network
"""

import json
import statistics
import subprocess
import sys

import torch
from timing import interleaved, spread

from lib import models, training
from lib.core.memory import keep_freed
from lib.training.fastest import fastest

SIZE = 128
STEPS = 7


def together(count: int, threads: int, keep: bool) -> float:
    """Seconds a step of `count` such trainings at once, their mean."""
    command = [sys.executable, __file__, str(threads), "keep" if keep else "give"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    found = [json.loads(each.communicate()[0].splitlines()[-1]) for each in started]
    return statistics.mean(found)


def rows(rounds: int = 3) -> dict:
    """Ratios, round by round."""
    alone = []
    kept = []
    for _ in range(rounds):
        two = together(2, 1, True)
        alone.append(two / 2 / together(1, 2, True))
        kept.append(two / together(2, 1, False))
    return {
        "two trainings of a thread each, seconds an image / one of two threads": (spread(alone), None),
        "train step of the small network, freed memory kept / given back": (spread(kept), None),
    }


def step_seconds(threads: int) -> float:
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    net = models.build("vgg7", 10, (3, 32, 32), 2).use(fastest())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    batch = torch.rand(SIZE, 3, 32, 32), torch.randint(0, 10, (SIZE,))
    step = {"step": lambda: training.train_epoch(net, [batch], optimizer)}
    return statistics.median(interleaved(step, STEPS)["step"])


if __name__ == "__main__":
    if sys.argv[2] == "keep":
        keep_freed()
    print(json.dumps(step_seconds(int(sys.argv[1]))))
