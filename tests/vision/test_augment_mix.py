"""MixUp and CutMix: images and targets are mixed by the same weights."""

import pytest
import torch

from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.vision.mix import CutMix, MixUp

COUNT = 64


def random_of(count=COUNT, batch=0):
    return ExampleRandom(seed=0, epoch=0, indices=torch.arange(count), batch=batch)


def batch():
    """Image i has the value i / 64 everywhere and the target i."""
    values = torch.arange(COUNT) / COUNT
    return values.view(-1, 1, 1, 1).expand(-1, 3, 8, 6), torch.eye(COUNT)


def others():
    """Rows whose partner is another image."""
    return random_of().permutation() != torch.arange(COUNT)


def test_mixup_weighs_pictures_and_targets_alike():
    images, targets = batch()
    mixed, weights = MixUp(alpha=1.0)(images, targets, random_of())
    assert torch.allclose(weights.sum(1), torch.ones(COUNT))
    assert ((weights > 0).sum(1) <= 2).all()
    expected = weights @ (torch.arange(COUNT) / COUNT)
    assert torch.allclose(mixed, expected.view(-1, 1, 1, 1).expand_as(mixed), atol=1e-6)
    random = random_of()
    partner, keep = random.permutation(), random.beta(1.0)
    assert torch.allclose(weights.diagonal()[others()], keep[others()])
    assert torch.allclose(weights[torch.arange(COUNT), partner][others()], 1 - keep[others()])
    assert others().sum() > COUNT - 8


def test_mixup_by_hand():
    class Fixed:
        def permutation(self):
            return torch.tensor([1, 0])

        def beta(self, alpha):
            return torch.tensor([0.75, 0.5])

    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    mixed, weights = MixUp(alpha=1.0)(images, torch.eye(2), Fixed())
    assert mixed.flatten().tolist() == [0.25, 0.5]
    assert weights.tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_cutmix_targets_are_exactly_the_share_of_pixels():
    images, targets = batch()
    mixed, weights = CutMix(alpha=1.0)(images, targets, random_of())
    own = mixed == images
    share = own[:, 0].sum((1, 2)) / 48
    assert torch.equal(weights.diagonal()[others()], share[others()])
    assert torch.allclose(weights.sum(1), torch.ones(COUNT))
    partner = random_of().permutation()
    assert torch.equal(mixed, torch.where(own, images, images[partner]))
    pasted = ~own[:, 0]
    assert torch.equal(pasted.any(2).sum(1) * pasted.any(1).sum(1), pasted.sum((1, 2)))  # one box
    assert torch.equal(own[:, 0], own[:, 1])
    assert 0 < weights.diagonal()[others()].min() < 0.3


def test_cutmix_box_by_hand():
    class Fixed:
        def permutation(self):
            return torch.tensor([1, 0])

        def beta(self, alpha):
            return torch.tensor([0.75, 0.75])  # a box of half the sides

        def integers(self, low, high, n=1):
            return torch.tensor([[0], [2]])  # its middle at the corner, and at (2, 2)

    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    mixed, weights = CutMix(alpha=1.0)(images, torch.eye(2), Fixed())
    assert mixed[0, 0].nonzero().tolist() == [[0, 0]]
    assert (1 - mixed[1, 0]).nonzero().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert weights.tolist() == [[0.9375, 0.0625], [0.25, 0.75]]


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_the_same_batch_is_mixed_the_same_and_another_otherwise(kind):
    images, targets = batch()
    once = kind(alpha=1.0)(images, targets, random_of())
    again = kind(alpha=1.0)(images, targets, random_of())
    other = kind(alpha=1.0)(images, targets, random_of(batch=1))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], other[0])


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_alpha_must_be_above_zero(kind):
    with pytest.raises(RequestError, match="alpha is 0, which is not between"):
        kind(alpha=0)
