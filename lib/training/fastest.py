"""What this processor computes a training step with fastest: measured once a process, in a few seconds."""

import os
import shutil
import time
from functools import cache

import torch

from lib.core import collectives
from lib.models.convolution import Conv2d
from lib.settings import Fast

GAIN = 0.8  # a choice must take at most this share of the other's time: it is not to hang on noise
IMAGES = 256
ROUNDS = 7
# channels read and made, side of the map: what a network is mostly made of, the end of VGG16, what SCA leaves
TYPICAL = (256, 256, 8)
SMALL = (512, 512, 2)
ODD = (157, 133, 4)


def chosen(asked: Fast) -> Fast:
    """A task's `fast`, or what is fastest here if it is to be measured."""
    return fastest() if asked.measured else asked


@cache
def fastest() -> Fast:
    """bf16, if it is faster than float32; matrix products and padding, if they are with the precision chosen.
    Several devices of one training choose alike. On a GPU nothing is measured: a single convolution is too
    short to tell, and tensor cores take bf16 and multiples of 8."""
    if collectives.device().type == "cuda":
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return Fast(neurons="compiled", channels_last=True, bf16=bf16, multiple=8 if bf16 else 1)
    bf16 = pays(TYPICAL, {"bf16": True}, {})
    precision = {"bf16": bf16}
    return Fast(
        neurons="compiled" if compiles() else "fused",
        channels_last=True,
        bf16=bf16,
        products=pays(SMALL, {**precision, "products": True}, precision),
        multiple=16 if pays(ODD, {**precision, "multiple": 16}, precision) else 1,
    )


def compiles() -> bool:
    """Whether anything here compiles kernels: a C++ compiler for the CPU, Triton, which torch brings, for a
    GPU."""
    found = any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++")))
    return found or collectives.device().type == "cuda"


def pays(shape: tuple[int, int, int], option: dict, without: dict) -> bool:
    ours, theirs = (collectives.all_sum(found) for found in seconds(shape, option, without))
    return ours < GAIN * theirs


def seconds(shape: tuple[int, int, int], *ways: dict) -> list[float]:
    """The least that each way of computing a convolution took, forward and backward: in turns, so that none
    profits of memory that another has brought in."""
    steps = [step(*shape, **way) for way in ways]
    found = [[] for _ in ways]
    for _ in range(ROUNDS):
        for call, took in zip(steps, found, strict=True):
            begun = time.perf_counter()
            call()
            took.append(time.perf_counter() - begun)
    return [min(took) for took in found]


def step(reads: int, makes: int, side: int, bf16: bool = False, products: bool = False, multiple: int = 1):
    """A function that computes one convolution of random images and its gradients."""
    device = collectives.device()
    conv = Conv2d(reads, makes, 3, padding=1, bias=False).to(device, memory_format=torch.channels_last)
    conv.products = products
    conv.multiple = multiple
    x = torch.rand(IMAGES, reads, side, side, device=device).to(memory_format=torch.channels_last)
    x.requires_grad_()

    def call() -> float:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            out = conv(x)
        out.sum().backward()
        return conv.weight.grad.sum().item()  # waits for a GPU

    return call
