"""Augmentation against torchvision's own, image by image on bytes, before normalisation:
what is cut off is black."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF

from lib import data
from lib.data.splits import mean_std


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> data.Images:
    """Bright ones, so that black is far from their mean colour."""
    kept = torch.randint(100, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=chance(1))
    return data.Images(kept, *mean_std(kept))


def cropped(images: data.Images, index: torch.Tensor, draw: torch.Generator) -> list[torch.Tensor]:
    """Bytes, as RandomCrop(32, padding=4) and RandomHorizontalFlip leave them,
    with the draws of `crop_flip`."""
    top, left = torch.randint(0, 9, (2, len(index)), generator=draw).tolist()
    stays = (torch.rand(len(index), 1, generator=draw) < 0.5)[:, 0].tolist()
    each = []
    for n, one in enumerate(images.kept[index]):
        found = TF.crop(TF.pad(one, [4, 4, 4, 4], fill=0), top[n], left[n], 32, 32)
        each.append(found if stays[n] else TF.hflip(found))
    return each


def normalised(images: data.Images, one: torch.Tensor) -> torch.Tensor:
    """ToTensor and Normalize, as the authors' transforms end."""
    pixels = torch.from_numpy(one.permute(1, 2, 0).numpy())
    return TF.normalize(
        TF.to_tensor(pixels.numpy()), images.shift.flatten().tolist(), images.scale.flatten().tolist()
    )


def draw_of(seed: int, count: int) -> tuple[torch.Generator, torch.Tensor]:
    """A generator as `batches` has it once it has drawn the order of the images, and that order."""
    draw = chance(seed)
    return draw, torch.randperm(count, generator=draw)


def test_a_cropped_batch_is_torchvisions_pixel_by_pixel(images):
    labels = torch.arange(64)
    [(batch, order)] = data.batches(images, labels, 64, chance(5), data.AUGMENT["crop_flip"])
    draw, index = draw_of(5, 64)
    assert torch.equal(order, index)
    expected = torch.stack([normalised(images, one) for one in cropped(images, index, draw)])
    assert torch.allclose(batch, expected, rtol=0, atol=1e-6)
    black = -images.shift / images.scale
    assert (
        torch.isclose(batch, black).all(1).float().mean() > 0.1
    )  # a good part of a shifted image is what was filled in


def test_a_turned_batch_is_torchvisions_but_for_ties_between_two_pixels(images):
    [(batch, _)] = data.batches(images, torch.arange(64), 64, chance(6), data.AUGMENT["crop_flip_rotate"])
    draw, index = draw_of(6, 64)
    whole = cropped(images, index, draw)
    degrees = (30 * torch.rand(64, generator=draw) - 15).double()
    rows, columns = np.mgrid[0:32, 0:32] - 15.5
    for n, one in enumerate(whole):
        expected = normalised(images, TF.rotate(one, degrees[n].item(), fill=0))
        angle = np.deg2rad(degrees[n].item())
        sources = (
            np.cos(angle) * columns - np.sin(angle) * rows,
            np.sin(angle) * columns + np.cos(angle) * rows,
        )
        tie = np.logical_or(
            *(np.abs(source - np.round(source)) < 1e-4 for source in sources)
        )  # pixel edges are whole here
        differs = ~torch.isclose(batch[n], expected, rtol=0, atol=1e-6).all(0).numpy()
        assert tie.mean() < 0.01 and not (differs & ~tie).any(), (n, differs.sum())


def test_without_augmentation_a_batch_is_normalised_as_an_image_is(images):
    [(batch, index)] = data.batches(images, torch.arange(64), 64, chance(7))
    assert torch.equal(batch, images[index])
    assert torch.allclose(
        batch, torch.stack([normalised(images, one) for one in images.kept[index]]), rtol=0, atol=1e-6
    )


def test_the_bytes_kept_are_not_changed_by_what_is_picked(images):
    before = images.kept.clone()
    list(data.batches(images, torch.arange(64), 16, chance(8), data.AUGMENT["crop_flip_rotate"]))
    assert torch.equal(images.kept, before)
