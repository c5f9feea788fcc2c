"""Crops, flips, boxes and warps: by hand, and against torchvision."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as published

from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.vision import geometry
from sensorium.vision.boxes import Cutout, Erasing, random_boxes
from sensorium.vision.checks import pixels
from sensorium.vision.crop_flip import AlternatingFlip, RandomCrop, RandomFlip, RandomResizedCrop

BILINEAR = InterpolationMode.BILINEAR


def random_of(count, epoch=0):
    return ExampleRandom(seed=0, epoch=epoch, indices=torch.arange(count))


def ramp(count, height=3, width=4):
    """Every pixel of an image another value, from 1."""
    return torch.arange(1, height * width + 1, dtype=torch.uint8).view(1, 1, height, width).repeat(count, 1, 1, 1)


def noise(count=5, shape=(3, 9, 12)):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def test_a_length_is_a_share_below_one_and_pixels_from_one_on():
    assert [pixels(0.125, side) for side in (8, 28, 32)] == [1, 4, 4]
    assert [pixels(value, 32) for value in (0, 1, 4)] == [0, 1, 4]


def test_windows_are_cut_where_asked():
    cut = geometry.windows(ramp(2), torch.tensor([0, 1]), torch.tensor([2, 1]), 2, 2)
    assert cut[:, 0].tolist() == [[[3, 4], [7, 8]], [[6, 7], [10, 11]]]
    images, top, left = noise(), torch.tensor([0, 1, 2, 3, 4]), torch.tensor([4, 0, 3, 1, 2])
    expected = torch.stack([images[i, :, i : i + 5, left[i] : left[i] + 8] for i in range(5)])
    assert torch.equal(geometry.windows(images, top, left, 5, 8), expected)
    channels_last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(geometry.windows(channels_last, top, left, 5, 8), expected)


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_a_crop_is_every_window_of_the_padded_picture_about_as_often(mode):
    padded = F.pad(ramp(1).float(), (1, 1, 1, 1), mode="constant" if mode == "zeros" else mode).byte()[0, 0]
    cropped = RandomCrop(padding=1, mode=mode)(ramp(9000), random_of(9000))[:, 0]
    found = [int((cropped == padded[i : i + 3, j : j + 4]).all((1, 2)).sum()) for i in range(3) for j in range(3)]
    assert sum(found) == 9000
    assert min(found) > 850


def test_padding_is_taken_of_each_side():
    cropped = RandomCrop(padding=0.25, mode="zeros")(ramp(2000, height=2, width=8), random_of(2000))[:, 0]
    # A quarter of 2 rows is 1 (halves up), of 8 columns 2: at most 1 row and 2 columns are black.
    black = cropped == 0
    assert black.all(2).sum(1).max() == 1
    assert black.all(1).sum(1).max() == 2


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_reflection_equals_torch(dtype):
    images = (noise() * 255).to(dtype)
    expected = F.pad(images.float(), (3, 3, 2, 2), mode="reflect")
    assert torch.equal(geometry.reflect_pad(images, 2, 3).float(), expected)
    assert torch.equal(geometry.reflect_pad(images, 0, 0), images)
    with pytest.raises(RequestError, match="Images of 9x12 cannot be reflected by 9 rows and 0 columns"):
        geometry.reflect_pad(images, 9, 0)


def test_half_of_the_images_are_flipped():
    flipped = RandomFlip(horizontal=True, vertical=False)(ramp(1000), random_of(1000))
    as_is, reversed_ = (flipped == ramp(1)).all((1, 2, 3)), (flipped == ramp(1).flip(3)).all((1, 2, 3))
    assert (as_is ^ reversed_).all()
    assert 450 < reversed_.sum() < 550
    both = RandomFlip(horizontal=True, vertical=True)(ramp(1000), random_of(1000))[:, 0]
    corners = both[:, 0, 0].bincount(minlength=13)[[1, 4, 9, 12]]
    assert corners.sum() == 1000
    assert corners.min() > 200
    assert torch.equal(RandomFlip(horizontal=False, vertical=False)(ramp(9), random_of(9)), ramp(9))


def test_alternating_flip_shows_both_sides_in_any_two_epochs():
    epochs = [AlternatingFlip()(ramp(1000), random_of(1000, epoch=epoch)) for epoch in range(4)]
    assert 450 < (epochs[0] == ramp(1)).all((1, 2, 3)).sum() < 550
    for before, after in pairwise(epochs):
        assert torch.equal(after, before.flip(3))


def test_random_boxes_have_the_area_and_shape_asked_for():
    images = torch.zeros(5000, 1, 100, 200)
    top, left, height, width = random_boxes(images, random_of(5000), scale=(0.1, 0.3), ratio=(0.5, 2.0))
    area, shape = height * width / 20000, width / height / 2
    assert 0.09 < area.min() < 0.105
    assert 0.295 < area.max() < 0.31
    assert area.mean() == pytest.approx(0.2, abs=0.003)
    assert 0.48 < shape.min() < 0.52
    assert 1.92 < shape.max() < 2.08
    assert shape.log().mean() == pytest.approx(0, abs=0.02)  # as many tall as wide
    assert top.min() == left.min() == 0
    assert (top + height).max() == 100
    assert (left + width).max() == 200


def test_erasing_paints_a_quarter_of_half_of_the_pictures():
    erasing = Erasing(probability=0.5, scale=(0.25, 0.25), ratio=(1, 1), fill=0.5)
    painted = erasing(torch.zeros(1000, 2, 8, 8, dtype=torch.uint8), random_of(1000)) == 128
    assert sorted(painted[:, 0].sum((1, 2)).unique().tolist()) == [0, 16]
    assert 450 < painted.any(3).any(2).any(1).sum() < 550
    assert (painted.any(3).sum(2).unique() == torch.tensor([0, 4])).all()
    assert torch.equal(painted[:, 0], painted[:, 1])


def test_cutout_paints_a_square_that_may_lie_partly_outside():
    painted = Cutout(size=0.5, fill=1)(torch.zeros(2000, 1, 8, 8), random_of(2000))[:, 0] == 1
    rows, columns = painted.any(2).sum(1), painted.any(1).sum(1)
    assert torch.equal(painted.sum((1, 2)), rows * columns)
    # A middle at row 0, 1, 2 ... 6, 7 shows 2, 3, 4 ... 4, 3 of 4 rows: 28 / 8 in the mean.
    assert rows.unique().tolist() == columns.unique().tolist() == [2, 3, 4]
    assert rows.float().mean() == pytest.approx(3.5, abs=0.06)


def test_resized_crop_equals_torchvision():
    top, left = torch.tensor([0, 2, 1, 8, 0]), torch.tensor([0, 3, 5, 11, 6])
    height, width = torch.tensor([9, 4, 5, 1, 9]), torch.tensor([12, 7, 3, 1, 6])
    ours = geometry.resized_crop(noise(), top, left, height, width)
    for i, image in enumerate(noise()):
        box = [int(values[i]) for values in (top, left, height, width)]
        theirs = published.resized_crop(image, *box, size=[9, 12], interpolation=BILINEAR, antialias=False)
        assert torch.allclose(ours[i], theirs, atol=1e-5)


def test_random_resized_crop_of_the_whole_picture_is_the_picture():
    whole = RandomResizedCrop(scale=(1, 1), ratio=(1, 1))(noise(), random_of(5))
    assert torch.allclose(whole, noise(), atol=1e-6)


@pytest.mark.parametrize("degrees", [-135.0, -30.0, 0.0, 7.5, 90.0])
def test_rotate_equals_torchvision(degrees):
    ours = geometry.rotate(noise(), torch.full((5,), degrees))
    assert torch.allclose(ours, published.rotate(noise(), degrees, interpolation=BILINEAR), atol=1e-4)


@pytest.mark.parametrize("slope", [-0.99, -0.2, 0.0, 0.3])
def test_shear_equals_torchvision(slope):
    amount, angle = torch.full((5,), slope), math.degrees(math.atan(slope))
    keys = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "interpolation": BILINEAR, "center": [0, 0]}
    ours = geometry.shear_x(noise(), amount)
    assert torch.allclose(ours, published.affine(noise(), shear=[angle, 0.0], **keys), atol=1e-4)
    ours = geometry.shear_y(noise(), amount)
    assert torch.allclose(ours, published.affine(noise(), shear=[0.0, angle], **keys), atol=1e-4)


@pytest.mark.parametrize("share", [-1.0, -0.26, 0.0, 0.3])
def test_translate_equals_torchvision_and_moves_whole_pixels(share):
    amount, right, down = torch.full((5,), share), round(share * 12), round(share * 9)
    keys = {"angle": 0.0, "scale": 1.0, "shear": [0.0, 0.0], "interpolation": BILINEAR}
    ours = geometry.translate_x(noise(), amount)
    assert torch.allclose(ours, published.affine(noise(), translate=[right, 0], **keys), atol=1e-5)
    ours = geometry.translate_y(noise(), amount)
    assert torch.allclose(ours, published.affine(noise(), translate=[0, down], **keys), atol=1e-5)


def test_amounts_belong_to_their_own_pictures():
    moved = geometry.translate_x(torch.ones(2, 1, 2, 4), torch.tensor([0.25, -0.5]))
    assert moved[:, 0, 0].round(decimals=5).tolist() == [[0, 1, 1, 1], [1, 1, 0, 0]]
