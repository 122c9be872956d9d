"""What the devices of one training do together: each is a process, and works on its share of every batch.
With one device there is nothing to do, and nothing is done."""

import hashlib

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Devices of this training."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this process is, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def device() -> torch.device:
    """This process's GPU, if the machine has any, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def shard(batch: Tensor, dim: int) -> Tensor:
    """This device's share of the images along `dim`: as many as every other's, one after the other."""
    return batch if world_size() == 1 else batch.chunk(world_size(), dim)[rank()]


@torch.no_grad()
def all_mean(tensors: list[Tensor]) -> None:
    """Replaces each by its mean over the devices, in place, in one message.
    Every device ends with the same bits."""
    if world_size() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= world_size()
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view(tensor.shape))


def all_sum(value: float) -> float:
    """The sum over the devices."""
    if world_size() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=device())
    dist.all_reduce(total)
    return total.item()


def check_same(state, where: str) -> None:
    """Raises RuntimeError, on every device alike, unless all hold the same state,
    a dict of tensors and numbers."""
    if world_size() == 1:
        return
    digest = hashlib.sha256()
    feed(digest, state)
    own = torch.tensor(list(digest.digest()), dtype=torch.uint8, device=device())
    found = [torch.empty_like(own) for _ in range(world_size())]
    dist.all_gather(found, own)
    apart = [str(each) for each, other in enumerate(found) if not torch.equal(other, found[0])]
    if apart:
        raise RuntimeError(
            f"{where}: device {', '.join(apart)} holds another network or other masks than device 0; "
            "start again: it goes on from the epoch before"
        )


def feed(digest, value) -> None:
    """Every bit of `value` into the digest."""
    if isinstance(value, Tensor):
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    elif isinstance(value, dict):
        for key, item in value.items():
            feed(digest, key)
            feed(digest, item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            feed(digest, item)
    else:
        digest.update(repr(value).encode())
