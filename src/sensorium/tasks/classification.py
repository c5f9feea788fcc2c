"""Classification of pictures, texts or sounds: cross-entropy, on augmented batches where wanted; accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import ImageBatch, SoundBatch, TextBatch
from sensorium.randomness import ExampleRandom
from sensorium.tasks.base import Recipe, StepResult, Task
from sensorium.tasks.inputs import Preparation


class ClassificationTask(Task):
    """Examples to class numbers.

    num_classes: K. preparation: a batch's inputs to what the model sees. label_smoothing: share of the target spread
    evenly over all classes (Szegedy 2016, section 7). class_weights: (K,) weight of each class in the training loss, or
    None.
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
        recipe: Recipe,
        label_smoothing: float,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        self.num_classes = num_classes
        self.preparation = preparation
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """A batch's `inputs` -> logits (B, K)."""
        return self.model(*self.preparation(*inputs))

    def step(self, batch: ImageBatch | TextBatch | SoundBatch, batch_idx: int, *, training: bool) -> StepResult:
        labels = targets = batch.labels
        if training and self.preparation.augments:
            random = ExampleRandom(seed=self.seed, epoch=self.current_epoch, indices=batch.indices, batch=batch_idx)
            targets = F.one_hot(labels, self.num_classes).float()
            inputs, targets = self.preparation.augmented(batch.inputs, targets, random)
            logits = self.model(*inputs).float()
        else:
            logits = self(*batch.inputs).float()
        smoothing, weights = (self.label_smoothing, self.class_weights) if training else (0.0, None)
        loss = F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
        count = len(labels)
        correct = (logits.detach().argmax(1) == labels).sum()
        return StepResult(loss, torch.stack([loss.detach() * count, correct, correct.new_tensor(count)]))
