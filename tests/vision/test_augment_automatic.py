"""TrivialAugment and RandAugment: what is chosen, how strongly, and that each operation is the published one."""

import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as published

from sensorium.randomness import ExampleRandom
from sensorium.vision import automatic
from sensorium.vision.automatic import RAND, TRIVIAL, Operation, RandAugment, TrivialAugment, apply_chosen

KEYS = {"interpolation": InterpolationMode.BILINEAR}


def affine(images, *, translate=(0, 0), slopes=(0.0, 0.0), center=None):
    shear = [math.degrees(math.atan(slope)) for slope in slopes]
    return published.affine(images, angle=0.0, translate=list(translate), scale=1.0, shear=shear, center=center, **KEYS)


# Level 10 of 30, sign negative, on images of 30x30: TrivialAugment, then where RandAugment differs.
EXPECTED_TRIVIAL = {
    "identity": lambda x: x,
    "shear_x": lambda x: affine(x, slopes=(-0.33, 0.0), center=[0, 0]),
    "shear_y": lambda x: affine(x, slopes=(0.0, -0.33), center=[0, 0]),
    "translate_x": lambda x: affine(x, translate=(-10, 0)),
    "translate_y": lambda x: affine(x, translate=(0, -10)),
    "rotate": lambda x: published.rotate(x, -45.0, **KEYS),
    "brightness": lambda x: published.adjust_brightness(x, 0.67),
    "saturation": lambda x: published.adjust_saturation(x, 0.67),
    "contrast": lambda x: published.adjust_contrast(x, 0.67),
    "sharpness": lambda x: published.adjust_sharpness(x, 0.67),
    "posterize": lambda x: published.posterize(x, 6),
    "solarize": lambda x: published.solarize(x, 2 / 3),
    "autocontrast": published.autocontrast,
    "equalize": published.equalize,
}
EXPECTED_RAND = EXPECTED_TRIVIAL | {
    "shear_x": lambda x: affine(x, slopes=(-0.1, 0.0), center=[0, 0]),
    "shear_y": lambda x: affine(x, slopes=(0.0, -0.1), center=[0, 0]),
    "translate_x": lambda x: affine(x, translate=(-5, 0)),  # 150 / 331 / 3 of 30 pixels is 4.5
    "translate_y": lambda x: affine(x, translate=(0, -5)),
    "rotate": lambda x: published.rotate(x, -10.0, **KEYS),
    "brightness": lambda x: published.adjust_brightness(x, 0.7),
    "saturation": lambda x: published.adjust_saturation(x, 0.7),
    "contrast": lambda x: published.adjust_contrast(x, 0.7),
    "sharpness": lambda x: published.adjust_sharpness(x, 0.7),
    "posterize": lambda x: published.posterize(x, 7),
}


def random_of(count):
    return ExampleRandom(seed=0, epoch=0, indices=torch.arange(count))


def noise(count):
    return 0.2 + 0.6 * torch.rand(count, 3, 30, 30, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("operations", "expected"), [(TRIVIAL, EXPECTED_TRIVIAL), (RAND, EXPECTED_RAND)])
def test_every_operation_equals_torchvision_at_the_published_strength(operations, expected):
    assert len(operations) == len(expected) == 14
    chosen = torch.arange(14).flip(0)
    images, level, negative = noise(14), torch.full((14,), 10), torch.ones(14, dtype=torch.bool)
    changed = apply_chosen(images, operations, chosen, level, negative)
    for row, number in enumerate(chosen.tolist()):
        theirs = expected[operations[number].name](images[row])
        assert torch.allclose(changed[row], theirs, atol=1e-4), operations[number].name


def test_level_zero_changes_nothing_but_contrast_by_histogram():
    for operations in (TRIVIAL, RAND):
        images, chosen = noise(12), torch.arange(12)
        changed = apply_chosen(images, operations, chosen, torch.zeros(12), torch.zeros(12, dtype=torch.bool))
        # posterize to 8 bits moves a float by less than 1 / 256.
        assert (changed - images).abs().amax((1, 2, 3)).max() < 1 / 256


@pytest.fixture
def spies(monkeypatch):
    """Fourteen operations that leave a trace: channel 0 their number, channel 1 the amount they were given."""

    def leave(number):
        return lambda images, amount: (
            images + torch.stack([torch.full_like(amount, number), amount], 1)[..., None, None]
        )

    spies = tuple(Operation(str(number), leave(number), 0, 30, True) for number in range(14))
    monkeypatch.setattr(automatic, "TRIVIAL", spies)
    monkeypatch.setattr(automatic, "RAND", spies)


def test_trivial_augment_draws_operations_levels_and_signs_evenly(spies):
    number, amount = TrivialAugment()(torch.zeros(14000, 2, 1, 1), random_of(14000)).flatten(1).unbind(1)
    found = number.long().bincount(minlength=14)
    assert len(found) == 14
    assert found.min() > 850
    assert found.max() < 1150
    level = amount.abs().round().long().bincount(minlength=31)
    assert len(level) == 31
    assert level.min() > 350  # 14000 / 31 is 452
    assert level.max() < 560
    assert (amount < 0).float().mean() == pytest.approx(15 / 31, abs=0.02)
    # The level does not follow from the operation.
    assert torch.corrcoef(torch.stack([number, amount.abs()]))[0, 1].abs() < 0.03


def test_rand_augment_applies_its_number_of_operations_at_its_magnitude(spies):
    trace = RandAugment(operations=2, magnitude=9)(torch.zeros(5000, 2, 1, 1), random_of(5000)).flatten(1)
    amounts, counts = trace[:, 1].round().long().unique(return_counts=True)
    assert amounts.tolist() == [-18, 0, 18]  # two signs drawn apart
    assert counts[1] == pytest.approx(2500, abs=150)
    assert trace[:, 0].mean() == pytest.approx(13, abs=0.3)  # two numbers of mean 6.5
    assert trace[:, 0].max() == 26
    single = RandAugment(operations=1, magnitude=9)(torch.zeros(500, 2, 1, 1), random_of(500)).flatten(1)
    assert single[:, 1].abs().round().unique().tolist() == [9]
