"""SegmentationModule: pixels counted by hand, VOID left out, and a mean IoU of the whole validation."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import VOID, MaskBatch
from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.semantic_segmentation.module import SegmentationModule
from sensorium.vision.normalise import Normalise
from sensorium.vision.scenes import SceneAugment


class Threshold(nn.Module):
    """Bright pixels are of the second class; ln 3 surer than not."""

    def __init__(self) -> None:
        super().__init__()
        self.sureness = nn.Parameter(torch.tensor(3.0).log())

    def forward(self, images: Tensor) -> Tensor:
        bright = (images > 0.5).float()
        return torch.cat([1 - bright, bright, torch.full_like(bright, -100)], dim=1) * self.sureness


class Void(nn.Module):
    """Takes the first row of every mask away."""

    moves = True

    def forward(self, images: Tensor, marks: Tensor, random: ExampleRandom) -> tuple[Tensor, Tensor]:
        return images, torch.cat([torch.full_like(marks[:, :1], VOID), marks[:, 1:]], dim=1)


def task_of(augment: SceneAugment | None = None, **changes: Any) -> SegmentationModule:
    preparation = Preparation(
        prepare=Normalise(mean=(0.0,), std=(1.0,)), augment=augment or SceneAugment(transforms={})
    )
    settings = {"loss": "cross_entropy", "label_smoothing": 0.0, "num_classes": 3} | changes
    return SegmentationModule(model=Threshold(), preparation=preparation, recipe=plain_recipe(), **settings)


BATCH = MaskBatch(
    images=torch.tensor([[[[0, 255], [255, 255]]]], dtype=torch.uint8),
    masks=torch.tensor([[[0, 0], [1, VOID]]], dtype=torch.uint8),
    indices=torch.tensor([0]),
)
RIGHT, WRONG = torch.tensor([4 / 3, 4.0]).log().tolist()


def test_sums_are_over_the_counted_pixels() -> None:
    loss, sums = task_of().step(BATCH, 0, training=True)
    assert loss.item() == pytest.approx((2 * RIGHT + WRONG) / 3)
    assert sums.tolist() == pytest.approx([2 * RIGHT + WRONG, 2, 3])


def test_weights_are_for_training() -> None:
    task = task_of(class_weights=torch.tensor([1.0, 2.0, 0.0]))
    assert task.step(BATCH, 0, training=True).loss.item() == pytest.approx((3 * RIGHT + WRONG) / 4)
    assert task.step(BATCH, 0, training=False).loss.item() == pytest.approx((2 * RIGHT + WRONG) / 3)


def test_masks_are_augmented_with_their_pictures() -> None:
    task = task_of(SceneAugment(transforms={"void": Void()}))
    assert task.step(BATCH, 0, training=True).sums.tolist() == pytest.approx([RIGHT, 1, 1])
    assert task.step(BATCH, 0, training=False).sums[-1] == 3


def test_a_batch_that_is_void_all_over_changes_nothing() -> None:
    nothing = BATCH._replace(masks=torch.full_like(BATCH.masks, VOID))
    loss, sums = task_of(loss="cross_entropy_dice").step(nothing, 0, training=True)
    loss.backward()
    assert loss.item() == 0
    assert sums.tolist() == [0, 0, 0]


def test_the_mean_iou_is_of_all_batches_and_processes_together() -> None:
    task = task_of()
    # Another process has found the same, and one more pixel of the first class.
    other = torch.tensor([[2, 1, 0], [0, 1, 0], [0, 0, 0]])
    strategy = SimpleNamespace(reduce=lambda confusion, reduce_op: confusion + other)
    task.on_validation_epoch_start()
    task.step(BATCH, 0, training=False)
    task.step(BATCH, 1, training=False)
    task.step(BATCH, 2, training=True)
    assert task.confusion.tolist() == [[2, 2, 0], [0, 2, 0], [0, 0, 0]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationModule, "trainer", SimpleNamespace(strategy=strategy))
        assert task.validation_metrics()["miou"] == pytest.approx((4 / 7 + 3 / 6) / 2)
    task.on_validation_epoch_start()
    assert not task.confusion.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "dise"}, "no loss .*'dise'. Did you mean dice"),
        ({"loss": "focal", "label_smoothing": 0.1}, "focal does not support label_smoothing"),
        ({"loss": "dice", "class_weights": torch.ones(3)}, "omit class_weights"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        task_of(**changes)
