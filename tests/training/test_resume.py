"""Exact resume: real training processes are ended at many moments, and end up where one that never was ends up."""

import random
import signal
from pathlib import Path

import pytest

from command import Result, run_command
from sensorium.runs import RunFolder
from trainings import differences, opened, stored_calibration

# 41 steps an epoch, the last of 15 examples; 123 in all; last.ckpt at every seventh and at each epoch's start.
SETTINGS = (
    "model.width=8",
    "model.dropout=0.3",
    "batch_size=32",
    "augment=crop",
    "scheduler=cosine",
    "workers=2",
    "trainer.max_epochs=3",
    "callbacks=ema",
    "callbacks.checkpoints.every_n_steps=7",
    "test=false",
    "run_root=runs",
)

# Sends this very process a signal, before anything is saved at that moment.
KILLER = '''
import os
import pathlib
import subprocess
import lightning.pytorch as pl


class After(pl.Callback):
    """A process of its own that ends this one after some seconds, whatever it does by then."""

    def __init__(self, *, seconds: float):
        subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -9 {os.getpid()}"])


class Kill(pl.Callback):
    """at: step, validation, renaming (between the two renames of a save), epoch_end, train_end."""

    def __init__(self, *, at: str, step: int, signal_number: int):
        self.at, self.step, self.signal_number = at, step, signal_number

    def reached(self, at, trainer):
        if at == self.at and trainer.global_step >= self.step:
            os.kill(os.getpid(), self.signal_number)

    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == self.step:
            self.reached("step", trainer)

    def on_validation_batch_start(self, trainer, *rest):
        self.reached("validation", trainer)

    def on_train_epoch_end(self, trainer, module):
        self.reached("epoch_end", trainer)

    def on_fit_end(self, trainer, module):
        self.reached("train_end", trainer)

    def on_train_start(self, trainer, module):
        rename = pathlib.Path.replace

        def replace(path, target):
            done = rename(path, target)
            if str(target).endswith("previous.ckpt"):
                self.reached("renaming", trainer)
            return done

        pathlib.Path.replace = replace
'''


def killed_at(step: int, at: str = "step", signal_number: int = signal.SIGKILL) -> tuple[str, ...]:
    return (
        "+callbacks.kill._target_=killer.Kill",
        f"+callbacks.kill.at={at}",
        f"+callbacks.kill.step={step}",
        f"+callbacks.kill.signal_number={int(signal_number)}",
    )


def run_of(folder: Path) -> RunFolder:
    """The one run that was started in this folder."""
    (found,) = (folder / "runs").glob("*/*")
    return RunFolder(found)


def interrupted(folder: Path, *moment: str, settings: tuple[str, ...] = SETTINGS) -> Result:
    """A run that is ended at this moment."""
    (folder / "killer.py").write_text(KILLER)
    return run_command(["train", *settings, *moment], folder)


def killed(folder: Path, *moment: str, settings: tuple[str, ...] = SETTINGS) -> RunFolder:
    result = interrupted(folder, *moment, settings=settings)
    assert result.status == -signal.SIGKILL, result.stderr
    return run_of(folder)


def resumed(folder: Path, *overrides: str) -> Result:
    return run_command(["train", f"resume={run_of(folder).folder}", *overrides], folder)


def finished(folder: Path, *overrides: str) -> Result:
    """The end of a run, without the killer."""
    result = resumed(folder, "callbacks.kill=null", *overrides)
    assert result.status == 0, result.stderr
    return result


