"""DetectionModule: what is added up, what validation logs, what the plateau scheduler goes by."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import IGNORED, Boxes, DetectionBatch
from sensorium.optim.schedules import plateau
from sensorium.tasks.object_detection.module import DetectionModule, truths
from sensorium.tasks.preprocessing import Preparation
from sensorium.vision.normalise import Normalise


class Fixed(nn.Module):
    """Losses from the brightness, and the upper left corner wherever something is bright."""

    loss_names = ("one", "two")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor, targets: Boxes | None = None) -> Any:
        if targets is not None:
            shown = (targets.labels != IGNORED).sum()
            return {"two": self.weight * shown, "one": self.weight * images.mean()}
        box, nothing = torch.tensor([[0.0, 0, 8, 8]]), torch.zeros(0, 4)
        found = [box if picture.mean() > 0 else nothing for picture in images]
        return [
            {"boxes": one, "labels": torch.ones(len(one)).long(), "scores": torch.full((len(one),), 0.9)}
            for one in found
        ]


class Doubled(nn.Module):
    """An augmentation that makes images twice as bright and forgets all boxes but the first."""

    takes, active = "images with boxes or masks", True

    def prepared(self, inputs: Any, targets: Boxes, random: Any, prepare: nn.Module) -> Any:
        return (prepare(*inputs)[0] * 2,), Boxes(*(tensor[:, :1] for tensor in targets))


BATCH = DetectionBatch(
    images=torch.tensor([255, 0], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 16, 16),
    boxes=torch.tensor([[[0.0, 0, 8, 8], [2, 2, 6, 6]], [[4, 4, 12, 12], [0, 0, 0, 0]]]),
    labels=torch.tensor([[1, 0], [1, IGNORED]]),
    difficult=torch.tensor([[False, True], [False, False]]),
    indices=torch.tensor([3, 7]),
)


class Still(Doubled):
    active = False


def task_of(augment: nn.Module | None = None, **recipe: Any) -> DetectionModule:
    preparation = Preparation(prepare=Normalise(mean=[0.0], std=[1.0]), augment=augment or Still())
    return DetectionModule(model=Fixed(), num_classes=3, preparation=preparation, recipe=plain_recipe(**recipe))


def test_the_losses_are_added_and_each_is_summed_by_the_pictures() -> None:
    task = task_of()
    assert task.totals == ("loss", "one", "two")
    loss, sums = task.step(BATCH, 0, training=True)
    # The mean brightness is one half; three boxes are there.
    assert loss.item() == 3.5
    assert loss.requires_grad
    assert sums.tolist() == [7, 1, 6, 2]


def test_augmentation_changes_pictures_and_boxes_in_training_alone() -> None:
    task = task_of(Doubled())
    assert task.step(BATCH, 0, training=True).loss.item() == 1 + 2
    assert task.step(BATCH, 0, training=False).loss.item() == 3.5


def test_validation_finds_boxes() -> None:
    """One of two is found, nothing else: precision 1 at 51 of 101 levels of recall. The difficult one is of class 0."""
    task = task_of().eval()
    task._trainer = type("Trainer", (), {"world_size": 1})()  # type: ignore[assignment]
    task.on_validation_epoch_start()
    task.validation_step(BATCH, 0)
    assert task.validation_metrics() == {"map50": pytest.approx(51 / 101), "map": pytest.approx(51 / 101)}
    assert task.logged("val") == ["val/map50", "val/map"]
    assert task.logged("train") == ["train/loss", "train/one", "train/two"]
    task.validation_step(BATCH, 0)
    task.on_validation_epoch_start()  # what a validation that was interrupted had found is forgotten
    assert task.validation_metrics() == {"map50": 0, "map": 0}


def test_truths_without_what_fills_up() -> None:
    first, second = truths(BATCH.targets)
    assert (first.labels.tolist(), first.difficult.tolist()) == ([1, 0], [False, True])
    assert second.boxes.tolist() == [[4, 4, 12, 12]]


def test_a_plateau_is_one_of_the_metric_that_is_there() -> None:
    scheduler = partial(plateau, factor=0.5, patience=0, min_lr=0.0)
    settings = task_of(scheduler=scheduler).configure_optimizers()["lr_scheduler"]
    assert settings["monitor"] == "val/map50"
    rates = []
    for value in (0.1, 0.3, 0.2, 0.4):
        settings["scheduler"].step(value)
        rates.append(settings["scheduler"].get_last_lr()[0])
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05])
