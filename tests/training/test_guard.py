"""A loss that is not a number ends the run, and says where it came from."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from command import run_command
from sensorium.batches import ImageBatch
from sensorium.errors import RunError
from sensorium.runs import RunFolder
from sensorium.training.guard import LossGuard
from trainings import TINY, opened, trained


def batch_of(*rows: int) -> ImageBatch:
    count = len(rows)
    return ImageBatch(torch.zeros(count, 1, 2, 2), torch.zeros(count, dtype=torch.long), torch.tensor(rows))


def trainer_at(step: int) -> SimpleNamespace:
    names = [f"photos/{number}.jpg" for number in range(20)]
    split = SimpleNamespace(names=names)
    return SimpleNamespace(global_step=step, train_dataloader=SimpleNamespace(split=split))


SPOILER = """
import lightning.pytorch as pl
import torch


class Spoiler(pl.Callback):
    def on_train_batch_end(self, trainer, pl_module, *rest):
        with torch.no_grad():
            for parameter in pl_module.model.parameters():
                parameter.mul_(1e30)
"""
SPOILED = "+callbacks.spoil._target_=spoiler.Spoiler"  # finite weights after the first step, and no finite output


def test_the_command_fails_with_the_step_the_files_and_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "spoiler.py").write_text(SPOILER)
    result = run_command(["train", *TINY, SPOILED, "callbacks.checkpoints.every_n_steps=1"], tmp_path)
    assert result.status == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("sensorium: The loss became nan at step 2, in the batch of: digits[")
    assert first.count("digits[") == 8
    assert first.endswith("] ... and 8 more.")
    (folder,) = (tmp_path / "runs" / "digits_mlp").iterdir()
    last = RunFolder(folder).last
    assert f"The last good checkpoint is {last.relative_to(tmp_path)}. " in second
    assert opened(last)["global_step"] == 1
    assert not RunFolder(folder).metrics.exists()


def test_infinity_counts_too() -> None:
    guard = LossGuard(run=RunFolder(Path("nowhere")))
    guard.on_train_batch_end(trainer_at(6), None, {"loss": torch.tensor(3.0)}, batch_of(1, 2), 5)
    with pytest.raises(RunError) as caught:
        guard.on_train_batch_end(trainer_at(7), None, {"loss": torch.tensor(-float("inf"))}, batch_of(3, 9), 6)
    assert str(caught.value) == (
        "The loss became -inf at step 7, in the batch of: photos/3.jpg, photos/9.jpg.\n"
        "No checkpoint had been written yet. A smaller lr or trainer.gradient_clip_val=1.0 often helps."
    )
    assert caught.value.exit_status == 1


def test_the_validation_after_the_last_step_counts_too(tmp_path: Path) -> None:
    """No loss of a batch comes after the step that spoils the weights, and no checkpoint may be kept of them."""
    (tmp_path / "spoiler.py").write_text(SPOILER)
    result = run_command(["train", *TINY, SPOILED, "trainer.max_epochs=1", "trainer.limit_train_batches=1"], tmp_path)
    assert result.status == 1
    assert result.stderr.startswith("sensorium: The validation loss became nan at step 1.\nNo checkpoint had been")
    assert not list(tmp_path.rglob("*.ckpt"))


def test_elsewhere_than_on_the_cpu_the_loss_is_looked_at_one_step_later() -> None:
    class OnDevice(torch.Tensor):
        """A number on the CPU that says it is not."""

        @property
        def device(self) -> torch.device:
            return torch.device("cuda")

    bad = torch.tensor(float("nan")).as_subclass(OnDevice)
    good = torch.tensor(1.0).as_subclass(OnDevice)
    guard = LossGuard(run=RunFolder(Path("nowhere")))
    guard.on_train_batch_end(trainer_at(1), None, bad, batch_of(4), 0)
    with pytest.raises(RunError, match=r"at step 1, in the batch of: photos/4.jpg\."):
        guard.on_train_batch_end(trainer_at(2), None, good, batch_of(5), 1)

    guard = LossGuard(run=RunFolder(Path("nowhere")))
    guard.on_train_batch_end(trainer_at(1), None, bad, batch_of(4), 0)
    with pytest.raises(RunError, match="at step 1"):
        guard.on_train_epoch_end(trainer_at(1), None)


def test_a_sound_training_is_left_alone(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "trainer.max_epochs=1")
    assert opened(run.last)["global_step"] == 6
