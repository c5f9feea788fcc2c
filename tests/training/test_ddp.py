"""Two real processes on one machine train as one: same weights, every example once, one run folder."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from command import run_command, run_process, stored_metrics
from groups import SETTINGS, WATCHED, WATCHER, assert_like_one_process, rows_of, run_of, seen, sent
from sensorium import checkpoint, evaluation
from sensorium.runs import RunFolder
from trainings import config_in, data_of, differences, opened, stored_calibration, two_cores

pytestmark = two_cores

TWO = ("strategy=ddp", "trainer.devices=2", "accelerator=cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have trained and evaluated."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "watcher.py").write_text(WATCHER)
    result = run_command(["train", *TWO, *SETTINGS, "batch_size=16", WATCHED], folder)
    assert result.status == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.count("\n  1/2 ") == result.stdout.count("run folder: ") == 1
    return folder


def test_it_ends_like_one_process_with_both_their_batches(folder: Path, tmp_path: Path) -> None:
    assert_like_one_process(run_of(folder), tmp_path)


def test_both_end_with_the_same_weights(folder: Path) -> None:
    first, second = (json.loads((folder / f"seen_{rank}.json").read_text())["weights"] for rank in (0, 1))
    assert first == second


def test_each_global_batch_is_shared_out(folder: Path) -> None:
    first, second = seen(folder, "train")
    assert [len(rows) for rows in first] == [len(rows) for rows in second] == [16] * 20
    both = [row for batches in (first, second) for rows in batches for row in rows]
    assert len(both) == len(set(both)) == 640


def test_validation_sees_each_example_once(folder: Path) -> None:
    first, second = seen(folder, "val")
    both = sorted(row for batches in (first, second) for rows in batches for row in rows)
    assert both == list(range(len(data_of(config_in(run_of(folder))).val)))
    assert len(first) == 3
    assert len(second) == 2  # five batches for two


def test_one_run_folder_with_the_numbers_that_eval_finds(folder: Path) -> None:
    run = run_of(folder)
    assert len(rows_of(run)) == 2
    result = run_command(["eval", f"ckpt={run.best}", "format=json", "accelerator=cpu"], folder)
    assert json.loads(result.stdout) == stored_metrics(run.metrics)
    predictions = (run.folder / "predictions.csv").read_text().splitlines()
    assert len(predictions) == 1 + len(data_of(config_in(run)).test)


def test_one_calibration_of_all_that_both_saw(folder: Path) -> None:
    """That of one process on the same weights, to the last bit; it serves the test, and all of validation is in it."""
    run = run_of(folder)
    config, data = config_in(run), data_of(config_in(run))
    alone = evaluation.calibrated(
        checkpoint.read(run.best), data.val, config=config, device=torch.device("cpu"), trust=False
    )
    both = stored_calibration(run.best)
    assert both is not None
    assert both["measured"] == len(both["scores"]) == len(data.val)
    assert differences(both, alone.to_dict()) == []


@pytest.mark.slow
def test_asked_to_stop_both_stop_and_go_on_exactly(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "watcher.py").write_text(WATCHER)
    arguments = ["train", *TWO, *SETTINGS, "batch_size=16", WATCHED, *sent(signal.SIGTERM, step=13, parent=True)]
    result = run_command(arguments, tmp_path)
    run = run_of(tmp_path)
    assert result.status == 143
    assert (
        result.stderr.splitlines()[-1] == f"sensorium: The 2 processes stopped; see {run.folder.relative_to(tmp_path)}."
    )
    assert result.stderr.count("Stopped at step 1") == 1
    assert 13 <= opened(run.last)["global_step"] <= 15  # the signal goes round by way of the parent

    result = run_command(["train", f"resume={run.folder}", "callbacks.signal=null"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    whole = run_of(folder)
    a, b = opened(run.last), opened(whole.last)
    for kept in (a, b):
        del kept["sensorium"], kept["seconds"]
    assert differences(a, b) == []
    assert run.history.read_text() == whole.history.read_text()
    assert run.metrics.read_text() == whole.metrics.read_text()
    assert differences(stored_calibration(run.best), stored_calibration(whole.best)) == []


def orphaned(folder: Path, number: int, *more: str) -> tuple[int, str]:
    """Status and output of a training whose parent process got a signal at step 13, when all its processes have ended.

    That is when nobody holds the other end of standard output. The timeout is for a group that would train on.
    """
    (folder / "watcher.py").write_text(WATCHER)
    endless = (
        *SETTINGS,
        "batch_size=16",
        "trainer.max_epochs=1000000",
        "trainer.max_time=00:00:02:00",
        *sent(number, step=13, parent=True),
    )
    command = [sys.executable, "-m", "sensorium", "train", *TWO, *endless, *more]
    parent = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = parent.communicate(timeout=100)
    finally:
        parent.kill()
    return parent.returncode, output


@pytest.mark.slow
def test_when_their_parent_is_killed_both_stop_with_a_checkpoint(tmp_path: Path) -> None:
    status, output = orphaned(tmp_path, signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert f"Stopped at step {opened(run_of(tmp_path).last)['global_step']}. " in output


@pytest.mark.slow
def test_when_their_parent_is_killed_both_end_though_one_hangs_and_one_waits_for_it(tmp_path: Path) -> None:
    hang = ("+callbacks.hang._target_=watcher.Hang", "+callbacks.hang.step=13")
    status, output = orphaned(tmp_path, signal.SIGKILL, *hang)
    assert status == -signal.SIGKILL
    assert "Stopped" not in output
    assert not run_of(tmp_path).last.exists()


@pytest.mark.slow
def test_a_hangup_is_passed_on(tmp_path: Path) -> None:
    status, output = orphaned(tmp_path, signal.SIGHUP)
    assert status == 129
    assert f"Stopped at step {opened(run_of(tmp_path).last)['global_step']}. " in output


@pytest.mark.slow
def test_when_one_process_is_killed_the_other_does_not_wait_for_ever(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "watcher.py").write_text(WATCHER)
    settings = (*TWO, *SETTINGS, "batch_size=16", "callbacks.checkpoints.every_n_steps=7")
    result = run_process(["train", *settings, *sent(signal.SIGKILL, step=25, parent=False)], tmp_path)
    assert result.status in (1, 137)  # whichever of the two is seen to fail first
    run = run_of(tmp_path)
    assert opened(run.last)["global_step"] == 21
    assert run_process(["train", f"resume={run.folder}", "callbacks.signal=null"], tmp_path).status == 0
    assert differences(opened(run.last)["state_dict"], opened(run_of(folder).last)["state_dict"]) == []


@pytest.mark.slow
def test_started_by_torchrun(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "sensorium"]
    (tmp_path / "watcher.py").write_text(WATCHER)
    arguments = ["train", "accelerator=cpu", *SETTINGS, "batch_size=16", WATCHED]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr.decode()
    run, other = run_of(tmp_path), run_of(folder)
    assert differences(opened(run.last)["state_dict"], opened(other.last)["state_dict"]) == []
    assert run.metrics.read_text() == other.metrics.read_text()


@pytest.mark.slow
def test_as_jobs_of_a_sweep(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "watcher.py").write_text(WATCHER)
    result = run_process(["train", "-m", "seed=0,1", *TWO, *SETTINGS, "batch_size=16", WATCHED], tmp_path)
    assert result.status == 0, result.stderr
    first, second = sorted((tmp_path / "runs" / "digits_mlp").iterdir())
    assert RunFolder(first).metrics.read_text() == run_of(folder).metrics.read_text()
    assert RunFolder(second).metrics.read_text() != RunFolder(first).metrics.read_text()
    (table,) = (tmp_path / "runs" / "sweeps").glob("*/sweep.csv")
    (row,) = csv.DictReader(table.open())
    assert (row["n"], len(row["run"].split(";"))) == ("2", 2)
    assert float(row["test/accuracy_std"]) > 0


@pytest.mark.slow
def test_running_means_and_averages_are_the_first_process_s(tmp_path: Path) -> None:
    """A model with batch norm and an average: what was validated is what was saved."""
    settings = ("model=small_cnn", "model.width=4", "callbacks=ema", "trainer.max_epochs=1", "eval_batch_size=50",
                "run_root=runs", "test=false")  # fmt: skip
    result = run_process(["train", *TWO, *settings, "batch_size=16"], tmp_path)
    assert result.status == 0, result.stderr
    run = run_of(tmp_path)
    found = run_command(["eval", f"ckpt={run.best}", "split=val", "format=json", "accelerator=cpu"], tmp_path)
    (row,) = rows_of(run)
    assert json.loads(found.stdout)["val/accuracy"] == pytest.approx(float(row["val/accuracy"]), abs=1e-6)
    assert json.loads(found.stdout)["val/loss"] == pytest.approx(float(row["val/loss"]), rel=1e-4)


@pytest.mark.slow
def test_a_wrong_request_is_refused_once(tmp_path: Path) -> None:
    result = run_process(["train", *TWO, *SETTINGS, "dataset.val_fraction=2"], tmp_path)
    assert result.status == 2
    assert result.stderr.splitlines() == [
        "sensorium: dataset.val_fraction=2 leaves a split empty; give a number between 0 and 1, such as 0.1.",
        "sensorium: The training on 2 processes did not start, for the reason above.",
    ]
    assert not (tmp_path / "runs" / "digits_mlp").exists()
