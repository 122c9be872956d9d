"""A convolution computed in other ways, which give its numbers: as one matrix product on maps of 2x2, and
among channels of zeros, as many as a processor's kernels like. In training alone: tests are computed in one
way."""

import torch
import torch.nn.functional as F
from spikingjelly.activation_based import layer
from torch import Tensor

# the rows (columns) of a 3x3 filter that reach a map of two from its first and its second row (column)
REACH = slice(1, 3), slice(0, 2)


class Conv2d(layer.Conv2d):
    """SpikingJelly's; `lib.models.SpikingNet.use` sets the two options, for convolutions without groups and
    without bias.

    products: whether maps of 2x2 are multiplied by one matrix of all taps that reach them
    multiple: the numbers of channels that the kernels see are multiples of it; the channels added are zeros
    """

    products = False
    multiple = 1

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.training and self.groups == 1 and bias is None:
            if self.products and self.sees_all(x):
                return product(x, weight)
            if self.multiple > 1:
                return self.among_zeros(x, weight)
        return super()._conv_forward(x, weight, bias)

    def sees_all(self, x: Tensor) -> bool:
        """Whether a 3x3 filter sees a whole map of 2x2 from each of its positions."""
        usual = self.kernel_size == (3, 3) and self.stride == self.padding == (1, 1)
        return usual and tuple(x.shape[-2:]) == (2, 2)

    def among_zeros(self, x: Tensor, weight: Tensor) -> Tensor:
        makes, reads = (-size % self.multiple for size in weight.shape[:2])
        if reads:
            x = F.pad(x, (0, 0, 0, 0, 0, reads))
        if makes or reads:
            weight = F.pad(weight, (0, 0, 0, 0, 0, reads, 0, makes))
        found = super()._conv_forward(x, weight, None)
        return found[:, : found.shape[1] - makes]


def product(x: Tensor, weight: Tensor) -> Tensor:
    """[N, C, 2, 2] and [O, C, 3, 3] -> [N, O, 2, 2]"""
    makes = len(weight)
    taps = [weight[:, :, rows, columns] for rows in REACH for columns in REACH]  # one a position
    matrix = torch.cat(taps).permute(0, 2, 3, 1).flatten(1)  # [4 O, 4 C], channels last as in x
    found = F.linear(x.permute(0, 2, 3, 1).flatten(1), matrix)
    return found.view(-1, 2, 2, makes).permute(0, 3, 1, 2)
