"""An average of the weights, used wherever the model is evaluated or saved (Polyak and Juditsky 1992).

Not Lightning's EMAWeightAveraging: docs/decisions/0016.
"""

from typing import Any

import lightning.pytorch as pl
from torch import Tensor, nn

from sensorium.optim.average import WeightAverage


class AverageWeights(pl.Callback):
    """Validates, tests and saves with an exponential moving average of the weights.

    Checkpoints hold the average as `state_dict`, and what the optimizer resumes from as `training_weights`.

    decay: share of the old average kept at a step. warmup: start with a smaller share, so that early weights fade.
    """

    def __init__(self, *, decay: float, warmup: bool) -> None:
        self.decay, self.warmup = decay, warmup
        self.average: WeightAverage | None = None
        self._steps = 0
        self._restored: dict[str, Any] | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.average = WeightAverage(_model(pl_module), decay=self.decay, warmup=self.warmup)
        if self._restored is not None:
            self.average.load_state_dict(self._restored["average"])
            _model(pl_module).load_state_dict(self._restored["training_weights"])
            self._restored = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._steps = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step != self._steps and self.average is not None:
            self._steps = trainer.global_step
            self.average.update(_model(pl_module))

    def _swap(self, pl_module: pl.LightningModule, *, into_average: bool) -> None:
        if self.average is not None and self.average.swapped != into_average:
            self.average.swap(_model(pl_module))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._swap(pl_module, into_average=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._swap(pl_module, into_average=False)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.average is None:
            return
        self._swap(pl_module, into_average=False)
        checkpoint["training_weights"] = _copied(_model(pl_module))
        checkpoint["average"] = self.average.state_dict()
        self._swap(pl_module, into_average=True)
        averaged = {f"model.{key}": value for key, value in _copied(_model(pl_module)).items()}
        checkpoint["state_dict"] = checkpoint["state_dict"] | averaged
        self._swap(pl_module, into_average=False)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if "average" in checkpoint:
            self._restored = {key: checkpoint[key] for key in ("average", "training_weights")}


def _model(pl_module: pl.LightningModule) -> nn.Module:
    """The network of a task, which is what is averaged."""
    model = pl_module.model
    assert isinstance(model, nn.Module)
    return model


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in model.state_dict().items()}
