"""The yardstick: VGG16 of `spikingjelly.activation_based` layers and neurons alone, trained as its own
examples train: float32, the image repeated over T, mean of the outputs over T, SGD. Nothing of lib/ is in
it."""

import torch
import torch.nn.functional as F
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

LAYOUT = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
HIDDEN = (512, 512)


def spike() -> neuron.IFNode:
    return neuron.IFNode(
        v_threshold=1.0, v_reset=0.0, surrogate_function=surrogate.Sigmoid(alpha=4.0), detach_reset=True
    )


def vgg16(width: float = 1.0, classes: int = 10) -> nn.Sequential:
    """For 32x32 images; multi-step."""
    net = nn.Sequential()
    channels = 3
    for size in LAYOUT:
        if size == "M":
            net.append(layer.MaxPool2d(2, 2))
            continue
        size = round(size * width)
        net.extend([layer.Conv2d(channels, size, 3, padding=1, bias=False), layer.BatchNorm2d(size), spike()])
        channels = size
    net.append(layer.Flatten())
    for size in HIDDEN:
        size = round(size * width)
        net.extend([layer.Linear(channels, size, bias=False), layer.BatchNorm1d(size), spike()])
        channels = size
    net.append(layer.Linear(channels, classes))
    functional.set_step_mode(net, "m")
    return net


def train_step(net: nn.Sequential, x: Tensor, y: Tensor, T: int, optimizer: torch.optim.Optimizer) -> float:
    """One step on [N, 3, 32, 32]; returns the loss."""
    out = net(x.unsqueeze(0).repeat(T, 1, 1, 1, 1)).mean(0)
    loss = F.cross_entropy(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    functional.reset_net(net)
    return loss.item()
