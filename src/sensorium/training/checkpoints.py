"""best.ckpt and last.ckpt: when they are written, and from which moments a run resumes exactly.

Lightning's own restart has many stages, one for each hook a checkpoint may come from, and some repeat or leave out
work. Here `last.ckpt` is written at two moments only: after an optimizer step inside an epoch, and at the start of an
epoch when everything of the one before is done. Both restart exactly (docs/decisions/0003).
"""

import math
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from sensorium import checkpoint as files
from sensorium.distributed import own_rows
from sensorium.errors import RequestError
from sensorium.runs import RunFolder
from sensorium.training.interrupts import Interrupted, StopRequest

ONLY_FOR_RESUMING = (
    "optimizer_states",
    "lr_schedulers",
    "loops",
    "callbacks",
    "callback_metrics",
    "stopped",
    "seconds",
    "training_weights",
    "average",
)


class Checkpoints(pl.Callback):
    """Keeps the best and the last state of a run.

    run: where. about: config and spec, stored in every checkpoint. monitor, mode: what best means ("max" or "min").
    Of two that are equal by it, as accuracies of 1 are, or for which it is undefined, the lower val/loss is better; of
    equal ones, the later. started: when this process began with the run, by time.perf_counter.
    every_seconds, every_n_steps: how often last.ckpt is written inside an epoch; None for not by this clock.
    keep_epochs: of how many of the newest epochs epoch_N.ckpt stays too, to be averaged. Raises RequestError for a
    number below what it counts.
    """

    def __init__(
        self,
        *,
        run: RunFolder,
        about: dict[str, Any],
        stop: StopRequest,
        started: float,
        monitor: str,
        mode: str,
        every_seconds: float | None,
        every_n_steps: int | None,
        keep_epochs: int,
    ) -> None:
        for name, value, least in (("every_seconds", every_seconds, 0), ("every_n_steps", every_n_steps, 1)):
            if value is not None and value < least:
                raise RequestError(f"callbacks.checkpoints.{name}={value} is not possible: from {least}, or null.")
        if keep_epochs < 0:
            raise RequestError(f"callbacks.checkpoints.keep_epochs={keep_epochs} is not possible: 0 or more.")
        self.run, self.about, self.stop = run, about, stop
        self.monitor, self.mode = monitor, mode
        self.every_seconds, self.every_n_steps = every_seconds, every_n_steps
        self.keep_epochs = keep_epochs
        self.best: float | None = None
        self.best_loss = math.inf  # val/loss of the same moment
        self.best_epoch: int | None = None  # of the same moment, counted from 1
        self.earlier_seconds = 0.0  # that the run took before it was gone on with
        self._started = started
        self._for_prediction = False
        self._at_epoch_start = False
        self._saved_at = time.monotonic()
        self._metrics: dict[str, torch.Tensor] = {}
        self._stopped = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.stop.listen()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # A run that early stopping had ended stays ended; Lightning does not remember it.
        trainer.should_stop = self._stopped and bool(trainer.early_stopping_callbacks)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Again: Lightning has put its own handler for SIGTERM in place since.
        self.stop.listen()
        # What validation found before the interruption: the history, the plateau scheduler and early stopping read it.
        trainer.callback_metrics.update(self._metrics)
        loop = trainer.fit_loop
        # Lightning calls the whole epoch after a restart restarting, and then leaves out the plateau scheduler's step.
        loop._restarting = False
        if loop.epoch_loop.batch_progress.current.ready == 0:
            loop.epoch_loop.restarting = False

    # -- when

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch > 0:
            self._save_last(trainer, at_epoch_start=True)
        self._stop_if_asked(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loop = trainer.fit_loop.epoch_loop
        # Not in the middle of a step, and not where more of the epoch follows than its next batch: a restart from here
        # would not know whether validation or the end of the epoch had been.
        fetcher: Any = trainer.fit_loop._data_fetcher
        if loop._should_accumulate() or loop._is_training_done or loop._should_check_val_fx(fetcher):
            return
        asked = self._is_asked(trainer)  # once: a signal may come at any moment, and what it asks is to save and stop
        if asked or self._is_due(trainer):
            self._save_last(trainer, at_epoch_start=False)
        if asked:
            self._stop(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or not trainer.fit_loop.epoch_loop.batch_progress.total.ready:
            return
        value = float(trainer.callback_metrics[self.monitor])
        loss = float(trainer.callback_metrics.get("val/loss", math.inf))
        if self._is_better(value, loss):
            self._save_best(trainer, value if math.isfinite(value) else None, loss)
        if self.keep_epochs:
            self._save_epoch(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.best is None and math.isinf(self.best_loss):  # nothing was validated: the last weights are all there is
            self._save_best(trainer, None, math.inf)
        self._save_last(trainer, at_epoch_start=True)
        self._stop_if_asked(trainer)

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
            self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        raise Interrupted(
            f"Stopped at step {trainer.global_step}. Resume with: sensorium train resume={self.run.folder}",
            self.stop.signal_number or 15,
        )

    # -- what

    def _is_better(self, value: float, loss: float) -> bool:
        """Than the best so far, which came earlier. A loss that is NaN is no better than any.

        A metric that is undefined on these examples (R² of equal targets, the precision of a tag that none has) leaves
        it to the loss.
        """
        if not math.isfinite(value):
            return self.best is None and math.isfinite(loss) and loss <= self.best_loss
        if self.best is None or value != self.best:
            return self.best is None or (value > self.best if self.mode == "max" else value < self.best)
        return loss <= self.best_loss

    def _save_best(self, trainer: pl.Trainer, value: float | None, loss: float) -> None:
        if _is_sound(trainer):
            self.best, self.best_loss = value, math.inf if math.isnan(loss) else loss
            self.best_epoch = None if value is None and math.isinf(loss) else trainer.current_epoch + 1
            self._save_for_prediction(trainer, self.run.best)

    def _save_epoch(self, trainer: pl.Trainer) -> None:
        if _is_sound(trainer):
            self._save_for_prediction(trainer, self._epoch_file(trainer.current_epoch))
            trainer.strategy.remove_checkpoint(self._epoch_file(trainer.current_epoch - self.keep_epochs))

    def _epoch_file(self, epoch: int) -> Path:
        return self.run.checkpoints / f"epoch_{epoch + 1}.ckpt"

    def _save_for_prediction(self, trainer: pl.Trainer, path: Path) -> None:
        self._for_prediction = True
        trainer.save_checkpoint(path)
        self._for_prediction = False

    def _save_last(self, trainer: pl.Trainer, *, at_epoch_start: bool) -> None:
        if _is_sound(trainer):
            self._at_epoch_start = at_epoch_start
            trainer.save_checkpoint(self.run.last)
            self._saved_at = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[files.KEY] = self.about
        checkpoint["callback_metrics"] = {name: value.cpu() for name, value in trainer.callback_metrics.items()}
        checkpoint["stopped"] = trainer.should_stop
        checkpoint["seconds"] = self.earlier_seconds + time.perf_counter() - self._started
        if self._for_prediction:
            for key in ONLY_FOR_RESUMING:
                checkpoint.pop(key, None)
        elif self._at_epoch_start:
            _forget_finished_epoch(checkpoint["loops"]["fit_loop"])

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._metrics, self._stopped = checkpoint["callback_metrics"], checkpoint["stopped"]
        self.earlier_seconds = checkpoint.get("seconds", 0.0)  # a run started with an earlier Sensorium has none

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_loss": self.best_loss, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        # A run started with an earlier Sensorium has neither.
        self.best_loss = state_dict.get("best_loss", math.inf)
        self.best_epoch = state_dict.get("best_epoch")


def _is_sound(trainer: pl.Trainer) -> bool:
    """Whether every weight is a number. What is not would take the place of the last good checkpoint."""
    state = map(own_rows, trainer.lightning_module.state_dict().values())
    values = (value for value in state if value.is_floating_point())
    sound = all(bool(torch.isfinite(value).all()) for value in values)
    return trainer.strategy.reduce_boolean_decision(sound) if trainer.world_size > 1 else sound


def _forget_finished_epoch(fit_loop: dict[str, Any]) -> None:
    """Makes Lightning's counters say that the epochs before are done and no other has begun, which is where it starts
    an epoch without any of its restart stages. (In `on_train_epoch_start` they are halfway into the new epoch, and it
    does not bring them back to the same place: lightning 2.6.6.)"""
    for counts in fit_loop["epoch_progress"].values():
        counts.update(dict.fromkeys(counts, counts["processed"]))
    for key in ("epoch_loop.batch_progress", "epoch_loop.scheduler_progress"):
        fit_loop[key]["current"] = dict.fromkeys(fit_loop[key]["current"], 0)
    fit_loop["epoch_loop.batch_progress"]["is_last_batch"] = False
    optimizer = fit_loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    for key in ("step", "zero_grad"):
        optimizer[key]["current"] = dict.fromkeys(optimizer[key]["current"], 0)
