"""A NaN loss stops the run, with the batch that it came from."""

from typing import Any

import lightning.pytorch as pl
import torch

from sensorium.errors import RunError, listing
from sensorium.runs import RunFolder


class LossGuard(pl.Callback):
    """Raises RunError at the first NaN or infinite loss, naming step and files.

    On a GPU the loss of a step is looked at one step later, so that the processor never waits for it.
    """

    def __init__(self, *, run: RunFolder) -> None:
        self.run = run
        self._pending: tuple[torch.Tensor, torch.Tensor, int] | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        now = (loss, batch.indices, trainer.global_step)
        if loss.device.type == "cpu":
            self._check(trainer, *now)
            return
        if self._pending is not None:
            self._check(trainer, *self._pending)
        self._pending = now

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._pending is not None:
            self._check(trainer, *self._pending)
            self._pending = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The last step of all has no loss after it, but the validation that follows; no checkpoint is kept of it."""
        loss = trainer.callback_metrics.get("val/loss")
        if trainer.sanity_checking or loss is None or not bool(loss.isnan()):
            return
        raise RunError(f"The validation loss became nan at step {trainer.global_step}.\n{self._advice()}")

    def _check(self, trainer: pl.Trainer, loss: torch.Tensor, indices: torch.Tensor, step: int) -> None:
        value = float(loss)
        if value - value == 0:
            return
        loader: Any = trainer.train_dataloader
        names = loader.split.names
        files = listing((str(names[row]) for row in indices.tolist()), limit=8)
        raise RunError(f"The loss became {value} at step {step}, in the batch of: {files}.\n{self._advice()}")

    def _advice(self) -> str:
        kept = self.run.last if self.run.last.exists() else None
        last = f"The last good checkpoint is {kept}." if kept else "No checkpoint had been written yet."
        return f"{last} A smaller lr or trainer.gradient_clip_val=1.0 often helps."
