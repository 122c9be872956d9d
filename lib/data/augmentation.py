"""Random changes of training images and event frames, drawn anew each epoch (A26).

Each is a function of the images, what draws, and `turned`, bool [N]: an image's turn in this epoch. Half of
them have it in every other epoch, the others in those between.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.core.errors import ConfigError


def crop_flip(x: Tensor, generator: torch.Generator, turned: Tensor | None = None) -> Tensor:
    """Random crop after 4 pixels of padding with 0, and horizontal flip, drawn for each image (A26).

    x: [N, C, H, W], not yet normalised, so that 0 is black, as published

    raises: ConfigError for event frames
    """
    if x.dim() != 4:
        raise ConfigError(
            "augment: crop_flip and crop_flip_rotate are for still images; "
            "event frames take roll_flip or none"
        )
    n = len(x)
    corner = torch.randint(0, 9, (2, n), generator=generator)
    flipped = torch.rand(n, generator=generator) >= 0.5
    return cropped(F.pad(x, (4, 4, 4, 4)), corner, flipped, x.shape[2:])


def cropped(padded: Tensor, corner: Tensor, flipped: Tensor, size) -> Tensor:
    """`size` (height, width) of each image from its `corner` [2, N] (top, left) on; mirrored where
    `flipped` [N]."""
    rows = corner[0][:, None] + torch.arange(size[0])
    columns = corner[1][:, None] + torch.arange(size[1])
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    picked = padded[torch.arange(len(padded))[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def shift_turn(x: Tensor, generator: torch.Generator, turned: Tensor) -> Tensor:
    """A shift by up to 2 pixels, drawn for each image, its border mirrored into what is left free; and the
    mirrored image every other epoch instead of by chance, so that two epochs show both (airbench, Jordan
    2024). x: [N, C, H, W]

    raises: ConfigError for event frames
    """
    if x.dim() != 4:
        raise ConfigError("augment: shift_turn is for still images; event frames take roll_flip or none")
    corner = torch.randint(0, 5, (2, len(x)), generator=generator)
    return cropped(F.pad(x, (2, 2, 2, 2), mode="reflect"), corner, turned, x.shape[2:])


def rotated(x: Tensor, degrees: Tensor) -> Tensor:
    """Each image turned counter-clockwise about its middle, nearest pixel, 0 outside.
    x: [N, C, H, W]; degrees: [N]"""
    angle = torch.deg2rad(degrees)
    height, width = x.shape[2:]
    cos = angle.cos()
    sin = angle.sin()
    none = torch.zeros_like(angle)
    entries = [cos, -sin * height / width, none, sin * width / height, cos, none]
    turn = torch.stack(entries, dim=1).view(-1, 2, 3)
    grid = F.affine_grid(turn, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def crop_flip_rotate(x: Tensor, generator: torch.Generator, turned: Tensor | None = None) -> Tensor:
    """`crop_flip`, then a rotation by up to 15 degrees either way, drawn for each image: CIFAR-100's (A26).
    x: [N, C, H, W]"""
    x = crop_flip(x, generator)
    return rotated(x, 30 * torch.rand(len(x), generator=generator) - 15)


def roll_flip(x: Tensor, generator: torch.Generator, turned: Tensor | None = None) -> Tensor:
    """Augmentation of event frames, drawn for each recording: a roll by up to 5 pixels either way and a
    horizontal flip, the same for all its frames. x: [T, N, 2, H, W]

    raises: ConfigError for still images
    """
    if x.dim() != 5:
        raise ConfigError(
            "augment: roll_flip is for event frames; still images take crop_flip, crop_flip_rotate or none"
        )
    _, n, _, height, width = x.shape
    down, right = torch.randint(-5, 6, (2, n), generator=generator)
    rows = (torch.arange(height) - down[:, None]) % height
    columns = (torch.arange(width) - right[:, None]) % width
    columns = torch.where(torch.rand(n, 1, generator=generator) < 0.5, columns, columns.flip(1))
    picked = x.permute(1, 3, 4, 0, 2)[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(3, 0, 4, 1, 2)


AUGMENT = {
    "none": None,
    "crop_flip": crop_flip,
    "crop_flip_rotate": crop_flip_rotate,
    "shift_turn": shift_turn,
    "roll_flip": roll_flip,
}
