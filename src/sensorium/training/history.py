"""metrics.csv: one row an epoch, counted from 1, the same after an interruption as without one."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch

from sensorium.files import write_atomically
from sensorium.output import as_csv
from sensorium.runs import RunFolder

Row = dict[str, float | int | str]


class History(pl.Callback):
    """Collects each epoch's metrics and writes them when the epoch is over; lr is that of its last optimizer step.

    Each function in `listeners` is called with each new row.
    """

    def __init__(self, *, run: RunFolder) -> None:
        self.run = run
        self.rows: list[Row] = []
        self.listeners: list[Callable[[Row], None]] = []
        self._lr: float | None = None  # of the last optimizer step
        self._validated = -1  # the epoch of the last validation; Lightning shows its numbers for ever

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._add_finished_epochs(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._validated = trainer.current_epoch

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        # Read here: behind the step the scheduler has already set the rate of the next one.
        self._lr = optimizer.param_groups[-1]["lr"]

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._add_finished_epochs(trainer)

    def _add_finished_epochs(self, trainer: pl.Trainer) -> None:
        epoch = trainer.current_epoch  # the number of finished ones
        if epoch < 1 or (self.rows and int(self.rows[-1]["epoch"]) >= epoch) or not trainer.callback_metrics:
            return
        metrics = {
            name: float(value)
            for name, value in sorted(trainer.callback_metrics.items())
            if self._validated == epoch - 1 or not name.startswith("val/")
        }
        row: Row = {
            "epoch": epoch,
            "step": trainer.global_step,
            **metrics,
            "lr": trainer.optimizers[0].param_groups[-1]["lr"] if self._lr is None else self._lr,
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            self._write()
        for listener in self.listeners:
            listener(row)

    def _write(self) -> None:
        write_atomically(self.run.history, as_csv(self.rows))

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [dict(row) for row in self.rows], "validated": self._validated, "first_epoch": 1}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        shift = 1 - state_dict.get("first_epoch", 0)  # a run started with an earlier Sensorium counts epochs from 0
        self.rows = [row | {"epoch": int(row["epoch"]) + shift} for row in state_dict["rows"]]
        self._validated = state_dict["validated"]
