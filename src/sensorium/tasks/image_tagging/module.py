"""ImageTaggingModule: several tags per image, each a binary decision."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import TagBatch
from sensorium.distributed import gather
from sensorium.metrics.multilabel import average_precision, counts, mean
from sensorium.tasks.image_tagging.evaluate import THRESHOLD
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule


class ImageTaggingModule(TaskModule):
    """Binary cross-entropy with logits, a mean over examples and tags. Validation logs the mean average precision over
    the tags that occur (map), and the F1 of all decisions at a probability of one half (micro_f1).

    num_classes: K. preparation: a batch's inputs to what the model sees. label_smoothing: share of each target that is
    moved to one half. class_weights: (K,) what a positive example of each tag counts in the training loss, a negative
    one counting 1 (`pos_weight` of torch), or None.
    """

    totals = ("loss",)
    validation_metric_names = ("map", "micro_f1")
    best = ("val/map", "max")
    class_weights: Tensor | None

    def __init__(
        self,
        *,
        model: nn.Module,
        num_classes: int,
        preparation: Preparation,
        recipe: OptimizationConfig,
        label_smoothing: float,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        self.num_classes = num_classes
        self.preparation = preparation
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)
        # Scores and targets (B, K) of the validation under way.
        self._validated: list[tuple[np.ndarray, np.ndarray]] = []

    def forward(self, images: Tensor) -> Tensor:
        """A batch's `inputs` -> logits (B, K)."""
        logits: Tensor = self.model(*self.preparation(images))
        return logits

    def step(self, batch: TagBatch, batch_idx: int, *, training: bool) -> StepResult:
        targets = batch.targets.float()
        if training and self.preparation.augments:
            random = self.random(batch.indices, batch_idx)
            inputs, targets = self.preparation.augmented(batch.inputs, targets, random)
            logits = self.model(*inputs)
        else:
            logits = self(*batch.inputs)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not training:
            self._validated.append((logits.detach().sigmoid().cpu().numpy(), batch.targets.cpu().numpy()))
        loss = self._loss(logits, targets, training=training)
        count = len(targets)
        return StepResult(loss, torch.stack([loss.detach() * count, loss.new_tensor(count)]))

    def _loss(self, logits: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """logits, targets: (B, K)."""
        if not training:
            return F.binary_cross_entropy_with_logits(logits, targets)
        targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=self.class_weights)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._validated.clear()

    def validation_metrics(self) -> dict[str, float]:
        """Of all processes' examples together: neither depends on their order."""
        parts = gather(self._validated, processes=self.trainer.world_size)
        scores, targets = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        self._validated.clear()
        found = counts(scores, targets, threshold=THRESHOLD)
        return {"map": mean(average_precision(scores, targets)), "micro_f1": found.micro_f1()}
