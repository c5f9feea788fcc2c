"""best.ckpt and last.ckpt: when they are written, and from which moments a run goes on exactly.

Lightning's own restart has many stages, one for each hook a checkpoint may come from, and some repeat or leave out
work. Here `last.ckpt` is written at two moments only: after an optimiser step inside an epoch, and at the start of an
epoch when everything of the one before is done. Both restart exactly (docs/decisions/0003).
"""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import CheckpointIO

from sensorium import checkpoint as files
from sensorium.runs import Run
from sensorium.training.interrupts import Interrupted, StopRequest

ONLY_FOR_RESUMING = (
    "optimizer_states",
    "lr_schedulers",
    "loops",
    "callbacks",
    "training_weights",
    "average",
)


class AtomicCheckpointIO(CheckpointIO):
    """Writes atomically, keeps the one before `last.ckpt`, opens as data only."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        path = Path(path)
        if path != self.run.last:
            files.save_atomically(checkpoint, path)
            return
        fresh = path.with_name(".next.ckpt")
        files.save_atomically(checkpoint, fresh)
        if path.exists():
            path.replace(self.run.previous)
        fresh.replace(path)

    def load_checkpoint(self, path: Any, map_location: Any | None = None, weights_only: bool | None = True) -> Any:
        return files.read_raw(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Checkpoints(pl.Callback):
    """Keeps the best and the last state of a run.

    run: where. about: config and spec, stored in every checkpoint. monitor, mode: what best means ("max" or "min").
    every_seconds, every_n_steps: how often last.ckpt is written inside an epoch; None for not by this clock.
    """

    def __init__(
        self,
        *,
        run: Run,
        about: dict[str, Any],
        stop: StopRequest,
        monitor: str,
        mode: str,
        every_seconds: float | None,
        every_n_steps: int | None,
    ) -> None:
        self.run, self.about, self.stop = run, about, stop
        self.monitor, self.mode = monitor, mode
        self.every_seconds, self.every_n_steps = every_seconds, every_n_steps
        self.best: float | None = None
        self._saving_best = False
        self._at_epoch_start = False
        self._saved_at = time.monotonic()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.stop.listen()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Again: Lightning has put its own handler for SIGTERM in place since.
        self.stop.listen()

    # -- when

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch > 0:
            self._save_last(trainer, at_epoch_start=True)
        self._stop_if_asked(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loop = trainer.fit_loop.epoch_loop
        if loop.batch_progress.is_last_batch or loop._should_accumulate() or self._validates_now(trainer):
            return
        asked = self._is_asked(trainer)
        if asked or self._is_due(trainer):
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            if not bool(torch.isfinite(loss)):
                return  # the loss guard ends the run; the last good checkpoint stays
            self._save_last(trainer, at_epoch_start=False)
        self._stop_if_asked(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or not trainer.fit_loop.epoch_loop.batch_progress.total.ready:
            return
        value = float(trainer.callback_metrics[self.monitor])
        better = self.best is None or (value > self.best if self.mode == "max" else value < self.best)
        if better:
            self.best = value
            self._saving_best = True
            trainer.save_checkpoint(self.run.best)
            self._saving_best = False

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save_last(trainer, at_epoch_start=True)

    def _validates_now(self, trainer: pl.Trainer) -> bool:
        """Whether validation follows this batch; a restart from here would not know if it ran."""
        every = trainer.val_check_batch
        return every is not None and every != float("inf") and (trainer.fit_loop.epoch_loop.batch_idx + 1) % every == 0

    def _is_due(self, trainer: pl.Trainer) -> bool:
        by_steps = self.every_n_steps is not None and trainer.global_step % self.every_n_steps == 0
        by_time = self.every_seconds is not None and time.monotonic() - self._saved_at > self.every_seconds
        # With several processes the first one's clock decides for all: they must save together.
        return by_steps or bool(trainer.strategy.broadcast(by_time) if trainer.world_size > 1 else by_time)

    def _is_asked(self, trainer: pl.Trainer) -> bool:
        asked = self.stop.signal_number != 0
        return trainer.strategy.reduce_boolean_decision(asked, all=False) if trainer.world_size > 1 else asked

    def _stop_if_asked(self, trainer: pl.Trainer) -> None:
        if self._is_asked(trainer):
            raise Interrupted(
                f"Stopped at step {trainer.global_step}. Go on with: sensorium train resume={self.run.folder}",
                self.stop.signal_number or 15,
            )

    # -- what

    def _save_last(self, trainer: pl.Trainer, *, at_epoch_start: bool) -> None:
        self._at_epoch_start = at_epoch_start
        trainer.save_checkpoint(self.run.last)
        self._saved_at = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[files.KEY] = self.about
        if self._saving_best:
            for key in ONLY_FOR_RESUMING:
                checkpoint.pop(key, None)
        elif self._at_epoch_start:
            _forget_finished_epoch(checkpoint["loops"]["fit_loop"])

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def _forget_finished_epoch(fit_loop: dict[str, Any]) -> None:
    """Lightning resets the counters of the batches of an epoch a moment after `on_train_epoch_start`; a checkpoint
    from that hook must say the same, or the restarted epoch counts as already done."""
    for key in ("epoch_loop.batch_progress", "epoch_loop.scheduler_progress", "epoch_loop.val_loop.batch_progress"):
        progress = fit_loop[key]
        progress["current"] = dict.fromkeys(progress["current"], 0)
        if "is_last_batch" in progress:
            progress["is_last_batch"] = False
    optimizer = fit_loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    for key in ("step", "zero_grad"):
        optimizer[key]["current"] = dict.fromkeys(optimizer[key]["current"], 0)
