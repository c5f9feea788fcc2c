"""What a person sees while a model trains: a bar on a terminal, a plain line an epoch elsewhere."""

import time
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sensorium.batches import amount_in
from sensorium.training.history import Row


def epoch_line(row: Row, *, epochs: int, seconds: float, speed: float, unit: str) -> str:
    """One epoch in one line: "epoch  3/10  train/loss 0.41  val/accuracy 0.953 ...  12.1 s  4,960 samples/s".

    speed: in `unit` a second.
    """
    shown = "  ".join(f"{name} {float(row[name]):z.4f}" for name in row if name.count("/") == 1)
    width = len(str(epochs))
    epoch = f"epoch {int(row['epoch']):>{width}}/{epochs}"
    return f"{epoch}  {shown}  {seconds:.1f} s  {speed:,.0f} {unit}/s"


def resumed(trainer: pl.Trainer, checkpoint: dict[str, Any], *, tested: bool) -> str:
    """Where a run goes on from a checkpoint, in a line. tested: whether a test follows."""
    epoch, epochs = int(checkpoint["epoch"]), trainer.max_epochs or 0
    ended = checkpoint["stopped"] and bool(trainer.early_stopping_callbacks)
    if ended or epoch >= epochs >= 0 or int(checkpoint["global_step"]) >= trainer.max_steps >= 0:
        return f"nothing left to train after epoch {epoch}" + ("; testing again" if tested else "")
    return f"resuming at epoch {epoch + 1}" + (f" of {epochs}" if epochs >= 0 else "")


class ProgressReport(pl.Callback):
    """Shows how training goes.

    The bar is redrawn by its own clock ten times a second, not at each step; the loss is read, which on a GPU waits
    for it, only then.

    metric: the validation metric shown beside the loss once it is known. tested: whether a test follows the training.
    """

    def __init__(self, *, console: Console, metric: str, tested: bool) -> None:
        self.console, self.metric, self.tested = console, metric, tested
        self.bar: Progress | None = None
        self._task: Any = None
        self._drawn_at = 0.0
        self._epoch_started = 0.0
        self._done, self._unit = 0, "samples"

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.is_global_zero:
            self.console.print(resumed(trainer, checkpoint, tested=self.tested), highlight=False, soft_wrap=True)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started = time.perf_counter()
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self.bar.start()
        self._task = self.bar.add_task("", total=1, detail="")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started, self._done = time.perf_counter(), 0
        if self.bar is not None:
            name = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self.bar.reset(self._task, total=trainer.num_training_batches, description=name)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        amount, self._unit = amount_in(batch)
        self._done += amount
        if self.bar is not None and now - self._drawn_at > 0.1:
            self._drawn_at = now
            speed = self._done / (now - self._epoch_started) if self._epoch_started else 0.0
            loss = float(outputs["loss"] if isinstance(outputs, dict) else outputs)
            reached = trainer.callback_metrics.get(self.metric)
            metric = f"  {self.metric} {float(reached):z.4f}" if reached is not None else ""
            self.bar.update(
                self._task, completed=batch_idx + 1, detail=f"loss {loss:z.4f}{metric}  {speed:,.0f} {self._unit}/s"
            )

    def report(self, row: Row, *, epochs: int, processes: int) -> None:
        """The line of a finished epoch; above the bar when there is one."""
        seconds = time.perf_counter() - self._epoch_started
        speed = self._done * processes / seconds if seconds else 0.0
        line = epoch_line(row, epochs=epochs, seconds=seconds, speed=speed, unit=self._unit)
        (self.bar.console if self.bar is not None else self.console).print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.close()
