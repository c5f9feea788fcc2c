"""A validation metric that is undefined on the examples there are leaves the choice of the best epoch to the loss."""

import math
from types import SimpleNamespace

import pytest
import torch

from sensorium.runs import RunFolder
from sensorium.training.checkpoints import Checkpoints
from sensorium.training.interrupts import StopRequest


class Recorded(Checkpoints):
    """Notes which epoch was best."""

    def _save_best(self, trainer, value, loss):  # type: ignore[no-untyped-def]
        self.best, self.best_loss, self.epoch = value, loss, trainer.current_epoch


def best_epoch(tmp_path, *validations: tuple[float, float], mode: str = "max") -> tuple[int, float | None]:
    """Of (metric, loss) of each epoch: the best one, from 0, and its metric."""
    kept = Recorded(
        run=RunFolder(tmp_path), about={}, stop=StopRequest(), started=0.0, monitor="val/r2", mode=mode,
        every_seconds=None, every_n_steps=None, keep_epochs=0,
    )  # fmt: skip
    ready = SimpleNamespace(total=SimpleNamespace(ready=1))
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=ready))
    for epoch, (metric, loss) in enumerate(validations):
        metrics = {"val/r2": torch.tensor(metric), "val/loss": torch.tensor(loss)}
        trainer = SimpleNamespace(sanity_checking=False, fit_loop=loop, callback_metrics=metrics, current_epoch=epoch)
        kept.on_validation_end(trainer, None)  # type: ignore[arg-type]
    return kept.epoch, kept.best


NAN = math.nan


@pytest.mark.parametrize(
    ("validations", "best"),
    [
        ([(NAN, 3.0), (NAN, 1.0), (NAN, 2.0)], (1, None)),
        ([(NAN, 1.0), (0.5, 3.0), (NAN, 0.5)], (1, 0.5)),  # what is defined is better than what is not
        ([(0.5, 1.0), (NAN, NAN)], (0, 0.5)),
        ([(NAN, 2.0), (NAN, NAN)], (0, None)),
    ],
)
def test_the_loss_decides_where_the_metric_is_undefined(tmp_path, validations, best) -> None:
    assert best_epoch(tmp_path, *validations) == best
