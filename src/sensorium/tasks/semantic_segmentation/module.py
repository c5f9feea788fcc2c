"""Semantic segmentation: a class for every pixel, evaluated by the mean intersection over union."""

from typing import get_args

import torch
from torch import Tensor, nn

from sensorium.batches import VOID, MaskBatch
from sensorium.errors import RequestError, unknown
from sensorium.losses.segmentation import Loss, criterion
from sensorium.metrics.segmentation import confusion_matrices, mean_iou
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule


class SegmentationModule(TaskModule):
    """Images to class numbers of their pixels; means are over pixels, and VOID ones are ignored.

    num_classes: K. preparation: a batch's inputs to what the model sees. loss: what training lowers, as
    `losses.segmentation` has it. label_smoothing: share of the target that cross-entropy spreads evenly over all
    classes. class_weights: (K,) weight of each class in the training loss, or None.

    Raises RequestError for smoothing or weights with a loss that knows none.
    """

    totals = ("loss", "pixel_accuracy")
    validation_metric_names = ("miou",)
    best = ("val/miou", "max")
    class_weights: Tensor | None
    confusion: Tensor

    def __init__(
        self,
        *,
        model: nn.Module,
        num_classes: int,
        preparation: Preparation,
        recipe: OptimizationConfig,
        loss: Loss,
        label_smoothing: float,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        if loss not in get_args(Loss):
            raise unknown("loss (task.loss)", str(loss), get_args(Loss))
        if label_smoothing and loss in ("dice", "focal"):
            raise RequestError(f"task.loss={loss} does not support label_smoothing: omit it, or use cross_entropy.")
        if class_weights is not None and loss == "dice":
            raise RequestError("task.loss=dice weighs all classes equally: omit class_weights.")
        self.loss, self.label_smoothing = loss, label_smoothing
        self.num_classes = num_classes
        self.preparation = preparation
        self.register_buffer("class_weights", class_weights, persistent=False)
        # (K, K) pixels of the validation under way.
        self.register_buffer("confusion", torch.zeros(num_classes, num_classes, dtype=torch.int64), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """A batch's `inputs` -> logits (B, K, H, W)."""
        return self.model(*self.preparation(images))

    def step(self, batch: MaskBatch, batch_idx: int, *, training: bool) -> StepResult:
        masks = batch.masks
        if training and self.preparation.augments:
            random = self.random(batch.indices, batch_idx)
            inputs, masks = self.preparation.augmented(batch.inputs, masks, random)
            logits = self.model(*inputs)
        else:
            logits = self(*batch.inputs)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        smoothing, weights = (self.label_smoothing, self.class_weights) if training else (0.0, None)
        loss = criterion(self.loss, weights=weights, label_smoothing=smoothing)(logits, masks)
        predicted = logits.detach().argmax(1)
        if not training:
            self.confusion += confusion_matrices(predicted, masks, num_classes=self.num_classes).sum(0)
        count, correct = (masks != VOID).sum(), (predicted == masks).sum()
        return StepResult(loss, torch.stack([loss.detach() * count, correct, count]))

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.confusion.zero_()

    def validation_metrics(self) -> dict[str, float]:
        """The mean IoU of all processes' pixels together, as `metrics.segmentation` has it."""
        matrix = self.trainer.strategy.reduce(self.confusion.clone(), reduce_op="sum")
        return {"miou": float(mean_iou(matrix.cpu().numpy()))}
