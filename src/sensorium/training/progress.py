"""Progress of a training: a bar on a terminal, and a table of epochs that fits 80 columns."""

import math
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from sensorium.tasks.training_module import TaskModule
from sensorium.training.history import Row

WIDTH = 80  # columns of the table of epochs
ROWS = 20  # of the table at most, unless an epoch takes long
_LONG = 10.0  # seconds since the last row after which the next epoch has one in any case


@dataclass
class EpochTable:
    """The table of epochs as plain lines; metrics.csv has every epoch and every metric.

    metric: the validation metric that comes first when there is no room for all. unit: what the speed counts.
    """

    metric: str
    epochs: int
    unit: str
    columns: list[str] = field(default_factory=list)
    _since: float = math.inf  # seconds since the last row

    def lines(self, row: Row, *, best: bool, seconds: float, speed: float) -> list[str]:
        """The row of an epoch, below a header when it is the first; nothing for one that is passed over.

        best: whether this epoch's checkpoint is the best so far. speed: in `unit` a second.
        """
        epoch = int(row["epoch"])
        self._since += seconds
        step = max(1, math.ceil(self.epochs / ROWS))
        if epoch % step and epoch != self.epochs and self._since < _LONG:
            return []
        self._since = 0.0
        left = clock(seconds * (self.epochs - epoch)) if self.epochs >= epoch else ""
        of = f"/{self.epochs}" if self.epochs > 0 else ""
        values = {name: f"{float(value):z.4f}" for name, value in row.items() if name.count("/") == 1}
        first = not self.columns
        if first:
            self.columns = self._fitting(list(values))
        cells = {"epoch": f"{epoch}{of}", **{name: values.get(name, "") for name in self.columns}}
        cells |= {"best": "*" if best else "", "seconds": f"{seconds:.1f}", f"{self.unit}/s": f"{speed:,.0f}"}
        cells |= {"left": left}
        header = ["  ".join(f"{name:>{self._width(name)}}" for name in cells)] if first else []
        return [*header, "  ".join(f"{cell:>{self._width(name)}}" for name, cell in cells.items())]

    def _fitting(self, names: list[str]) -> list[str]:
        """As many metrics as fit, training before validation."""
        room = WIDTH - sum(2 + self._width(name) for name in ("epoch", "best", "seconds", f"{self.unit}/s", "left")) + 2
        chosen: set[str] = set()
        matching = f"train/{self.metric.partition('/')[2]}"
        for name in dict.fromkeys(("train/loss", self.metric, "val/loss", *names[::-1], matching)):
            if name in names and 2 + self._width(name) <= room:
                chosen.add(name)
                room -= 2 + self._width(name)
        return [name for name in names if name in chosen]

    def _width(self, name: str) -> int:
        least = {"epoch": 2 * len(str(self.epochs)) + 1, "left": 7, f"{self.unit}/s": 9}
        return max(len(name), least.get(name, 7 if "/" in name else 0))


def clock(seconds: float) -> str:
    """ "0:07", "12:34", "1:02:03"."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def resumed(trainer: pl.Trainer, checkpoint: dict[str, Any], *, tested: bool) -> str:
    """Where a run resumes from a checkpoint, in a line. tested: whether a test follows."""
    epoch, epochs = int(checkpoint["epoch"]), trainer.max_epochs or 0
    ended = checkpoint["stopped"] and bool(trainer.early_stopping_callbacks)
    if ended or epoch >= epochs >= 0 or int(checkpoint["global_step"]) >= trainer.max_steps >= 0:
        return f"nothing left to train after epoch {epoch}" + ("; testing again" if tested else "")
    return f"resuming at epoch {epoch + 1}" + (f" of {epochs}" if epochs >= 0 else "")


class EpochSpeed(NamedTuple):
    """How fast an epoch was: its seconds, validation included, and what of it went through the model in a second."""

    seconds: float
    per_second: float
    unit: str


class ProgressReport(pl.Callback):
    """Shows the progress of a training.

    The bar is redrawn by its own clock ten times a second, not at each step; the loss is read, which on a GPU waits
    for it, only then.

    metric: the validation metric shown beside the loss once it is known. tested: whether a test follows the training.
    """

    def __init__(self, *, console: Console, metric: str, tested: bool) -> None:
        self.console, self.metric, self.tested = console, metric, tested
        self.bar: Progress | None = None
        self._table: EpochTable | None = None
        self._task: Any = None
        self._drawn_at = 0.0
        self._epoch_started = 0.0
        self._done, self._unit = 0, "samples"
        self.epochs: list[EpochSpeed] = []

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
            TaskProgressColumn(),
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
            epoch, epochs, batches = trainer.current_epoch, trainer.max_epochs or -1, trainer.num_training_batches
            name = f"epoch {epoch + 1}" + (f"/{epochs}" if epochs > 0 else "")
            # The bar and the time left are of the whole training, not of the epoch.
            total = batches * epochs if epochs > 0 else None
            self.bar.update(self._task, total=total, completed=batches * epoch, description=name)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        amount, self._unit = cast(TaskModule, pl_module).amount(batch)
        self._done += amount
        if self.bar is not None and now - self._drawn_at > 0.1:
            self._drawn_at = now
            speed = self._done / (now - self._epoch_started) if self._epoch_started else 0.0
            loss = float(outputs["loss"] if isinstance(outputs, dict) else outputs)
            reached = trainer.callback_metrics.get(self.metric)
            metric = f"  {self.metric} {float(reached):z.4f}" if reached is not None else ""
            self.bar.update(
                self._task,
                completed=trainer.num_training_batches * trainer.current_epoch + batch_idx + 1,
                detail=f"loss {loss:z.4f}{metric}  {speed:,.0f} {self._unit}/s",
            )

    def report(self, row: Row, *, epochs: int, processes: int, best: bool) -> None:
        """The lines of a finished epoch; above the bar when there is one."""
        seconds = time.perf_counter() - self._epoch_started
        speed = self._done * processes / seconds if seconds else 0.0
        self.epochs.append(EpochSpeed(seconds, speed, self._unit))
        if self._table is None:
            self._table = EpochTable(metric=self.metric, epochs=epochs, unit=self._unit)
        for line in self._table.lines(row, best=best, seconds=seconds, speed=speed):
            (self.bar.console if self.bar is not None else self.console).print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.close()
