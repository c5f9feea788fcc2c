"""Colour operations: by hand, and against torchvision and Pillow."""

import pytest
import torch
from torchvision.transforms.v2 import functional as published

from sensorium.randomness import ExampleRandom
from sensorium.vision import colour
from sensorium.vision.colour import ColourJitter


def noise(count=5, shape=(3, 9, 12)):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def random_of(count):
    return ExampleRandom(seed=0, epoch=0, indices=torch.arange(count))


CASES = [
    (colour.brightness, published.adjust_brightness, (0.0, 0.4, 1.0, 1.9)),
    (colour.contrast, published.adjust_contrast, (0.0, 0.4, 1.0, 1.9)),
    (colour.saturation, published.adjust_saturation, (0.0, 0.4, 1.0, 1.9)),
    (colour.hue, published.adjust_hue, (-0.5, -0.1, 0.0, 0.3)),
    (colour.sharpness, published.adjust_sharpness, (0.0, 0.4, 1.0, 1.9)),
    (colour.posterize, published.posterize, (2, 3, 7, 8)),
    (colour.solarize, published.solarize, (0.0, 0.4, 0.9, 1.0)),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("ours", "theirs", "amounts"), CASES, ids=[ours.__name__ for ours, _, _ in CASES])
def test_equals_torchvision_with_an_amount_for_each_picture(ours, theirs, amounts, channels):
    images = noise(4, (channels, 9, 12))
    images[:, :, 0, :4] = torch.tensor([0.0, 0.0, 1.0, 0.25])  # gray and extreme pixels too
    changed = ours(images, torch.tensor(amounts, dtype=torch.float32))
    for i, amount in enumerate(amounts):
        assert torch.allclose(changed[i], theirs(images[i], amount), atol=1e-5)


def test_a_pixel_by_hand():
    pixel = torch.tensor([0.5, 0.25, 0.0]).view(1, 3, 1, 1)
    assert colour.brightness(pixel, torch.tensor([1.5])).flatten().tolist() == [0.75, 0.375, 0]
    assert colour.solarize(pixel, torch.tensor([0.3])).flatten().tolist() == [0.5, 0.25, 0]
    assert colour.posterize(pixel, torch.tensor([1.0])).flatten().tolist() == [0.5, 0, 0]
    third = colour.hue(pixel, torch.tensor([1 / 3])).flatten()
    assert third.tolist() == pytest.approx([0, 0.5, 0.25], abs=1e-6)
    grey = 0.2989 * 0.5 + 0.587 * 0.25
    assert colour.saturation(pixel, torch.zeros(1)).flatten().tolist() == pytest.approx([grey] * 3)
    assert colour.contrast(pixel, torch.zeros(1)).flatten().tolist() == pytest.approx([grey] * 3)


def test_contrast_of_a_large_picture_does_not_depend_on_the_batch():
    images, threads = noise(24, (1, 256, 256)), torch.get_num_threads()
    torch.set_num_threads(2)  # two threads share the sum over one image, but not the sums over several
    try:
        together = colour.contrast(images, torch.zeros(24))
        alone = [colour.contrast(images[i : i + 1], torch.zeros(1))[0] for i in range(24)]
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(together, torch.stack(alone))


def test_two_channels_have_a_mean_and_no_hue():
    images = noise(2, (2, 4, 4))
    assert torch.allclose(colour.gray(images), images.mean(1, keepdim=True))
    assert torch.equal(colour.hue(images, torch.full((2,), 0.3)), images)
    assert torch.equal(colour.saturation(images, torch.zeros(2)), images)


def test_a_picture_too_small_to_smooth_stays():
    images = noise(2, (3, 2, 5))
    assert torch.equal(colour.sharpness(images, torch.zeros(2)), images)


def test_jitter_draws_factors_evenly():
    jitter = ColourJitter(brightness=0.4, contrast=0, saturation=0, hue=0)
    factors = jitter(torch.full((4000, 1, 1, 1), 0.5), random_of(4000)).flatten() / 0.5
    assert 0.6 <= factors.min() < 0.605
    assert 1.395 < factors.max() <= 1.4001
    assert factors.mean() == pytest.approx(1, abs=0.015)
    jitter = ColourJitter(brightness=3, contrast=0, saturation=0, hue=0)
    factors = jitter(torch.full((4000, 1, 1, 1), 0.01), random_of(4000)).flatten() / 0.01
    assert factors.min() >= 0
    assert factors.mean() == pytest.approx(2, abs=0.08)


def test_jitter_turns_hue_both_ways():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).repeat(1000, 1, 1, 1)
    _, green, blue = ColourJitter(brightness=0, contrast=0, saturation=0, hue=0.1)(red, random_of(1000)).unbind(1)
    # A turn of 0.1 is 0.6 of the sixth between red and yellow.
    assert green.max() == pytest.approx(0.6, abs=0.01)
    assert blue.max() == pytest.approx(0.6, abs=0.01)
    assert 450 < (green > 0).sum() < 550


def test_no_jitter_is_the_picture():
    images = noise()
    assert torch.equal(ColourJitter(brightness=0, contrast=0, saturation=0, hue=0)(images, random_of(5)), images)
