"""What every spiking network here shares: prunable sites, a forward over T steps,
and a map from tensors to channels."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from spikingjelly.activation_based import functional, layer
from torch import Tensor, nn

from lib.core.errors import ConfigError
from lib.models import fused
from lib.models.convolution import Conv2d
from lib.models.neurons import Switchable
from lib.settings import Fast


class Site(nn.Module):
    """BN -> neuron -> gate [-> 2x2 max pooling]: one layer of prunable channels, named as figures name it.

    `mask` [C] is True where a channel is kept. The site is
      masked   the spikes of a masked channel are multiplied by 0, forward and backward (the default);
      open     masks are ignored: SCA's soft mode, where masked channels go on training;
      probing  a masked channel still sends nothing forward, but its BN scale earns the gradient it would have
               if it spoke, and nothing below it learns of that (methods A22). BN uses batch statistics and
               updates none.
    """

    def __init__(self, name: str, channels: int, node: nn.Module, pools: bool = False):
        super().__init__()
        self.name = name
        self.bn = layer.BatchNorm2d(channels, step_mode="m")
        self.node = node
        self.pool = layer.MaxPool2d(2, 2, step_mode="m") if pools else nn.Identity()
        self.register_buffer("mask", torch.ones(channels, dtype=torch.bool))
        self.state = "masked"
        self.T = 1  # steps of the neuron: `SpikingNet.run_for` sets them
        self.meter = None  # what listens to the neuron: lib.pruning.scores.ScoreMeter
        self._looked_at = None, 0, True  # the mask, its version, what `whole` found

    def forward(self, z: Tensor) -> Tensor:
        """[T, N, C, H, W], or [1, N, C, H, W] where each step is the same -> spikes [T, N, C, H, W], or
        [1, N, C, H, W] of units that pass on one value (`Switchable`)"""
        if self.node.kernel == "compiled" and self.training and self.state != "probing":
            return self.in_one(z)
        return self.pool(self.gate(self.node(repeated(self.normalise(z), self.T))))

    def in_one(self, z: Tensor) -> Tensor:
        """The same in one compiled node of the graph; the gate after the pooling, where it does the same."""
        pools = not isinstance(self.pool, nn.Identity)
        whole = pools and z.shape[-1] % 2 == z.shape[-2] % 2 == 0
        tau = getattr(self.node, "tau", None)
        spikes, self.node.seen = fused.layer(
            z, self.bn, self.T, tau, self.node.units, whole, self.node.watching()
        )
        return self.gate(self.pool(spikes) if pools and not whole else spikes)

    def normalise(self, z: Tensor) -> Tensor:
        """BN; while probing, with batch statistics, and the normalised input of masked channels detached."""
        if self.state != "probing":
            return normalised(self.bn, z, self.T)
        normed = F.batch_norm(z.flatten(0, 1), None, None, training=True, eps=self.bn.eps).view_as(z)
        normed = torch.where(self.mask[:, None, None], normed, normed.detach())
        return (normed * self.bn.weight[:, None, None] + self.bn.bias[:, None, None]).to(z.dtype)

    def gate(self, x: Tensor) -> Tensor:
        """What the masks let through; while probing, a masked channel lets through its gradient alone."""
        if self.state == "open" or self.state == "masked" and self.whole():
            return x
        mask = self.mask[:, None, None]
        return torch.where(mask, x, x - x.detach()) if self.state == "probing" else x * mask

    def whole(self) -> bool:
        """Whether no channel is masked. Looked up again only after the mask was written:
        reading it would hold up a GPU."""
        seen, version, _ = self._looked_at
        if seen is not self.mask or version != self.mask._version:
            self._looked_at = self.mask, self.mask._version, bool(self.mask.all())
        return self._looked_at[2]

    def like(self, out: Tensor) -> Tensor:
        """Of what the site has put out, one value [C] for each channel that its neuron takes."""
        return out[0, 0, :, 0, 0]

    def own(self, values: Tensor) -> Tensor:
        """This site's channels of a value [C] for each channel that its neuron takes."""
        return values


def repeated(current: Tensor, T: int) -> Tensor:
    """[1, N, C, H, W], the same at each step, or [T, N, C, H, W] -> [T, N, C, H, W];
    a single step passes as it is."""
    return current.expand(T, *current.shape[1:]) if current.dim() == 5 else current


def normalised(bn: layer.BatchNorm2d, z: Tensor, T: int) -> Tensor:
    """BN of [T, N, C, H, W], or of a static [1, N, C, H, W] with the running variance that its T equal steps
    would leave.

    The mean and the biased variance are the same either way; the unbiased one is n / (n - 1) times the
    biased, n the values a channel: N H W here, T N H W there.
    """
    if not bn.training or z.dim() != 5 or len(z) != 1 or T == 1:
        return bn(z)
    before = bn.running_var.clone()
    n = z.shape[1] * z.shape[3] * z.shape[4]
    out = bn(z)
    share = 1 / bn.num_batches_tracked.item() if bn.momentum is None else bn.momentum
    kept = before * (1 - share)
    variance = bn.running_var.data  # .data: autograd holds it, and reads it no more
    variance.sub_(kept).mul_(T * (n - 1) / (T * n - 1)).add_(kept)
    return out


