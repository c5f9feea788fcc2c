"""sensorium train -m: one table at the end, with mean and standard deviation over seeds."""

import csv
import json
import re
import shlex
import statistics
from pathlib import Path

import pytest

from command import run_command
from sensorium.search.groups import best, grouped, narrowed

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
    assert [(row["model"], row["seed"]) for row in rows] == [("lenet", "1, 2"), ("perceptron", "1, 2")]
    runs = [run for row in rows for run in row["run"].split(";")]
    assert len(set(runs)) == 4
    for row in rows:
        metrics = [json.loads((swept[0] / run / "metrics.json").read_text()) for run in row["run"].split(";")]
        for name in metrics[0]:
            a, b = (values[name] for values in metrics)
            # Two values: half their distance, times the square root of two, is what divides by N - 1 = 1.
            deviation = abs(a - b) / 2 * 2**0.5
            assert deviation == pytest.approx(statistics.stdev([a, b]), abs=1e-12)
            assert float(row[name]) == pytest.approx((a + b) / 2, abs=1e-15)
            assert float(row[f"{name}_std"]) == pytest.approx(deviation, abs=1e-12)
            assert row["n"] == "2"


def test_the_table_and_the_command_that_repeats_the_best_are_printed(swept):
    folder, text = swept
    shown = text[text.rindex("\nsweep\n") :].splitlines()
    header = shown[2].split()
    assert header[:3] == ["model", "seed", "val/accuracy"]
    for line, row in zip(shown[3:5], table_of(folder), strict=True):
        assert line.startswith(row["model"])
        for name in ("val/accuracy", "test/accuracy"):
            assert f"{float(row[name]):.4f} ± {float(row[f'{name}_std']):.4f}" in line


def test_the_best_is_chosen_by_validation_and_its_command_repeats_all_seeds(swept):
    folder, text = swept
    said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    means = {
        row["model"]: statistics.mean(
            json.loads((folder / run / "summary.json").read_text())["best"] for run in row["run"].split(";")
        )
        for row in table_of(folder)
    }
    chosen = max(means, key=means.get)
    assert said["best by val/accuracy"].startswith(f"model={chosen}  {means[chosen]:.4f}")
    result = run_command([*shlex.split(said["repeat it"])[1:], "run_root=again"], folder)
    assert result.status == 0
    runs = next(row["run"].split(";") for row in table_of(folder) if row["model"] == chosen)
    again = sorted((folder / "again" / f"digits_{chosen}").rglob("metrics.json"))
    assert sorted(path.read_text() for path in again) == sorted(
        (folder / run / "metrics.json").read_text() for run in runs
    )
    assert (folder / said["as CSV"]).is_file()


def test_each_job_says_which_it_is(swept):
    headers = [line for line in swept[1].splitlines() if re.match(r"\d/4: ", line)]
    assert headers == [
        "1/4: seed=1 model=lenet",
        "2/4: seed=1 model=perceptron",
        "3/4: seed=2 model=lenet",
        "4/4: seed=2 model=perceptron",
    ]


def test_the_table_on_the_screen_leaves_out_what_does_not_fit():
    record = {"model": "lenet", "val/a": "0.5 ± 0.1", "test/a": "0.5 ± 0.1", "test/b": "x" * 40, "seconds": 2.0}
    assert narrowed([record], optional=["test/b"], width=80) == [record]
    (narrow,) = narrowed([record], optional=["test/b"], width=60)
    assert list(narrow) == ["model", "val/a", "test/a", "seconds"]


def test_a_range_and_one_choice(tmp_path):
    arguments = ["train", "-m", "seed=range(0,3)", "model=perceptron", "test=false", *TINY]
    result = run_command(arguments, tmp_path)
    assert (result.status, result.stderr) == (0, "")
    (row,) = table_of(tmp_path)
    assert row["seed"] == "0, 1, 2"
    assert "model" not in row
    assert len(set(row["run"].split(";"))) == 3


def job(
    overrides: str, validation: float | None, test: float = 0.0, *, monitor: str = "val/accuracy", mode: str = "max"
):
    if validation is None:
        return {"overrides": overrides.split(), "error": "bad\nvery"}
    about = {
        "monitor": monitor,
        "mode": mode,
        "best": validation,
        "headline": "test/accuracy",
        "parameters": 7,
        "seconds": 2.0,
    }
    return {"overrides": overrides.split(), "run": overrides, "metrics": {"test/accuracy": test}, "summary": about}


