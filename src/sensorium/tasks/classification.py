"""Classification of pictures or texts: cross-entropy, on augmented batches where there is an augmentation; accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import ImageBatch, TextBatch
from sensorium.randomness import ExampleRandom
from sensorium.tasks.base import Recipe, StepResult, Task
from sensorium.vision.augment import Augment


class ClassificationTask(Task):
    """Examples to class numbers.

    num_classes: K. normalise: the model's first input as stored to what the model sees. augment: changes pictures
    (B, C, H, W) and targets (B, K) while training. label_smoothing: share of the target spread evenly over all classes
    (Szegedy 2016, section 7). class_weights: (K,) weight of each class in the training loss, or None.
    """

    totals = ("loss", "accuracy")
    best = ("val/accuracy", "max")
    class_weights: Tensor | None

    def __init__(
        self,
        *,
        model: nn.Module,
        num_classes: int,
        normalise: nn.Module,
        augment: Augment,
        recipe: Recipe,
        label_smoothing: float,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        self.num_classes = num_classes
        self.augment = augment
        self.augments = len(augment.transforms) > 0 or augment.mix is not None
        self.normalise = normalise
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """A batch's `inputs` -> logits (B, K)."""
        first, *rest = inputs
        return self.model(self.normalise(first), *rest)

    def step(self, batch: ImageBatch | TextBatch, batch_idx: int, *, training: bool) -> StepResult:
        inputs, labels, targets = batch.inputs, batch.labels, batch.labels
        if training and self.augments:
            random = ExampleRandom(seed=self.seed, epoch=self.current_epoch, indices=batch.indices, batch=batch_idx)
            targets = F.one_hot(labels, self.num_classes).float()
            images, targets = self.augment(inputs[0], targets, random)
            inputs = (images, *inputs[1:])
        logits = self(*inputs).float()
        smoothing, weights = (self.label_smoothing, self.class_weights) if training else (0.0, None)
        loss = F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
        count = len(labels)
        correct = (logits.detach().argmax(1) == labels).sum()
        return StepResult(loss, torch.stack([loss.detach() * count, correct, correct.new_tensor(count)]))
