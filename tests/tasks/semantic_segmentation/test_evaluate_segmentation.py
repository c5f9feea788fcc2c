"""A segmenter over a whole split: every pixel once, whatever the batches, and the worst images kept."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.batches import VOID
from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchPlan
from sensorium.data.vision.scenes import ArrayMasks, MaskSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.metrics.segmentation import summary
from sensorium.models.vision.unet import UNet
from sensorium.specs import SemanticSegmentationSpec
from sensorium.tasks import registry
from sensorium.tasks.reliability import reliability_chart
from sensorium.tasks.semantic_segmentation.evaluate import SegmentationEvaluation, SegmentationInference, evaluate
from sensorium.tasks.semantic_segmentation.pixels import joined, sampled

SPEC = SemanticSegmentationSpec(
    class_names=("dark", "bright"),
    in_channels=1,
    image_size=(4, 6),
    mean=(0.5,),
    std=(0.5,),
    palette=(0, 0, 0, 9, 9, 9),
)


class Bright(nn.Module):
    """The class is the brightness: pixel values are -1 and 1 once they are normalised."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([-images, images], dim=1)


def segmenter_of(model: nn.Module) -> SegmentationInference:
    settings: dict[str, Any] = {"device": torch.device("cpu"), "precision": "32-true", "memory_format": "contiguous"}
    return SegmentationInference(model=model, spec=SPEC, **settings)


def split_of(count: int) -> MaskSplit:
    """Image n is bright in its first n pixels, and its mask says so; but its last row is VOID."""
    masks = (np.arange(24) < np.arange(count)[:, None]).astype(np.uint8).reshape(count, 4, 6)
    pixels = masks[:, None] * 255
    masks[:, 3] = VOID
    return MaskSplit(
        images=ArrayStore(pixels, image_size=None, channels="auto", resize="crop"),
        names=[f"{row}.png" for row in range(count)],
        sizes=np.full((count, 2), (4, 6)),
        masks=ArrayMasks(masks),
        resize="crop",
    )


def evaluated(model: nn.Module, split: MaskSplit, batch_size: int) -> SegmentationEvaluation:
    order = split.order(BatchPlan(size=batch_size, shuffle=False, seed=0))
    return evaluate(segmenter_of(model), BatchLoader(split=split, order=order, readers=1))


def test_masks_by_hand() -> None:
    split = split_of(10)
    masks = segmenter_of(Bright()).masks(split.read(np.array([7])).images)
    assert masks.dtype == torch.uint8
    assert masks.flatten().tolist() == [1] * 7 + [0] * 17


def test_all_that_is_right() -> None:
    found = evaluated(Bright(), split_of(10), 4)
    assert found.confusion.tolist() == [[180 - 45, 0], [0, 45]]
    metrics = found.metrics
    assert [metrics[name] for name in ("miou", "pixel_accuracy", "class_accuracy", "dice")] == [1, 1, 1, 1]
    assert metrics["loss"] == pytest.approx(np.log1p(np.exp(-2)), rel=1e-5)


def test_the_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.tasks.semantic_segmentation.evaluate.WORST", 3)
    torch.manual_seed(0)
    model, split = UNet(in_channels=1, num_classes=2, width=4, depth=1), split_of(11)
    alone, together = evaluated(model, split, 1), evaluated(model, split, 4)
    assert np.array_equal(alone.confusion, together.confusion)
    assert np.array_equal(alone.iou, together.iou)
    assert alone.nats == pytest.approx(together.nats)
    assert alone.metrics["miou"] == summary(alone.confusion)["miou"]
    assert [one.row for one in alone.worst] == np.argsort(alone.iou, kind="stable")[:3].tolist()
    for one, other in zip(alone.worst, together.worst, strict=True):
        assert one.row == other.row
        batch = split.read(np.array([one.row]))
        mask = segmenter_of(model).masks(batch.images)[0].numpy()
        assert np.array_equal(one.mask, mask)
        assert np.array_equal(other.mask, mask)
        counted = batch.masks[0].numpy() != VOID
        assert together.pixel_accuracy[one.row] == (mask == batch.masks[0].numpy())[counted].mean()


