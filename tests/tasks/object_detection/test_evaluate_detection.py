"""A detector over a whole split: every image once, in pixels of the original."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchPlan
from sensorium.data.vision.scenes import DetectionSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks.object_detection.evaluate import DetectionInference, evaluate

SPEC = ObjectDetectionSpec(
    class_names=("a", "b"), in_channels=1, image_size=(16, 16), mean=(0.0,), std=(1.0,), resize="pad"
)


class Brightest(nn.Module):
    """A box around what is bright, of class 0 on the left and 1 on the right."""

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        found = []
        for picture in images[:, 0]:
            rows, columns = (picture > 0.5).nonzero(as_tuple=True)
            box = torch.tensor([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]).float()
            border = torch.tensor([[0.0, 0, 16, 2]])  # in what "pad" adds above a wide image
            labels = torch.tensor([int(box[0, 0] >= 8), 1])
            found.append({"boxes": torch.cat([box, border]), "labels": labels, "scores": torch.tensor([0.8, 0.3])})
        return found


def split_of(*, wrong: bool = False) -> DetectionSplit:
    """Three images of 20 x 40, seen as 8 x 16 between two borders of 4 rows."""
    pixels = np.zeros((3, 1, 16, 16), dtype=np.uint8)
    boxes = [np.array([[5.0, 5, 15, 10]]), np.array([[30.0, 0, 40, 20]]), np.array([[0.0, 0, 40, 20]])]
    for picture, ((left, top, right, bottom),) in zip(pixels, boxes, strict=True):
        left, top, right, bottom = (round(side * 0.4) for side in (left, top, right, bottom))
        picture[0, 4 + top : 4 + bottom, left:right] = 255
    return DetectionSplit(
        images=ArrayStore(pixels, image_size=None, channels="auto", resize="pad"),
        names=["x", "y", "z"],
        sizes=np.array([[20, 40]] * 3),
        boxes=[one.astype(np.float32) for one in boxes],
        labels=[np.array([number]) for number in ((0, 0, 0) if wrong else (0, 1, 0))],
        difficult=[np.array([False])] * 3,
        image_ids=[0, 1, 2],
        category_ids=(1, 2),
        resize="pad",
    )


def evaluated(split: DetectionSplit, **changes: Any) -> Any:
    settings = {"device": torch.device("cpu"), "precision": "32-true", "memory_format": "contiguous"} | changes
    detector = DetectionInference(model=Brightest(), spec=SPEC, **settings)
    order = split.order(BatchPlan(size=2, shuffle=False, seed=0))
    return evaluate(detector, BatchLoader(split=split, order=order, readers=0))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_boxes_are_those_of_the_original(precision: str) -> None:
    found = evaluated(split_of(), precision=precision)
    assert [one.boxes.round(3).tolist() for one in found.found] == [
        [[5, 5, 15, 10]], [[30, 0, 40, 20]], [[0, 0, 40, 20]]
    ]  # fmt: skip
    assert [one.labels.tolist() for one in found.found] == [[0], [1], [0]]
    assert found.metrics["map50"] == found.metrics["map"] == 1
    assert found.seconds > 0


def test_a_class_mixed_up() -> None:
    """Of class 0 two of three are found; of class 1 there is nothing to find, and so no precision."""
    metrics = evaluated(split_of(wrong=True)).metrics
    assert metrics["map50"] == pytest.approx(67 / 101)
    assert metrics["recall"] == pytest.approx(2 / 3)
