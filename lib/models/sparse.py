"""A network with few weights in a small file: which weights there are, a bit each,
and their values (no pickle)."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from lib import models
from lib.core.files import atomic_write
from lib.models import SpikingNet, known


def bits(tensor: Tensor) -> Tensor:
    """The same memory as whole numbers; of tensors that are none already."""
    of_size = {torch.float32: torch.int32, torch.float64: torch.int64}
    return tensor.view(of_size.get(tensor.dtype, tensor.dtype))


def save(net: SpikingNet, path: Path) -> None:
    """Every convolution and linear layer takes one bit a weight and its values other than 0,
    every other tensor all of it.

    Above a density of 31 / 32 that takes more than all values would.
    """
    path = Path(path)
    weights = {id(weight) for weight in known(net).weights().values()}
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        flat = tensor.detach().cpu().contiguous()
        if id(tensor) in weights:
            there = bits(flat) != 0  # -0.0 has one
            stored[f"{name}.bits"] = torch.from_numpy(np.packbits(there.flatten().numpy()))
            flat = flat[there]
        stored[name] = flat
    with atomic_write(path) as beside:
        # its own writer lets only the owner read
        beside.write_bytes(to_bytes(stored, metadata={"spec": json.dumps(net.spec)}))


def sizes(net: SpikingNet, path: Path) -> dict[str, int]:
    """Bytes of the file that `save` has written of the network, and of the same with every weight stored.
    raises: ValueError if what comes back is not the same, bit for bit"""
    back = load(path).state_dict()
    for name, tensor in net.state_dict().items():
        if not torch.equal(bits(back[name]), bits(tensor.cpu().contiguous())):
            raise ValueError(f"{path.name}: {name} came back changed; the file is of no use")
    every = {name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()}
    return {"sparse": path.stat().st_size, "dense": len(to_bytes(every))}


def load(path: Path) -> SpikingNet:
    """The network that `save` wrote, bit for bit, in eval mode, on the CPU.
    raises: ValueError for any other file"""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(
            f"{path}: no .safetensors file; what lib.models wrote (.pt) is read by lib.models.load"
        )
    try:
        with safe_open(path, framework="pt") as file:
            net = models.build(**json.loads(file.metadata()["spec"]))
            state = {}
            for name, like in net.state_dict().items():
                tensor = file.get_tensor(name)
                if f"{name}.bits" in file.keys():  # noqa: SIM118, a safetensors file is no dict
                    packed = file.get_tensor(f"{name}.bits").numpy()
                    flat = np.unpackbits(packed, count=like.numel()).astype(bool)
                    there = torch.from_numpy(flat).view(like.shape)
                    tensor = torch.zeros(like.shape, dtype=tensor.dtype).masked_scatter_(there, tensor)
                state[name] = tensor
    except (SafetensorError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged, or no file of ours: {error}") from error
    first, _ = next(net.named_parameters())
    net = net.to(state[first].dtype)
    net.load_state_dict(state)
    return net.eval()
