"""Losses over pixels, on an image of 2x2 by hand, and against torch's and torchvision's own."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from sensorium.batches import VOID
from sensorium.losses.segmentation import criterion, cross_entropy, dice, focal

# The second class has a probability of 3/4 everywhere; it is right at two of the three pixels that count.
LOGITS = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
MASKS = torch.tensor([[[1, 0], [1, VOID]]], dtype=torch.uint8)
LIKELY, UNLIKELY = -math.log(0.75), -math.log(0.25)
WEIGHTS = torch.tensor([1.0, 3.0])
DICE = 1 - (2 * 0.25 / (3 * 0.25**2 + 1) + 2 * 1.5 / (3 * 0.75**2 + 2)) / 2


def test_by_hand() -> None:
    assert cross_entropy(LOGITS, MASKS).item() == pytest.approx((2 * LIKELY + UNLIKELY) / 3)
    assert cross_entropy(LOGITS, MASKS, weights=WEIGHTS).item() == pytest.approx((6 * LIKELY + UNLIKELY) / 7)
    assert focal(LOGITS, MASKS).item() == pytest.approx((2 * LIKELY / 16 + UNLIKELY * 9 / 16) / 3)
    assert focal(LOGITS, MASKS, weights=WEIGHTS).item() == pytest.approx((6 * LIKELY / 16 + UNLIKELY * 9 / 16) / 7)
    assert dice(LOGITS, MASKS).item() == pytest.approx(DICE)


def test_dice_leaves_out_a_class_that_does_not_occur() -> None:
    never = torch.full((1, 1, 2, 2), -100.0)
    assert dice(torch.cat([LOGITS, never], dim=1), MASKS).item() == pytest.approx(DICE)
    perfect = F.one_hot(MASKS.long() % VOID, 2).permute(0, 3, 1, 2) * 200.0
    assert dice(perfect, MASKS).item() == pytest.approx(0, abs=1e-6)


def random_case() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 4, (2, 5, 6), generator=random)
    return torch.randn(2, 3, 5, 6, generator=random), torch.where(masks == 3, VOID, masks)


def test_cross_entropy_is_that_of_torch() -> None:
    logits, masks = random_case()
    weights = torch.tensor([0.5, 1.0, 4.0])
    for smoothing in (0.0, 0.1):
        found = cross_entropy(logits, masks, weights=weights, label_smoothing=smoothing)
        wanted = F.cross_entropy(logits, masks, weight=weights, ignore_index=VOID, label_smoothing=smoothing)
        torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        focal(logits, masks, weights=weights, gamma=0), cross_entropy(logits, masks, weights=weights)
    )


def test_focal_of_two_classes_is_that_of_torchvision() -> None:
    logits, masks = random_case()
    logits, masks = logits[:, :2], masks % 2
    one = logits[:, 1] - logits[:, 0]  # a softmax of two is the sigmoid of their difference
    wanted = sigmoid_focal_loss(one, masks.float(), alpha=-1, gamma=2, reduction="mean")
    torch.testing.assert_close(focal(logits, masks), wanted)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "focal", "cross_entropy_dice"])
def test_void_counts_for_nothing(loss: str) -> None:
    logits, masks = random_case()
    lower = criterion(loss, weights=torch.tensor([0.5, 1.0, 4.0]))  # type: ignore[arg-type]
    changed = torch.where((masks == VOID)[:, None], 9.0, logits)
    torch.testing.assert_close(lower(changed, masks), lower(logits, masks))
    logits.requires_grad_()
    nothing = lower(logits, torch.full_like(masks, VOID))
    assert nothing.item() == 0
    nothing.backward()
    assert logits.grad.count_nonzero() == 0


def test_two_losses_are_added() -> None:
    both = criterion("cross_entropy_dice", weights=WEIGHTS)
    assert both(LOGITS, MASKS).item() == pytest.approx((6 * LIKELY + UNLIKELY) / 7 + DICE)