def test_records_by_hand():
    jobs = [job("lr=1 seed=1", 0.5, 0.4), job("lr=1 seed=2", 0.7, 0.4), job("lr=2 seed=1", 0.9, 0.8)]
    first, second = (group.record() for group in grouped([*jobs, job("lr=2 seed=2", None)]))
    # Mean 0.6; squared distances 0.01 + 0.01 over N - 1 = 1, root 0.1414.
    assert first == {
        "lr": "1",
        "seed": "1, 2",
        "val/accuracy": "0.6000 ± 0.1414",
        "test/accuracy": "0.4000 ± 0.0000",
        "parameters": 7,
        "seconds": 2.0,
        "run": "lr=1 seed=1 lr=1 seed=2",
    }
    assert second["val/accuracy"] == "0.9000"
    assert second["failed"] == "bad"
    first, second = (group.numbers() for group in grouped([*jobs, job("lr=2 seed=2", None)]))
    assert first == {
        "lr": "1",
        "seed": "1, 2",
        "n": 2,
        "val/accuracy": pytest.approx(0.6),
        "val/accuracy_std": pytest.approx(0.02**0.5),
        "test/accuracy": 0.4,
        "test/accuracy_std": 0,
        "parameters": 7,
        "seconds": 2.0,
        "run": "lr=1 seed=1;lr=1 seed=2",
    }
    assert (second["n"], second["val/accuracy"], "val/accuracy_std" in second) == (1, 0.9, False)


def test_the_headline_stands_before_the_other_test_metrics() -> None:
    one = job("lr=1", 0.5)
    one["metrics"] = {"test/loss": 1.0, "test/accuracy": 0.5, "test/f1": 0.4}
    (record,) = (group.record() for group in grouped([one]))
    assert [name for name in record if name.startswith("test/")] == ["test/accuracy", "test/loss", "test/f1"]


def test_folds_are_repeats_of_one_thing() -> None:
    jobs = [job(f"dataset.fold={fold}", value) for fold, value in enumerate((0.7, 0.8, 0.9))]
    (row,) = (group.record() for group in grouped(jobs))
    assert (row["seed"], row["fold"], row["val/accuracy"]) == ("0", "0, 1, 2", "0.8000 ± 0.1000")


def best_lr(*jobs) -> str:
    return best(grouped(list(jobs))).varied["lr"]


def test_the_mean_over_seeds_on_validation_decides() -> None:
    # The best single run (0.95) and the best test result (0.99) are both of the worse setting.
    first = [job("lr=1 seed=1", 0.95, 0.99), job("lr=1 seed=2", 0.60, 0.99)]
    assert best_lr(*first, job("lr=2 seed=1", 0.80), job("lr=2 seed=2", 0.82)) == "2"


@pytest.mark.parametrize(
    ("monitor", "mode", "winner"),
    [("val/map50", "max", "2"), ("val/miou", "max", "2"), ("val/token_error", "min", "1"), ("val/loss", "min", "1")],
)
def test_every_task_goes_by_its_own_metric(monitor: str, mode: str, winner: str) -> None:
    jobs = [job(f"lr={lr}", value, monitor=monitor, mode=mode) for lr, value in ((1, 0.2), (2, 0.7))]
    assert best_lr(*jobs) == winner


def test_a_setting_with_a_failed_seed_or_nan_comes_last() -> None:
    failed = [job("lr=1 seed=1", 0.99), job("lr=1 seed=2", None)]
    nan = [job("lr=3 seed=1", 0.99), job("lr=3 seed=2", float("nan"))]
    assert best_lr(*failed, *nan, job("lr=2 seed=1", 0.5), job("lr=2 seed=2", 0.5)) == "2"
    assert best(grouped([job("lr=1", None)])) is None


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


def test_the_command_that_repeats_a_run_has_paths_as_they_were_typed() -> None:
    (group,) = grouped([job("lr=1 run_root='sw' dataset.root='my/data' dataset.label_column='1'", 0.5)])
    assert group.command() == (
        "sensorium train lr=1 run_root=sw dataset.root=my/data 'dataset.label_column='\"'\"'1'\"'\"''"
    )
