"""What a person sees: plain lines in a file, a bar on a terminal."""

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from sensorium.batches import ImageBatch, LanguageBatch, amount_in
from sensorium.training.progress import ProgressReport, epoch_line, resumed
from trainings import TINY, trained

ROW = {"epoch": 3, "step": 30, "train/loss": 0.41237, "val/accuracy": 0.9534, "lr": 0.1}


def test_an_epoch_in_one_line() -> None:
    line = epoch_line(ROW, epochs=10, seconds=12.06, speed=4960.4, unit="samples")
    assert line == "epoch  3/10  train/loss 0.4124  val/accuracy 0.9534  12.1 s  4,960 samples/s"


def test_a_loss_that_rounds_to_nothing_has_no_sign() -> None:
    assert "val/loss 0.0000" in epoch_line(ROW | {"val/loss": -1e-9}, epochs=10, seconds=1.0, speed=1.0, unit="samples")


def test_a_training_prints_one_plain_line_an_epoch(tmp_path: Path, capsys: object) -> None:
    trained(tmp_path, *TINY, "trainer.max_epochs=2")
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("epoch")]
    number = r"\d+\.\d{4}"
    pattern = (
        rf"epoch [12]/2  train/accuracy {number}  train/loss {number}  val/accuracy {number}  val/loss {number}"
        r"  \d+\.\d s  [\d,]+ samples/s"
    )
    assert len(lines) == 2
    assert all(re.fullmatch(pattern, line) for line in lines), lines
    assert "\x1b" not in out
    assert "\r" not in out


def trainer_at(epoch: int) -> SimpleNamespace:
    return SimpleNamespace(
        is_global_zero=True,
        current_epoch=epoch,
        max_epochs=3,
        num_training_batches=5,
        callback_metrics={"val/accuracy": torch.tensor(0.875)},
    )


def test_on_a_terminal_a_bar_shows_step_loss_metric_and_speed() -> None:
    screen = io.StringIO()
    report = ProgressReport(
        console=Console(file=screen, force_terminal=True, width=120), metric="val/accuracy", tested=True
    )
    report.on_train_start(trainer_at(1), None)
    report.on_train_epoch_start(trainer_at(1), None)
    batch = SimpleNamespace(indices=torch.zeros(16))
    report.on_train_batch_end(trainer_at(1), None, {"loss": torch.tensor(0.5)}, batch, 3)
    (task,) = report.bar.tasks
    assert (task.description, task.completed, task.total) == ("epoch 2/3", 4, 5)
    assert re.fullmatch(r"loss 0\.5000  val/accuracy 0\.8750  [\d,]+ samples/s", task.fields["detail"])
    report.report(ROW, epochs=3, processes=1)
    report.on_exception(trainer_at(1), None, RuntimeError())
    assert report.bar is None
    shown = screen.getvalue()
    assert "epoch 3/3" in shown
    assert "\x1b[?25h" in shown  # the cursor is back


def test_other_processes_draw_no_bar() -> None:
    report = ProgressReport(
        console=Console(file=io.StringIO(), force_terminal=True), metric="val/accuracy", tested=True
    )
    trainer = trainer_at(0)
    trainer.is_global_zero = False
    report.on_train_start(trainer, None)
    assert report.bar is None


def test_the_speed_counts_every_process() -> None:
    out = io.StringIO()
    report = ProgressReport(console=Console(file=out, width=200), metric="val/accuracy", tested=True)
    report.on_train_epoch_start(trainer_at(0), None)
    report._done = 1000
    report._epoch_started -= 10.0
    report.report(ROW, epochs=3, processes=4)
    assert re.search(r"10\.0 s  (400|39\d) samples/s", out.getvalue())


@pytest.mark.parametrize(
    ("epoch", "step", "stopped", "line"),
    [
        (5, 30, False, "resuming at epoch 6 of 15"),
        (15, 90, False, "nothing left to train after epoch 15; testing again"),
        (7, 100, False, "nothing left to train after epoch 7; testing again"),
        (7, 42, True, "nothing left to train after epoch 7; testing again"),
    ],
)
def test_where_a_run_goes_on(epoch: int, step: int, stopped: bool, line: str) -> None:
    trainer = SimpleNamespace(max_epochs=15, max_steps=100, early_stopping_callbacks=[object()])
    checkpoint = {"epoch": epoch, "global_step": step, "stopped": stopped}
    assert resumed(trainer, checkpoint, tested=True) == line


def test_the_speed_of_running_text_counts_tokens() -> None:
    tokens = torch.zeros(4, 32, dtype=torch.long)
    assert amount_in(LanguageBatch(tokens, tokens, torch.arange(4))) == (128, "tokens")
    assert amount_in(ImageBatch(torch.zeros(5, 1, 2, 2), torch.zeros(5), torch.arange(5))) == (5, "samples")
