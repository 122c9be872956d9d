"""One epoch of steps: the optimiser, its learning rate, the loss."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.core.errors import pick
from lib.settings import Train
from lib.training.muon import MOMENTUM, MuonSGD


def make_optimizer(net: nn.Module, recipe: Train) -> torch.optim.Optimizer:
    """The recipe's optimiser. AdamW decays no biases, and no scales and shifts of BN, as timm's, which trains
    Spikformer, decays no tensor of one dimension (methods C17). SGD decays all, as TET's does (B15). Muon
    moves all convolutions but the first, which is short of rows, and decays none of them; nor is a tensor of
    one dimension decayed: before rectified units nothing would hold up the fall of BN's scale.
    """
    if recipe.optimizer == "muon":
        filters = [module.weight for module in net.modules() if isinstance(module, nn.Conv2d)][1:]
        moved = {id(weight) for weight in filters}
        others = [parameter for parameter in net.parameters() if id(parameter) not in moved]
        groups = [
            {"params": [parameter for parameter in others if parameter.dim() > 1]},
            {"params": [parameter for parameter in others if parameter.dim() <= 1], "weight_decay": 0.0},
            {
                "params": filters,
                "muon": True,
                "times": recipe.lr_convolutions / recipe.lr,
                "momentum": MOMENTUM,
            },
        ]
        return MuonSGD(groups, recipe.lr, recipe.momentum, nesterov=True, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "adamw":
        decayed = [parameter for parameter in net.parameters() if parameter.dim() > 1]
        others = [parameter for parameter in net.parameters() if parameter.dim() <= 1]
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        betas = (recipe.momentum, 0.999)
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=betas, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        net.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def cosine(epoch: float, recipe: Train) -> float:
    """From lr to 0 over the epochs, from epoch to epoch; during the warm-up the share of it that the epoch
    has come to. epoch counts from 0."""
    whole = math.floor(epoch)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * whole / recipe.epochs)) * warmed(whole, recipe)


def step(epoch: float, recipe: Train) -> float:
    """A tenth every third of the epochs: the published decay every 100 of 300 epochs (A26)."""
    whole = math.floor(epoch)
    return recipe.lr * 0.1 ** (3 * whole // recipe.epochs) * warmed(whole, recipe)


def warmed(epoch: int, recipe: Train) -> float:
    return min(1.0, (epoch + 1) / (recipe.warmup + 1))


def triangular(epoch: float, recipe: Train) -> float:
    """In a line from a fifth of lr to lr at the end of the warm-up, then in a line to 0, from step to
    step."""
    if epoch < recipe.warmup:
        return recipe.lr * (0.2 + 0.8 * epoch / recipe.warmup)
    return recipe.lr * (recipe.epochs - epoch) / (recipe.epochs - recipe.warmup)


LR_SCHEDULES = {"cosine": cosine, "step": step, "triangular": triangular}


def set_lr(optimizer: torch.optim.Optimizer, epoch: float, recipe: Train) -> None:
    """The schedule's rate, times what a group of parameters has of its own.
    epoch: from 0, with the share of it that has been trained"""
    rate = pick(LR_SCHEDULES, recipe.lr_schedule, "lr_schedule")(epoch, recipe)
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("times", 1.0)


def cross_entropy(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(net(x), y)


@torch.no_grad()
def add_l1(net: nn.Module, strength: float) -> None:
    """Adds strength * sign(w) to the gradients of all 3x3 convolution weights (SCA, A25)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            module.weight.grad.add_(module.weight.sign(), alpha=strength)


def train_epoch(
    net: nn.Module,
    batches,
    optimizer: torch.optim.Optimizer,
    l1: float = 0.0,
    pruner=None,
    loss_of=cross_entropy,
) -> float:
    """One pass over `batches` of (x, y); returns the mean loss. loss_of: (net, x, y) -> a number to go down

    raises: FloatingPointError if it, or a weight at the end, is not finite
    """
    net.train()
    losses = []
    for x, y in batches:
        loss = loss_of(net, x, y)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {len(losses)} of the epoch")
        optimizer.zero_grad()
        loss.backward()
        if l1:
            add_l1(net, l1)
        optimizer.step()
        if pruner is not None:
            pruner.after_step(optimizer)
        losses.append(loss.detach())
    if not all(weight.isfinite().all() for weight in net.parameters()):
        raise FloatingPointError("weights are no longer finite after the last step of the epoch")
    return torch.stack(losses).mean().item()
