"""What a person sees: plain lines in a file, a bar on a terminal."""

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from sensorium.batches import ImageBatch, LanguageBatch
from sensorium.tasks.language_modeling.module import LanguageModelingModule
from sensorium.tasks.training_module import TaskModule
from sensorium.training.progress import EpochTable, ProgressReport, clock, resumed
from trainings import TINY, trained

COUNTING = SimpleNamespace(amount=lambda batch: TaskModule.amount(None, batch))
ROW = {"epoch": 3, "step": 30, "train/loss": 0.41237, "val/accuracy": 0.9534, "lr": 0.1}


def table(**given: object) -> EpochTable:
    return EpochTable(**({"metric": "val/accuracy", "epochs": 10, "unit": "samples"} | given))


def test_a_row_below_its_header() -> None:
    header, row = table().lines(ROW, best=True, seconds=12.06, speed=4960.4)
    assert header == "epoch  train/loss  val/accuracy  best  seconds  samples/s     left"
    assert row == " 3/10      0.4124        0.9534     *     12.1      4,960     1:24"  # 7 epochs of 12.06 s


def test_the_header_comes_once_and_a_star_only_for_the_best() -> None:
    shown = table()
    shown.lines(ROW, best=True, seconds=1.0, speed=1.0)
    (row,) = shown.lines(ROW | {"epoch": 4}, best=False, seconds=1.0, speed=1.0)
    assert row.split() == ["4/10", "0.4124", "0.9534", "1.0", "1", "0:06"]


def test_of_quick_epochs_about_twenty_have_a_row_and_the_last_one_has() -> None:
    shown = table(epochs=65)
    with_row = [e for e in range(1, 66) if shown.lines(ROW | {"epoch": e}, best=False, seconds=0.5, speed=1.0)]
    assert with_row == [1, *range(4, 65, 4), 65]


def test_every_long_epoch_has_a_row() -> None:
    shown = table(epochs=65)
    assert all(shown.lines(ROW | {"epoch": e}, best=False, seconds=10.0, speed=1.0) for e in range(1, 66))


def test_without_a_number_of_epochs_there_is_no_time_left() -> None:
    _, row = table(epochs=-1).lines(ROW, best=False, seconds=1.0, speed=1.0)
    assert row.split() == ["3", "0.4124", "0.9534", "1.0", "1"]


@pytest.mark.parametrize("epochs", [3, 1000])
def test_many_metrics_leave_room_for_80_columns(epochs: int) -> None:
    metrics = {f"train/part_{n}": 0.5 for n in range(5)} | {"train/loss": 1.0, "val/loss": 2.0}
    row = {"epoch": 1, "step": 30, **metrics, "val/word_error_rate": 0.25, "lr": 0.1}
    lines = table(metric="val/word_error_rate", epochs=epochs).lines(row, best=True, seconds=1.0, speed=12345.6)
    assert [len(line) <= 80 for line in lines] == [True, True]
    assert {"train/loss", "val/word_error_rate"} <= set(lines[0].split())


def test_names_of_trackers_stay_out() -> None:
    header, _ = table().lines(ROW | {"lr-SGD/head.decay": 1.0, "step": 4}, best=False, seconds=1.0, speed=1.0)
    assert header.split() == ["epoch", "train/loss", "val/accuracy", "best", "seconds", "samples/s", "left"]


def test_a_loss_that_rounds_to_nothing_has_no_sign() -> None:
    _, row = table().lines({"epoch": 1, "val/loss": -1e-9}, best=False, seconds=1.0, speed=1.0)
    assert row.split()[1] == "0.0000"


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (7, "0:07"), (754, "12:34"), (3723, "1:02:03")])
def test_a_duration(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_training_prints_a_plain_table(tmp_path: Path, capsys: object) -> None:
    trained(tmp_path, *TINY, "trainer.max_epochs=2")
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if re.match(r"epoch|[12]/2", line.strip())]
    assert lines[0].split() == [
        "epoch",
        "train/loss",
        "val/accuracy",
        "val/loss",
        "best",
        "seconds",
        "samples/s",
        "left",
    ]
    number = r"\d+\.\d{4}"
    pattern = rf" *[12]/2 +{number} +{number} +{number} +\*? +\d+\.\d +[\d,]+ +\d:\d\d"
    assert len(lines) == 3
    assert all(re.fullmatch(pattern, line) for line in lines[1:]), lines
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
    report.on_train_batch_end(trainer_at(1), COUNTING, {"loss": torch.tensor(0.5)}, batch, 3)
    (task,) = report.bar.tasks
    assert (task.description, task.completed, task.total) == ("epoch 2/3", 9, 15)  # of the whole training
    assert re.fullmatch(r"loss 0\.5000  val/accuracy 0\.8750  [\d,]+ samples/s", task.fields["detail"])
    report.report(ROW, epochs=3, processes=1, best=True)
    report.on_exception(trainer_at(1), None, RuntimeError())
    assert report.bar is None
    shown = screen.getvalue()
    assert "3/3" in shown
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
    report.report(ROW, epochs=3, processes=4, best=False)
    assert re.search(r" 10\.0 +(400|39\d) ", out.getvalue())


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
    batch = LanguageBatch(tokens, tokens, torch.arange(4))
    assert LanguageModelingModule.amount(None, batch) == (128, "tokens")
    images = ImageBatch(torch.zeros(5, 1, 2, 2), torch.zeros(5), torch.arange(5))
    assert TaskModule.amount(None, images) == (5, "samples")
