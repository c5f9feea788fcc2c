"""sensorium train -m: one table at the end, with mean and standard deviation over seeds."""

import csv
import json
import shlex
import statistics
from pathlib import Path

import pytest

from command import run_command
from sensorium.cli.sweep import summary

TINY = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "threads=1")


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("sweep")
    result = run_command(["train", "seed=1,2", "-m", "model=lenet,perceptron", *TINY], folder)  # -m may stand anywhere
    assert (result.status, result.stderr) == (0, "")
    return folder, result.stdout


def table_of(folder: Path) -> list[dict[str, str]]:
    (path,) = (folder / "runs" / "sweeps").glob("*/sweep.csv")
    return list(csv.DictReader(path.open()))


def test_one_row_for_the_jobs_that_differ_in_seed_only(swept):
    rows = table_of(swept[0])
    assert [(row["model"], row["seed"]) for row in rows] == [("lenet", "1 2"), ("perceptron", "1 2")]
    runs = [run for row in rows for run in row["run"].split()]
    assert len(set(runs)) == 4
    for row in rows:
        metrics = [json.loads((swept[0] / run / "metrics.json").read_text()) for run in row["run"].split()]
        for name in metrics[0]:
            a, b = (values[name] for values in metrics)
            # Two values: half their distance, times the square root of two, is what divides by N - 1 = 1.
            deviation = abs(a - b) / 2 * 2**0.5
            assert deviation == pytest.approx(statistics.stdev([a, b]), abs=1e-12)
            assert row[name.removeprefix("test/")] == f"{(a + b) / 2:.4f} ± {deviation:.4f}"


def test_the_table_and_the_command_that_repeats_the_best_are_printed(swept):
    folder, text = swept
    shown = text[text.rindex("\nsweep\n") :].splitlines()
    header = shown[2].split()
    assert header[:3] == ["model", "seed", "accuracy"]
    for line, row in zip(shown[3:5], table_of(folder), strict=True):
        assert line.startswith(row["model"])
        assert row["accuracy"] in line
    said = dict(line.split(": ", 1) for line in shown[5:] if ": " in line)
    accuracy = {
        run: json.loads((folder / run / "metrics.json").read_text())["test/accuracy"]
        for row in table_of(folder)
        for run in row["run"].split()
    }
    assert accuracy[said["best"]] == max(accuracy.values())
    repeat = shlex.split(said["repeat it"])
    result = run_command([*repeat[1:], "run_root=again"], folder)
    assert result.status == 0
    (metrics,) = (folder / "again").rglob("metrics.json")
    assert metrics.read_text() == (folder / said["best"] / "metrics.json").read_text()
    assert (folder / said["as CSV"]).is_file()


def test_a_range_and_one_choice(tmp_path):
    arguments = ["train", "-m", "seed=range(0,3)", "model=perceptron", "test=false", *TINY]
    result = run_command(arguments, tmp_path)
    assert (result.status, result.stderr) == (0, "")
    (row,) = table_of(tmp_path)
    assert row["seed"] == "0 1 2"
    assert "model" not in row
    assert len(set(row["run"].split())) == 3


def test_summary_by_hand():
    def job(overrides: str, accuracy: float | None) -> dict:
        end = {"error": "bad\nvery"} if accuracy is None else {"run": overrides, "metrics": {"test/accuracy": accuracy}}
        return {"overrides": overrides.split(), **end}

    jobs = [job("lr=1 seed=1", 0.5), job("lr=1 seed=2", 0.7), job("lr=2 seed=1", 0.9), job("lr=2 seed=2", None)]
    first, second = summary(jobs)
    # Mean 0.6; squared distances 0.01 + 0.01 over N - 1 = 1, root 0.1414.
    assert first == {"lr": "1", "seed": "1 2", "accuracy": "0.6000 ± 0.1414", "run": "lr=1 seed=1 lr=1 seed=2"}
    assert second == {"lr": "2", "seed": "1 2", "accuracy": "0.9000", "run": "lr=2 seed=1", "failed": "bad"}


def test_folds_are_repeats_of_one_thing() -> None:
    jobs = [
        {"overrides": [f"dataset.fold={fold}"], "run": f"r{fold}", "metrics": {"test/accuracy": value}}
        for fold, value in enumerate((0.7, 0.8, 0.9))
    ]
    (row,) = summary(jobs)
    assert row == {"seed": "0", "fold": "0 1 2", "accuracy": "0.8000 ± 0.1000", "run": "r0 r1 r2"}


def test_a_failed_job_is_in_the_table_and_the_others_run(tmp_path):
    result = run_command(["train", "-m", "model=airbench_cnn,perceptron", *TINY], tmp_path)
    assert result.status == 1
    assert "not 8x8" in result.stdout
    refused, trained = table_of(tmp_path)
    assert (refused["model"], refused["run"]) == ("airbench_cnn", "")
    assert "not 8x8" in refused["failed"]
    assert (trained["model"], trained["failed"]) == ("perceptron", "")


def test_a_sweep_of_which_every_job_is_refused_is_a_wrong_request(tmp_path):
    result = run_command(["train", "-m", "seed=1,2", "model=airbench_cnn", *TINY], tmp_path)
    assert result.status == 2
    assert "not 8x8" in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
