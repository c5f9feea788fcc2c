"""Object detection: bounding boxes of objects in images."""

from typing import Any

import torch
from torch import Tensor

from sensorium.batches import IGNORED, Boxes, DetectionBatch
from sensorium.metrics.detection import DetectedBoxes, GroundTruth, detection_scores
from sensorium.models.protocols import Detector
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule


class DetectionModule(TaskModule):
    """What is lowered is the sum of the model's own losses. Validation knows no loss: it looks for boxes as prediction
    does and logs COCO's mAP at an overlap of one half (map50) and over all overlaps (map), of the images as the model
    sees them.

    model: called with images (B, C, H, W) and `Boxes` it gives losses by name, (), those that its attribute
    `loss_names` lists; with images alone the boxes, labels and scores of each image. num_classes: K. preparation: a
    batch's inputs to what the model sees.
    """

    validation_metric_names = ("map50", "map")
    best = ("val/map50", "max")

    def __init__(
        self, *, model: Detector, num_classes: int, preparation: Preparation, recipe: OptimizationConfig
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        self.num_classes, self.preparation = num_classes, preparation
        self.totals = ("loss", *model.loss_names)
        self._answers: list[tuple[int, DetectedBoxes, GroundTruth]] = []

    def summed(self, stage: str) -> tuple[str, ...]:
        return () if stage == "val" else self.totals

    def step(self, batch: DetectionBatch, batch_idx: int, *, training: bool) -> StepResult:
        targets = batch.targets
        if training and self.preparation.augments:
            random = self.random(batch.indices, batch_idx)
            inputs, targets = self.preparation.augmented(batch.inputs, targets, random)
        else:
            inputs = self.preparation(*batch.inputs)
        parts = self.model(*inputs, targets)
        losses = torch.stack([parts[name].float() for name in self.totals[1:]])
        loss, count = losses.sum(), len(batch.indices)
        sums = torch.cat([loss.detach()[None], losses.detach(), losses.new_ones(1)]) * count
        return StepResult(loss, sums)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._answers.clear()

    def validation_step(self, batch: DetectionBatch, batch_idx: int) -> None:
        found = self.model(*self.preparation(*batch.inputs))
        rows = zip(batch.indices.tolist(), found, truths(batch.targets), strict=True)
        self._answers += [(row, as_found(one), truth) for row, one, truth in rows]

    def validation_metrics(self) -> dict[str, float]:
        processes = self.trainer.world_size
        shares: list[Any] = [self._answers]
        if processes > 1:
            shares = [None] * processes
            torch.distributed.all_gather_object(shares, self._answers)
        # In the order of the split, whichever process found them: of equal scores, the evaluator takes the first.
        answers = sorted((answer for share in shares for answer in share), key=lambda answer: answer[0])
        scores = detection_scores(
            [found for _, found, _ in answers],
            [truth for _, _, truth in answers],
            num_classes=self.num_classes,
            areas=False,
        ).summary()
        self._answers.clear()
        return {name: scores[name] for name in self.validation_metric_names}


def as_found(answer: dict[str, Tensor]) -> DetectedBoxes:
    """A model's output for one image, on any device."""
    return DetectedBoxes(*(answer[name].detach().cpu().numpy() for name in ("boxes", "labels", "scores")))


def truths(targets: Boxes) -> list[GroundTruth]:
    """The boxes of each image of a batch, without what fills the lists up."""
    boxes, labels, difficult = (tensor.cpu().numpy() for tensor in targets)
    return [
        GroundTruth(boxes[i][kept], labels[i][kept], difficult[i][kept]) for i, kept in enumerate(labels != IGNORED)
    ]