class Edge(NamedTuple):
    """A convolution or linear layer: whose channels it makes, whose it reads,
    and what one event is worth at its input."""

    module: str
    makes: str | None  # site of its output channels, None if they are not prunable
    reads: str | None  # site of its input channels
    unit: float | None  # of one event at its input: 1 for spikes, 1/T after a mean over T; None: analog input


def known(net) -> "SpikingNet":
    """The network. raises: ConfigError if it is none of this study's"""
    if isinstance(net, SpikingNet):
        return net
    raise ConfigError(
        f"{type(net).__name__} is no network of this study; "
        "lib.models.adopt(model, in_shape, T) makes one of it"
    )


class SpikingNet(nn.Module):
    """A network of sites. Subclasses define `features` ([T,N,C,H,W] -> [T,N,F]), `head` and `edges`.

    spec: the arguments of `lib.models.build` that make an untrained copy, widths included.
    """

    def __init__(self, spec: dict):
        super().__init__()
        self.spec = spec
        self.T = spec["T"]
        self.in_shape = tuple(spec["in_shape"])
        self.step_mode = "m"
        self.fast = Fast()

    @property
    def sites(self) -> dict[str, Site]:
        return {m.name: m for m in self.modules() if isinstance(m, Site)}

    def edges(self) -> list[Edge]:
        raise NotImplementedError

    def before_neurons(self) -> set[str]:
        """Modules of the edges that no neuron stands before: their input is the same at each step if the
        image is."""
        return {self.edges()[0].module}

    def weights(self) -> dict[str, Tensor]:
        """{layer: weight} of every convolution and linear layer, in network order;
        named by its site where it has one (B7)."""
        # differs from the paper: first convolution and classifier are pruned too,
        # as the index's own code does; PQ does not say
        return {edge.makes or edge.module: self.get_submodule(edge.module).weight for edge in self.edges()}

    def channel_dims(self) -> dict[str, tuple[str | None, ...]]:
        """For each tensor of the state dict: the site that each dimension runs over (None: not prunable).

        Compaction, freezing, optimiser surgery and parameter counting all follow from this one map. A
        dimension that is k times as long as its site has channels holds k consecutive entries a channel (a
        flattened map).
        """
        site_of = {name: (site.name,) for name, site in self.named_modules() if isinstance(site, Site)}
        edge_of = {edge.module: (edge.makes, edge.reads) for edge in self.edges()}
        axes = {}
        for name, tensor in self.state_dict().items():
            module = name.rsplit(".", 1)[0]
            owner = edge_of.get(module) or site_of.get(module) or site_of.get(module.rsplit(".", 1)[0]) or ()
            axes[name] = tuple(owner[d] if d < len(owner) else None for d in range(tensor.dim()))
        return axes

    def set_step_mode(self, mode: str) -> "SpikingNet":
        """'m': all T steps at once, layer by layer; 's': step by step. Equal results in eval mode."""
        functional.set_step_mode(self, mode)
        return self

    def run_for(self, T: int, units: str = "spiking") -> "SpikingNet":
        """The number of time steps of the next forward passes, and what takes them (`Switchable`); `build`
        gives those of `spec`. Rectified units have no time and take one."""
        self.T = 1 if units == "relu" else T
        for module in self.modules():
            if isinstance(module, Site):
                module.T = self.T
            elif isinstance(module, Switchable):
                module.units = units
        return self

    def use(self, fast: Fast) -> "SpikingNet":
        """Chooses how the network is computed, not what (bf16: but for rounding, in training)."""
        self.fast = fast
        self.run_for(self.T)
        for module in self.modules():
            if isinstance(module, Switchable):
                module.run_by(fast.neurons)
            elif isinstance(module, Conv2d):
                module.products = fast.products
                module.multiple = fast.multiple
        return self.to(memory_format=torch.channels_last if fast.channels_last else torch.contiguous_format)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W], the same image at each of T steps, or [T, N, C, H, W] -> logits [N, classes].

        On any device. State is reset first.
        """
        if x.dim() not in (4, 5) or tuple(x.shape[-3:]) != self.in_shape or x.dim() == 5 and len(x) != self.T:
            raise ValueError(
                f"input of shape {tuple(x.shape)}: expected [N, {', '.join(map(str, self.in_shape))}] "
                f"or [{self.T}, N, {', '.join(map(str, self.in_shape))}]"
            )
        functional.reset_net(self)
        weight = next(self.parameters())
        if x.device != weight.device:
            x = x.to(weight.device)
        if x.dim() == 4:
            x = x[None] if self.fast.static_once and self.step_mode == "m" else x.expand(self.T, *x.shape)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.fast.bf16 and self.training):
            if self.step_mode == "m":
                out = self.features(x)
            else:
                out = torch.stack([self.features(step) for step in x])
        return self.head(out.to(weight.dtype).mean(0))
