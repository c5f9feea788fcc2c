"""RegressionModule: one or several numbers for each example."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import ImageRegressionBatch, TextRegressionBatch
from sensorium.distributed import gather
from sensorium.errors import RequestError, unknown
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule

Loss = Literal["mse", "huber"]
_LEAST_VARIANCE = 1e-12  # of standardized targets; below it all are the same and r2 is undefined


class RegressionModule(TaskModule):
    """Mean squared error or Huber's loss of standardized targets, a mean over examples and targets. Validation logs
    mae, rmse and r2, each a mean over targets, in the targets' own units.

    num_classes: K, the number of targets. target_std: of each. preparation: a batch's inputs to what the model sees.
    loss: mse or huber. delta: standardized error from which Huber's loss grows linearly.

    Raises RequestError for another loss, and a delta that is not above 0.
    """

    totals = ("loss",)
    validation_metric_names = ("mae", "rmse", "r2")
    best = ("val/r2", "max")  # the same whatever the loss and the units of the targets
    target_std: Tensor

    def __init__(
        self,
        *,
        model: nn.Module,
        num_classes: int,
        target_std: Sequence[float],
        preparation: Preparation,
        recipe: OptimizationConfig,
        loss: Loss,
        delta: float,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        if loss not in get_args(Loss):
            raise unknown("loss (task.loss)", str(loss), get_args(Loss))
        if isinstance(delta, bool) or not isinstance(delta, int | float) or not 0 < delta < float("inf"):
            raise RequestError(f"task.delta={delta} is not possible: give a number above 0, such as 1.")
        self.num_classes, self.loss, self.delta = num_classes, loss, float(delta)
        self.preparation = preparation
        self.register_buffer("target_std", torch.tensor(target_std, dtype=torch.float32), persistent=False)
        self._validated: list[Tensor] = []  # `_error_sums` of each batch of the validation under way

    def forward(self, *inputs: Tensor) -> Tensor:
        """A batch's `inputs` -> standardized predictions (B, K)."""
        predictions: Tensor = self.model(*self.preparation(*inputs))
        return predictions

    def step(self, batch: ImageRegressionBatch | TextRegressionBatch, batch_idx: int, *, training: bool) -> StepResult:
        targets = batch.targets
        if training and self.preparation.augments:
            random = self.random(batch.indices, batch_idx)
            inputs, targets = self.preparation.augmented(batch.inputs, targets, random)
            predictions = self.model(*inputs)
        else:
            predictions = self(*batch.inputs)
        predictions = predictions.to(torch.promote_types(predictions.dtype, torch.float32))
        if not training:
            self._validated.append(_error_sums(predictions.detach(), targets))
        loss = self._loss(predictions, targets)
        count = len(targets)
        return StepResult(loss, torch.stack([loss.detach() * count, loss.new_tensor(count)]))

    def _loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """predictions, targets: (B, K), standardized."""
        if self.loss == "huber":
            return F.huber_loss(predictions, targets, delta=self.delta)
        return F.mse_loss(predictions, targets)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._validated.clear()

    def validation_metrics(self) -> dict[str, float]:
        """Of all processes' examples together."""
        mine = [torch.stack(self._validated).sum(0)] if self._validated else []
        self._validated.clear()
        return self._from_sums(torch.stack(gather(mine, processes=self.trainer.world_size)).sum(0))

    def _from_sums(self, sums: Tensor) -> dict[str, float]:
        """sums: as `_error_sums` gives them, of all examples."""
        count, absolute, squared, total, total_squared = sums  # each (K,)
        std = self.target_std.cpu().double()
        variance = total_squared / count - (total / count) ** 2
        r2 = torch.where(variance > _LEAST_VARIANCE, 1 - squared / count / variance, float("nan"))
        return {
            "mae": float((absolute / count * std).mean()),
            "rmse": float(((squared / count).sqrt() * std).mean()),
            "r2": float(r2.nanmean()),
        }


def _error_sums(predictions: Tensor, targets: Tensor) -> Tensor:
    """Standardized (B, K) and (B, K) -> (5, K) float64 on the CPU: the count, and the sums of absolute errors, squared
    errors, targets and squared targets.
    """
    predictions, targets = predictions.cpu().double(), targets.cpu().double()
    errors = predictions - targets
    return torch.stack(
        [torch.ones_like(errors).sum(0), errors.abs().sum(0), (errors**2).sum(0), targets.sum(0), (targets**2).sum(0)]
    )