def assert_same_end(run: RunFolder, whole: RunFolder) -> None:
    """Weights, average, optimiser, counters, history and calibration to the last bit."""
    a, b = opened(run.last), opened(whole.last)
    for checkpoint in (a, b):
        del checkpoint["sensorium"], checkpoint["seconds"]  # the config, in which the killer is named; the time it took
    assert differences(a, b) == []
    assert differences(opened(run.best)["state_dict"], opened(whole.best)["state_dict"]) == []
    assert run.history.read_text() == whole.history.read_text()
    assert stored_calibration(whole.best) is not None
    assert differences(stored_calibration(run.best), stored_calibration(whole.best)) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    assert run_command(["train", *SETTINGS], folder).status == 0
    run = run_of(folder)
    last = opened(run.last)
    assert last["global_step"] == 123
    assert {"state_dict", "training_weights", "average", "optimizer_states", "lr_schedulers"} <= last.keys()
    assert len(run.history.read_text().splitlines()) == 4
    return run


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((3,), marks=pytest.mark.slow),  # before the first checkpoint
        (7,),  # before the very first save
        pytest.param((41,), marks=pytest.mark.slow),  # the last of an epoch
        (42,),  # the first of an epoch
        (8, 23, 40, 64, 99),  # one run, ended five times
        pytest.param((14, 16, 82, 84, 122), marks=pytest.mark.slow),
        (123,),  # the last of all
    ],
    ids=str,
)
def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path, whole: RunFolder, steps: tuple[int, ...]) -> None:
    run = killed(tmp_path, *killed_at(steps[0]))
    for step in steps[1:]:
        assert resumed(tmp_path, f"callbacks.kill.step={step}").status == -signal.SIGKILL
    finished(tmp_path)
    assert_same_end(run, whole)


@pytest.mark.parametrize(
    ("at", "step"),
    [
        ("validation", 41),
        ("epoch_end", 82),
        ("renaming", 50),
        pytest.param("renaming", 82, marks=pytest.mark.slow),
        pytest.param("train_end", 123, marks=pytest.mark.slow),
    ],
)
def test_killed_outside_a_step(tmp_path: Path, whole: RunFolder, at: str, step: int) -> None:
    run = killed(tmp_path, *killed_at(step, at))
    finished(tmp_path)
    assert_same_end(run, whole)


def test_killed_from_outside_at_any_moment(tmp_path: Path, whole: RunFolder) -> None:
    delays = random.Random()  # not seeded: over many runs of this test it visits every part of the program
    after = ("+callbacks.kill._target_=killer.After", f"+callbacks.kill.seconds={delays.uniform(0, 0.5)}")
    # A fast machine may be done before; nothing may change then either.
    assert interrupted(tmp_path, *after).status in (0, -signal.SIGKILL)
    run = run_of(tmp_path)
    for _ in range(2):
        assert resumed(tmp_path, f"callbacks.kill.seconds={delays.uniform(0, 0.5)}").status in (0, -signal.SIGKILL)
    finished(tmp_path)
    assert_same_end(run, whole)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_saves_that_very_step(tmp_path: Path, whole: RunFolder, number: int, status: int) -> None:
    result = interrupted(tmp_path, *killed_at(17, signal_number=number))
    run = run_of(tmp_path)
    assert result.status == status
    place = run.folder.relative_to(tmp_path)
    assert result.stderr == f"sensorium: Stopped at step 17. Resume with: sensorium train resume={place}\n"
    assert opened(run.last)["global_step"] == 17
    finished(tmp_path)
    assert_same_end(run, whole)


