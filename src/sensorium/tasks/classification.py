"""Classification of pictures: cross-entropy on augmented batches, accuracy."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import ImageBatch
from sensorium.randomness import ExampleRandom
from sensorium.specs import ImageSpec
from sensorium.tasks.base import OptimizerFactory, SchedulerFactory, StepResult, Task
from sensorium.vision.augment import Augment
from sensorium.vision.normalise import Normalise


class ClassificationTask(Task):
    """Pictures to class numbers.

    spec: of the data. augment: changes pictures (B, C, H, W) and targets (B, K) while training. label_smoothing: share
    of the target spread evenly over all classes (Szegedy 2016, section 7). memory_format: of the pictures; the model
    comes in the same.
    """

    totals = ("loss", "accuracy")

    def __init__(
        self,
        *,
        model: nn.Module,
        spec: ImageSpec,
        augment: Augment,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        lr: float,
        weight_decay: float,
        backbone_lr_scale: float,
        seed: int,
        label_smoothing: float,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__(
            model=model,
            optimizer=optimizer,
            scheduler=scheduler,
            lr=lr,
            weight_decay=weight_decay,
            backbone_lr_scale=backbone_lr_scale,
            seed=seed,
        )
        self.num_classes = spec.num_classes
        self.augment = augment
        self.augments = len(augment.transforms) > 0 or augment.mix is not None
        self.normalise = Normalise(mean=spec.mean, std=spec.std)
        self.label_smoothing = label_smoothing
        self.memory_format = memory_format

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1] -> logits (B, K)."""
        return self.model(self.normalise(images).contiguous(memory_format=self.memory_format))

    def step(self, batch: ImageBatch, batch_idx: int, *, training: bool) -> StepResult:
        images, labels, indices = batch
        targets, smoothing = labels, self.label_smoothing if training else 0.0
        if training and self.augments:
            random = ExampleRandom(seed=self.seed, epoch=self.current_epoch, indices=indices, batch=batch_idx)
            targets = F.one_hot(labels, self.num_classes).float()
            images, targets = self.augment(images, targets, random)
        logits = self(images).float()
        loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
        count = len(labels)
        correct = (logits.detach().argmax(1) == labels).sum()
        return StepResult(loss, torch.stack([loss.detach() * count, correct, correct.new_tensor(count)]))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        # Three tensors: the general walk over nested collections costs more than the copies on a CPU.
        return batch if device.type == "cpu" else ImageBatch(*(t.to(device, non_blocking=True) for t in batch))