def test_a_picture_without_a_counted_pixel_is_not_judged() -> None:
    split = split_of(3)
    split.masks.at(1)[:] = VOID
    found = evaluated(Bright(), split, 2)
    assert np.isnan(found.iou).tolist() == [False, True, False]
    assert [one.row for one in found.worst] == [0, 2]
    assert found.metrics["miou"] == 1


def test_the_sampled_pixels_are_valid_ones_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 11 images 5 pixels each at most; of one that is VOID but for two, these."""
    monkeypatch.setattr("sensorium.tasks.semantic_segmentation.pixels.PIXELS", 55)
    split = split_of(11)
    split.masks.at(4)[:] = VOID
    split.masks.at(6)[:] = VOID
    split.masks.at(6)[0, :2] = [0, 1]
    torch.manual_seed(0)
    model = UNet(in_channels=1, num_classes=2, width=4, depth=1)
    alone, together = evaluated(model, split, 1).pixels, evaluated(model, split, 4).pixels
    np.testing.assert_array_equal(alone.images, together.images)
    np.testing.assert_array_equal(alone.labels, together.labels)
    np.testing.assert_allclose(alone.probabilities, together.probabilities, atol=1e-5)
    assert np.bincount(alone.images, minlength=11)[[4, 6]].tolist() == [0, 2]
    assert np.bincount(alone.images).max() == 5
    assert set(alone.labels) == {0, 1}
    logits, masks = torch.randn(2, 2, 4, 6), torch.zeros(2, 4, 6, dtype=torch.uint8)
    found = joined([sampled(logits[row : row + 1], masks[row : row + 1], [row], images=2) for row in (1, 0)])
    np.testing.assert_array_equal(found.images, sampled(logits, masks, [0, 1], images=2).images)
    np.testing.assert_array_equal(found.probabilities, sampled(logits, masks, [0, 1], images=2).probabilities)
    np.testing.assert_allclose(alone.probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_calibration_error_of_all_pixels_by_hand() -> None:
    """Bright is right everywhere, and 1 / (1 + e^-2) sure of it."""
    found = evaluated(Bright(), split_of(10), 4)
    assert len(found.pixels.labels) == 180  # every valid one
    expected = 1 - 1 / (1 + np.exp(-2))
    assert found.metrics["calibration_error"] == pytest.approx(expected, rel=1e-5)
    chart = reliability_chart(*found.pixels.outcomes(), what="pixels")
    assert chart.series[0].points == [[pytest.approx(13.5 / 15), 1.0]]  # 0.88 is in the 14th of 15 bins
    low, high = found.intervals(50)["calibration_error"]
    assert low == pytest.approx(expected, rel=1e-5) == high


def test_a_temperature_is_fitted_to_pixels_and_changes_no_mask() -> None:
    """Logits are twice what the masks were drawn from."""
    random = np.random.default_rng(0)
    brightness = random.integers(0, 256, size=(100, 1, 4, 6)).astype(np.uint8)
    p = 1 / (1 + np.exp(-2 * (brightness[:, 0] / 127.5 - 1)))
    masks = (random.random((100, 4, 6)) < p).astype(np.uint8)
    masks[:, 3] = VOID

    class TooSure(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([-2 * images, 2 * images], dim=1)

    split = MaskSplit(
        images=ArrayStore(brightness, image_size=None, channels="auto", resize="crop"),
        names=[f"{row}.png" for row in range(100)],
        sizes=np.full((100, 2), (4, 6)),
        masks=ArrayMasks(masks),
        resize="crop",
    )
    plain = evaluated(TooSure(), split, 16)
    calibration = registry.get("semantic_segmentation").calibration(plain)
    assert (calibration.method, calibration.what) == ("temperature", "pixels")
    assert calibration.measured == len(plain.pixels.labels)
    assert calibration.scaling is not None
    assert 1 / calibration.scaling.scale[0] == pytest.approx(2, rel=0.2)
    segmenter = segmenter_of(TooSure())
    segmenter.calibrate = calibration.module(classes=True)
    order = split.order(BatchPlan(size=16, shuffle=False, seed=0))
    corrected = evaluate(segmenter, BatchLoader(split=split, order=order, readers=1))
    assert np.array_equal(corrected.confusion, plain.confusion)
    assert corrected.metrics["calibration_error"] < 0.05 < plain.metrics["calibration_error"]
    assert corrected.metrics["loss"] < plain.metrics["loss"]