@pytest.mark.parametrize("step", [41, 123])
def test_asked_to_stop_at_the_end_of_an_epoch(tmp_path: Path, whole: RunFolder, step: int) -> None:
    assert interrupted(tmp_path, *killed_at(step, signal_number=signal.SIGTERM)).status == 143
    run = run_of(tmp_path)
    last = opened(run.last)
    assert (last["global_step"], last["epoch"]) == (step, step // 41)
    assert len(run.history.read_text().splitlines()) == 1 + step // 41  # the epoch was finished first
    finished(tmp_path)
    assert_same_end(run, whole)


def test_a_second_interrupt_ends_at_once_and_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    once = killed_at(9, signal_number=signal.SIGINT)
    result = interrupted(tmp_path, *once, *(item.replace("callbacks.kill", "callbacks.again") for item in once))
    assert result.status == 130
    assert result.stderr == "sensorium: stopped.\n"
    assert opened(run_of(tmp_path).last)["global_step"] == 7


def test_a_truncated_checkpoint_is_recognised_and_the_one_before_it_used(tmp_path: Path, whole: RunFolder) -> None:
    run = killed(tmp_path, *killed_at(60))
    assert (opened(run.last)["global_step"], opened(run.previous)["global_step"]) == (56, 49)
    content = run.last.read_bytes()
    run.last.write_bytes(content[: len(content) // 2])
    result = finished(tmp_path)
    assert "last.ckpt is incomplete; resuming from previous.ckpt, the previous one." in result.stdout
    assert_same_end(run, whole)


def test_without_any_checkpoint_that_can_be_read_it_starts_again(tmp_path: Path, whole: RunFolder) -> None:
    run = killed(tmp_path, *killed_at(60))
    run.last.write_bytes(b"")
    run.previous.write_bytes(b"PK\3\4 and no more")
    refused = resumed(tmp_path, "callbacks.kill=null")
    assert (refused.status, refused.stderr) == (2, (
        "sensorium: last.ckpt and previous.ckpt cannot be read: this run can only start again from the beginning.\n"
        "To start again, add resume_from_start=true.\n"
    ))  # fmt: skip
    assert run.last.read_bytes() == b""
    result = finished(tmp_path, "resume_from_start=true")
    assert "last.ckpt and previous.ckpt cannot be read; starting from the beginning." in result.stdout
    assert_same_end(run, whole)
    assert (run.checkpoints / "previous.unreadable").read_bytes() == b"PK\3\4 and no more"


def test_another_model_is_refused_and_the_run_stays_as_it_was(tmp_path: Path) -> None:
    run = killed(tmp_path, *killed_at(60))
    before = {
        path: path.read_bytes()
        for path in run.folder.rglob("*")
        if path.is_file() and path.name not in ("train.log", ".lock")
    }
    refused = resumed(tmp_path, "callbacks.kill=null", "model.width=7")
    assert refused.status == 2
    assert "The model does not fit the run's checkpoint: size mismatch for model." in refused.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("workers", [*(pytest.param(count, marks=pytest.mark.slow) for count in (0, 1)), 3])
def test_the_number_of_workers_does_not_matter(tmp_path: Path, whole: RunFolder, workers: int) -> None:
    run = killed(tmp_path, *killed_at(60))
    finished(tmp_path, f"workers={workers}")
    assert_same_end(run, whole)


@pytest.mark.slow
def test_the_metrics_of_the_test_split_are_the_same_too(tmp_path: Path) -> None:
    settings = (*SETTINGS, "test=true", "trainer.max_epochs=1")
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    assert run_command(["train", *settings], tmp_path / "whole").status == 0
    expected = run_of(tmp_path / "whole").metrics.read_text()
    run = killed(tmp_path / "cut", *killed_at(20), settings=settings)
    assert not run.metrics.exists()
    finished(tmp_path / "cut")
    assert run.metrics.read_text() == expected
    run.metrics.unlink()
    again = finished(tmp_path / "cut")  # a finished run is evaluated again, and not trained
    assert "nothing left to train" in again.stdout
    assert run.metrics.read_text() == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "variant",
    [
        ("trainer.accumulate_grad_batches=2",),
        ("scheduler=plateau", "scheduler.patience=0"),
        ("callbacks=ema_early_stopping", "callbacks.early_stopping.patience=1"),
        ("trainer.val_check_interval=0.5",),
        ("optimizer=muon",),
        ("augment=mixup", "augment.transforms.flip=null"),
        ("callbacks=default", "optimizer=sgd"),
    ],
    ids=lambda variant: variant[0],
)
def test_variants(tmp_path: Path, variant: tuple[str, ...]) -> None:
    settings = (*SETTINGS, *variant)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    assert run_command(["train", *settings], tmp_path / "whole").status == 0
    run = killed(tmp_path / "cut", *killed_at(18), settings=settings)
    for step in (44, 58):
        assert resumed(tmp_path / "cut", f"callbacks.kill.step={step}").status == -signal.SIGKILL
    finished(tmp_path / "cut")
    assert_same_end(run, run_of(tmp_path / "whole"))
