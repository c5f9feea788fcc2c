"""sensorium list runs: what the small files of run folders say."""

import json
from pathlib import Path

import pytest

from command import run_command
from sensorium.cli.list_runs import Filter, list_runs
from sensorium.errors import RequestError

SUMMARY = {"monitor": "val/accuracy", "best": 0.9, "epochs": 3, "headline": "test/accuracy", "seconds": 12.5}


def write_run(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\n")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_the_newest_run_comes_first_with_its_metrics(tmp_path):
    write_run(tmp_path / "digits_lenet" / "2026-01-02_00-00-00_aaaa", summary=SUMMARY, metrics={"test/accuracy": 0.875})
    write_run(tmp_path / "reviews_lstm" / "2026-03-01_00-00-00_bbbb")
    newest, older = list_runs(tmp_path)
    assert newest["run"].endswith("2026-03-01_00-00-00_bbbb")
    assert newest["seconds"] == "not finished"
    assert (older["validation"], older["test"]) == ("val/accuracy 0.9000", "test/accuracy 0.8750")
    assert (older["epochs"], older["seconds"]) == (3, 12.5)


def test_a_damaged_file_counts_as_not_written(tmp_path):
    write_run(tmp_path / "a" / "b", summary='{"monitor": "val/lo', metrics="[1]")
    (run,) = list_runs(tmp_path)
    assert (run["validation"], run["test"], run["seconds"]) == ("", "", "not finished")


def test_an_undefined_metric_is_not_shown(tmp_path):
    write_run(tmp_path / "a" / "b", summary=SUMMARY | {"best": None}, metrics={"test/accuracy": None})
    (run,) = list_runs(tmp_path)
    assert (run["validation"], run["test"], run["seconds"]) == ("", "", 12.5)


def test_a_search_is_listed_and_its_trials_are_not(tmp_path):
    search = tmp_path / "sweeps" / "2026-05-01_00-00-00_cccc"
    write_run(search / "trials" / "0000", summary=SUMMARY)
    (search / "sweep.json").write_text("{}")
    (run,) = list_runs(tmp_path)
    assert (run["run"], run["epochs"], run["seconds"]) == (str(search), "", "not finished")
    found = {"trials": 20, "monitor": "val/accuracy", "best": 0.9, "seconds": 80.0}
    (search / "summary.json").write_text(json.dumps(found))
    (run,) = list_runs(tmp_path)
    assert (run["epochs"], run["validation"], run["seconds"]) == ("20 trials", "val/accuracy 0.9000", 80.0)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of digits, one that has not ended, one of reviews, and a search over two datasets."""
    write_run(tmp_path / "digits_lenet" / "2026-01-02_00-00-00_aaaa", summary=SUMMARY, metrics={"test/accuracy": 0.875})
    write_run(tmp_path / "digits_mlp" / "2026-01-31_23-59-59_bbbb")
    write_run(tmp_path / "reviews_lstm" / "2026-02-01_00-00-00_cccc", summary=SUMMARY | {"monitor": "val/loss"})
    for folder in tmp_path.glob("*/*"):
        name = folder.parent.name.partition("_")[0]
        (folder / "config.yaml").write_text(f"seed: 0\ndataset_name: {name}\nmodel_name: lenet\n")
    (tmp_path / "digits_mlp" / "2026-01-31_23-59-59_bbbb" / "metrics.csv").write_text(
        "epoch,val/loss,val/accuracy\n1,2.0,0.5\n2,1.5,0.75\n"
    )
    search = tmp_path / "sweeps" / "2026-03-01_00-00-00_dddd"
    for number, name in enumerate(["digits", "reviews"]):
        (search / "trials" / str(number)).mkdir(parents=True)
        (search / "trials" / str(number) / "config.yaml").write_text(f"dataset_name: {name}\n")
    (search / "sweep.json").write_text("{}")
    return tmp_path


def names(root: Path, **wanted: str) -> list[str]:
    return [run["run"][-4:] for run in list_runs(root, Filter(**wanted))]


def test_runs_of_a_dataset(runs):
    assert names(runs, dataset="digits") == ["dddd", "bbbb", "aaaa"]
    assert names(runs, dataset="reviews") == ["dddd", "cccc"]
    with pytest.raises(RequestError, match=r"'digit'\. Did you mean digits\?\nAllowed: digits, reviews"):
        names(runs, dataset="digit")


def test_runs_with_a_metric_have_its_value_in_a_column(runs):
    assert [run["test/accuracy"] for run in list_runs(runs, Filter(metric="test/accuracy"))] == [0.875]
    # The best of the one that chose the checkpoint, the last of a run that has not ended.
    found = list_runs(runs, Filter(metric="val/accuracy"))
    assert [(run["run"][-4:], run["val/accuracy"]) for run in found] == [("bbbb", 0.75), ("aaaa", 0.9)]
    assert [run["val/loss"] for run in list_runs(runs, Filter(metric="val/loss"))] == [0.9, 1.5]
    with pytest.raises(RequestError, match="no run with metric 'accuracy'"):
        names(runs, metric="accuracy")


def test_runs_of_some_days(runs):
    assert names(runs, since="2026-01-31") == ["dddd", "cccc", "bbbb"]
    assert names(runs, until="2026-01-31") == ["bbbb", "aaaa"]
    assert names(runs, since="2026-01-31", until="2026-02-28", dataset="digits") == ["bbbb"]
    assert names(runs, since="2027-01-01") == []


def test_a_filter_is_for_runs(runs, tmp_path):
    result = run_command(["list", "models", "metric=val/loss"], tmp_path)
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "sensorium list runs metric=val/loss" in result.stderr
    for day in ("2026-02-30", "yesterday", "20260101"):
        result = run_command(["list", "runs", f"since={day}"], tmp_path)
        assert result.status == 2
        assert "a day as YYYY-MM-DD" in result.stderr


def test_other_folders_are_no_runs(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert list_runs(tmp_path) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"run_root=.*nowhere: there is no such folder"):
        list_runs(tmp_path / "nowhere")


def test_the_command(tmp_path):
    write_run(tmp_path / "runs" / "a" / "b", summary=SUMMARY)
    for arguments in (["runs"], ["what=runs"], ["runs", "run_root='runs'"]):
        result = run_command(["list", *arguments, "format=jsonl"], tmp_path)
        assert (result.status, result.stderr) == (0, "")
        assert json.loads(result.stdout)["run"] == "runs/a/b"


def test_a_drawn_batch_is_no_unfinished_training(tmp_path):
    write_run(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "batch.png").touch()
    assert list_runs(tmp_path)[0]["seconds"] == "batch preview"
