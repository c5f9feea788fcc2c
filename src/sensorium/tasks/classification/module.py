"""Classification of images, texts or recordings: cross-entropy or the perceptron's rule, on augmented batches where
wanted; accuracy.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import AudioBatch, ImageBatch, TextBatch
from sensorium.errors import RequestError, unknown
from sensorium.losses.perceptron import perceptron_criterion
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule

Criterion = Literal["cross_entropy", "perceptron"]


class ClassificationModule(TaskModule):
    """Examples to class numbers.

    num_classes: K. preparation: a batch's inputs to what the model sees. label_smoothing: share of the target spread
    evenly over all classes (Szegedy 2016, section 7). class_weights: (K,) weight of each class in the training loss, or
    None. criterion: what training lowers; the perceptron's makes Rosenblatt's rule of plain gradient descent.

    Raises RequestError for smoothing or weights with the perceptron's criterion, which knows neither.
    """

    totals = ("loss", "accuracy")
    best = ("val/accuracy", "max")
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
        criterion: Criterion = "cross_entropy",
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        if criterion not in get_args(Criterion):
            raise unknown("criterion (task.criterion)", str(criterion), get_args(Criterion))
        if criterion == "perceptron" and (label_smoothing or class_weights is not None):
            raise RequestError("The perceptron's rule takes neither label_smoothing nor class_weights: leave them out.")
        self.criterion = criterion
        self.num_classes = num_classes
        self.preparation = preparation
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """A batch's `inputs` -> logits (B, K)."""
        return self.model(*self.preparation(*inputs))

    def step(self, batch: ImageBatch | TextBatch | AudioBatch, batch_idx: int, *, training: bool) -> StepResult:
        labels = targets = batch.labels
        if training and self.preparation.augments:
            random = self.random(batch.indices, batch_idx)
            targets = F.one_hot(labels, self.num_classes).float()
            inputs, targets = self.preparation.augmented(batch.inputs, targets, random)
            logits = self.model(*inputs)
        else:
            logits = self(*batch.inputs)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        loss = self._loss(logits, targets, training=training)
        if training and not loss.requires_grad:
            loss.requires_grad_()  # nothing in the model learns, and backward must have something to begin at
        count = len(labels)
        correct = (logits.detach().argmax(1) == labels).sum()
        return StepResult(loss, torch.stack([loss.detach() * count, correct, correct.new_tensor(count)]))

    def _loss(self, logits: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """logits: (B, K). targets: (B,) class numbers or (B, K) shares."""
        if self.criterion == "perceptron":
            shares = F.one_hot(targets, self.num_classes) if targets.ndim == 1 else targets
            return perceptron_criterion(logits, shares.to(logits.dtype))
        smoothing, weights = (self.label_smoothing, self.class_weights) if training else (0.0, None)
        return F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
