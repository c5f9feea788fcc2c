"""ImageTaggingModule: the loss by hand, what augmentation does to targets, and metrics of a whole validation."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import TagBatch
from sensorium.tasks.image_tagging import module
from sensorium.tasks.image_tagging.module import ImageTaggingModule
from sensorium.tasks.preprocessing import Preparation
from sensorium.vision.augment import Augment
from sensorium.vision.crop_flip import RandomFlip
from sensorium.vision.mix import MixUp
from sensorium.vision.normalise import Normalise

LN3 = float(np.log(3))
# Cross-entropy of a logit of ln 3, a probability of 3/4: when it is right, and when it is wrong.
RIGHT, WRONG = float(np.log(4 / 3)), float(np.log(4))


class Pixels(nn.Module):
    """The logit of a tag is ln 3 where its pixel is bright, and -ln 3 where it is dark."""

    def __init__(self) -> None:
        super().__init__()
        self.sureness = nn.Parameter(torch.tensor(LN3))

    def forward(self, images: Tensor) -> Tensor:
        return (images.flatten(1) * 2 - 1) * self.sureness


def task_of(augment: Augment | None = None, **changes: Any) -> ImageTaggingModule:
    preparation = Preparation(
        prepare=Normalise(mean=(0.0,), std=(1.0,)), augment=augment or Augment(transforms={}, mix=None)
    )
    settings: dict[str, Any] = {"label_smoothing": 0.0, "num_classes": 2} | changes
    return ImageTaggingModule(model=Pixels(), preparation=preparation, recipe=plain_recipe(), **settings)


BATCH = TagBatch(
    images=torch.tensor([[[[255, 0]]], [[[255, 255]]]], dtype=torch.uint8),
    targets=torch.tensor([[1, 0], [0, 1]], dtype=torch.uint8),
    indices=torch.tensor([0, 1]),
)


def test_the_loss_is_a_mean_over_examples_and_tags() -> None:
    loss, sums = task_of().step(BATCH, 0, training=True)
    assert loss.item() == pytest.approx((3 * RIGHT + WRONG) / 4)
    assert sums.tolist() == pytest.approx([(3 * RIGHT + WRONG) / 2, 2])


def test_a_positive_example_counts_its_weight_in_training_alone() -> None:
    task = task_of(class_weights=torch.tensor([5.0, 2.0]))
    # Positives: tag 0 of the first image, tag 1 of the second.
    assert task.step(BATCH, 0, training=True).loss.item() == pytest.approx((5 * RIGHT + RIGHT + WRONG + 2 * RIGHT) / 4)
    assert task.step(BATCH, 0, training=False).loss.item() == pytest.approx((3 * RIGHT + WRONG) / 4)


def test_smoothing_moves_targets_to_one_half_in_training_alone() -> None:
    task = task_of(label_smoothing=0.2)
    smooth = {"right": 0.9 * RIGHT + 0.1 * WRONG, "wrong": 0.1 * RIGHT + 0.9 * WRONG}
    expected = (3 * smooth["right"] + smooth["wrong"]) / 4
    assert task.step(BATCH, 0, training=True).loss.item() == pytest.approx(expected)
    assert task.step(BATCH, 0, training=False).loss.item() == pytest.approx((3 * RIGHT + WRONG) / 4)


def test_mixing_two_images_mixes_their_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(Augment(transforms={}, mix=MixUp(alpha=1.0)))
    given: list[Tensor] = []

    def loss(logits: Tensor, targets: Tensor, **rest: Any) -> Tensor:
        given.append(targets)
        return logits.sum()

    monkeypatch.setattr(module.F, "binary_cross_entropy_with_logits", loss)
    task.step(BATCH, 0, training=True)
    task.step(BATCH, 0, training=False)
    mixed, stored = given
    # The first image keeps a share of its tag 0; what it gives up comes from the second's tag 1, or from itself.
    assert mixed.sum(1).tolist() == pytest.approx([1, 1])
    assert ((mixed > 0) & (mixed < 1)).any()
    assert torch.equal(stored, BATCH.targets.float())


def test_a_flip_leaves_targets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(Augment(transforms={"flip": RandomFlip(horizontal=True, vertical=False)}, mix=None))
    given: list[Tensor] = []
    monkeypatch.setattr(
        module.F, "binary_cross_entropy_with_logits", lambda logits, targets, **_: given.append(targets) or logits.sum()
    )
    task.step(BATCH, 0, training=True)
    assert torch.equal(given[0], BATCH.targets.float())


def test_metrics_are_of_all_batches_and_processes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of()
    task.step(BATCH, 0, training=False)
    task.on_validation_epoch_start()  # forgets what was before
    task.step(BATCH, 0, training=False)
    task.step(BATCH, 1, training=True)  # no validation
    # Another process has one image with both tags, the second of which it misses.
    other = (np.array([[0.8, 0.2]], dtype=np.float32), np.array([[1, 1]], dtype=np.uint8))
    asked: list[int] = []

    def gather(mine: list[Any], *, processes: int) -> list[Any]:
        asked.append(processes)
        return [*mine, other]

    monkeypatch.setattr(module, "gather", gather)
    monkeypatch.setattr(ImageTaggingModule, "trainer", SimpleNamespace(world_size=2))
    found = task.validation_metrics()
    assert asked == [2]
    # Tag 0: a right one, then a tie of a right and a wrong one. Tag 1: right, wrong, right.
    assert found["map"] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert found["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
    assert task.logged("val") == ["val/loss", "val/map", "val/micro_f1"]
    assert task.best == ("val/map", "max")
