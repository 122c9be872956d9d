"""A whole SCA epoch at 0.7 under its own masks: scores, update and probes included."""

import time

import torch
from nets import BATCH, CLASSES, SHAPE, images, task, vgg16
from steps import expected, our_step
from timing import interleaved, spread

from lib import training
from lib.data import Images, Splits
from lib.settings import Method, Trial

STEPS = 256  # 4,096 images; an epoch of CIFAR-10 has 2,812 of this batch, where the update weighs less


def splits(count: int = STEPS * BATCH) -> Splits:
    x, y = images(count)
    shift = torch.zeros(3, 1, 1)
    scale = torch.ones(3, 1, 1)
    one = (Images(x[:1], shift, scale), y[:1])  # a validation that costs nothing
    return Splits(train=(Images(x, shift, scale), y), validation=one, test=one, classes=CLASSES)


def sca_epoch(rounds: int = 7) -> tuple[dict, dict]:
    """(time of an epoch / (time of a dense one x what operations and neurons say), seconds of its parts)"""
    method = Method(label="SCA", l1=3e-5, interval=1)
    run = training.Run(splits(), task(BATCH, rounds + 2), Trial(ratio=0.7, method=method), seed=0)
    assert run.splits.in_shape == SHAPE
    whole = vgg16()
    dense = our_step()
    found = []
    updates = []
    timed = run.pruner.after_epoch
    once = []

    def after_epoch(number):
        started = time.perf_counter()
        timed(number)
        once.append(time.perf_counter() - started)

    run.pruner.after_epoch = after_epoch
    run.epoch()  # dense, then the first update
    for _ in range(rounds):
        by = expected(run.net, whole)
        step = spread(interleaved({"dense": dense}, rounds=10)["dense"])["median"]
        started = time.perf_counter()
        run.epoch()
        seconds = time.perf_counter() - started
        found.append(seconds / (STEPS * step * by))
        updates.append({"epoch": seconds, "update": once[-1], "dense epoch": STEPS * step, "expected": by})
    return spread(found), {key: spread([one[key] for one in updates])["median"] for key in updates[0]}
