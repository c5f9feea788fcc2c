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


@pytest.mark.parametrize(
    "summary",
    [
        '{"monitor": "val/lo',
        "[1]",
        '{"monitor": ["a"]}',
        '{"monitor": 5}',
        '{"headline": []}',
        f'{{"monitor": "val/loss", "best": {"9" * 400}}}',
        f'{{"epochs": {"9" * 400}}}',
        f'{{"best": {"9" * 5000}}}',
        '{"seconds": "long"}',
        "[" * 100_000,
        b"\xff",
    ],
)
@pytest.mark.parametrize("is_search", [False, True])
def test_a_damaged_summary_is_named_and_breaks_no_list(tmp_path, summary, is_search):
    write_run(tmp_path / "a" / "b", summary="")
    (tmp_path / "a" / "b" / "summary.json").write_bytes(summary if isinstance(summary, bytes) else summary.encode())
    if is_search:
        (tmp_path / "a" / "b" / "sweep.json").write_text("{}")
    write_run(tmp_path / "a" / "c", summary=SUMMARY, metrics={"test/accuracy": 0.5})
    whole, run = list_runs(tmp_path)
    assert (run["epochs"], run["validation"], run["test"]) == ("", "", "")
    assert run["seconds"] == "summary.json cannot be read"
    assert whole["seconds"] == 12.5
    # Whether it has the metric is not known; the others have it.
    values = [run["test/accuracy"] for run in list_runs(tmp_path, Filter(metric="test/accuracy"))]
    assert values == [0.5, "summary.json cannot be read"]


@pytest.mark.parametrize("metrics", ["[1]", '{"test/accuracy": "a"}', f'{{"test/accuracy": {"9" * 400}}}', "{"])
def test_damaged_metrics_are_named(tmp_path, metrics):
    write_run(tmp_path / "a" / "b", summary=SUMMARY, metrics=metrics)
    (run,) = list_runs(tmp_path, Filter(metric="val/accuracy"))
    assert (run["test"], run["validation"], run["seconds"]) == (
        "metrics.json cannot be read",
        "val/accuracy 0.9000",
        12.5,
    )
    assert run["val/accuracy"] == 0.9


def test_a_damaged_history_is_named(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / "runs" / name)
    (tmp_path / "runs" / "a" / "metrics.csv").write_text("epoch,val/loss\n1,2.5\n")
    (tmp_path / "runs" / "b" / "metrics.csv").write_text(f"epoch,val/loss\n1,{'9' * 200_000}\n")
    assert len(list_runs(tmp_path)) == 2
    values = [run["val/loss"] for run in list_runs(tmp_path, Filter(metric="val/loss"))]
    assert values == ["metrics.csv cannot be read", 2.5]


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


def test_runs_of_a_model(runs):
    assert names(runs, model="lenet") == ["cccc", "bbbb", "aaaa"]
    assert names(runs, model="lenet", dataset="reviews") == ["cccc"]
    with pytest.raises(RequestError, match=r"no run with model 'lenett'\. Did you mean lenet\?"):
        names(runs, model="lenett")


def test_trials_of_a_search_are_listed_on_request(runs):
    search = runs / "sweeps" / "2026-03-01_00-00-00_dddd"
    (search / "trials" / "2" / "1").mkdir(parents=True)  # with repeats
    (search / "trials" / "2" / "1" / "config.yaml").touch()
    for root in (search, search / "trials"):
        assert [run["run"] for run in list_runs(root)] == [str(search / "trials" / one) for one in ("2/1", "1", "0")]
    assert len(list_runs(search, Filter(since="2026-03-01"))) == 3
    assert list_runs(search, Filter(since="2026-03-02")) == []
    assert [run["run"][-4:] for run in list_runs(runs / "digits_mlp")] == ["bbbb"]


def test_a_search_has_the_metrics_of_its_best_trial(tmp_path):
    search = tmp_path / "sweeps" / "2026-05-01_00-00-00_cccc"
    for trial, values in ((0, (0.25, 0.5)), (1, (0.5, 1.0))):
        for repeat, value in enumerate(values):
            write_run(search / "trials" / f"{trial:04d}" / str(repeat + 1), metrics={"test/accuracy": value})
    (search / "sweep.json").write_text("{}")
    assert [run["test/accuracy"] for run in list_runs(tmp_path, Filter(metric="test/accuracy"))] == [None]
    (search / "summary.json").write_text(json.dumps({"best_trial": 1, "trials": 2, "wanted": 5}))
    (run,) = list_runs(tmp_path, Filter(metric="test/accuracy"))
    assert (run["test/accuracy"], run["epochs"]) == (0.75, "2 of 5 trials")


def test_a_run_that_has_not_ended_says_how_far_it_came(tmp_path):
    write_run(tmp_path / "a" / "b")
    assert list_runs(tmp_path)[0]["epochs"] == ""
    (tmp_path / "a" / "b" / "metrics.csv").write_text("epoch,val/loss\n1,2.5\n22,2.5\n")
    (tmp_path / "a" / "b" / "config.yaml").write_text("trainer:\n  max_epochs: 60\n")
    (run,) = list_runs(tmp_path)
    assert (run["epochs"], run["seconds"]) == ("22 of 60", "not finished")


def test_nothing_found_is_said(runs, tmp_path):
    result = run_command(["list", "runs", f"run_root={runs}", "since=2026-12-01"], tmp_path)
    assert (result.status, result.stdout) == (0, f"No run started on or after 2026-12-01 in {runs}.\n")
    result = run_command(["list", "runs", f"run_root={runs}", "since=2026-12-01", "format=csv"], tmp_path)
    assert (result.status, result.stdout) == (0, "")
    found = Filter(dataset="digits", model="lenet", until="2026-01-01").described()
    assert found == " with dataset=digits model=lenet, started on or before 2026-01-01"
    result = run_command(["list", "runs", f"run_root={runs}", "since=2026-12-01", "until=2026-11-30"], tmp_path)
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "since=2026-12-01 is later than until=2026-11-30" in result.stderr


def test_the_model_of_runs_is_no_cost(runs, tmp_path):
    result = run_command(
        ["list", "runs", f"run_root={runs}", "model=lenet", "dataset=reviews", "format=jsonl"], tmp_path
    )
    assert json.loads(result.stdout)["run"].endswith("cccc")
    result = run_command(["list", "model=lenet", "dataset=reviews"], tmp_path)
    assert (result.status, result.stdout) == (2, "")
    assert "sensorium list runs dataset=reviews" in result.stderr


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


def test_a_pruned_trial_is_no_unfinished_training(tmp_path):
    search = tmp_path / "sweeps" / "2026-05-01_00-00-00_cccc"
    for trial in ("0000", "0001/1", "0010"):
        (search / "trials" / trial).mkdir(parents=True)
        (search / "trials" / trial / "config.yaml").write_text("")
    (search / "sweep.csv").write_text("trial,state\n0,failed\n1,pruned\n10,pruned\n")
    found = {Path(row["run"]).relative_to(search).as_posix(): row["seconds"] for row in list_runs(search)}
    assert found == {"trials/0000": "failed", "trials/0001/1": "pruned", "trials/0010": "pruned"}


def test_a_search_is_no_run_and_no_checkpoint_but_names_its_best_trial(tmp_path):
    search = tmp_path / "runs" / "sweeps" / "2026-05-01_00-00-00_cccc"
    write_run(search / "trials" / "0001")
    (search / "sweep.json").write_text("{}")
    for arguments in (["report", str(search)], ["predict", f"ckpt={search}", "text=a"], ["export", f"ckpt={search}"]):
        result = run_command(arguments, tmp_path)
        assert (result.status, len(result.stderr.splitlines())) == (2, 2), result
        assert "No trial of it was completed" in result.stderr
    (search / "summary.json").write_text(json.dumps({"best_trial": 1}))
    best = search / "trials" / "0001"
    result = run_command(["report", str(search)], tmp_path)
    assert f"its report is {search}/report.html, made again by sensorium train resume={search}.\n" in result.stderr
    assert f"Its best trial: {best}\n" in result.stderr
    result = run_command(["eval", f"ckpt={search}"], tmp_path)
    assert f"Its best trial: ckpt={best}/checkpoints/best.ckpt\n" in result.stderr


def test_what_belongs_to_a_search_is_no_key_of_a_single_run(tmp_path):
    write_run(tmp_path / "runs" / "a" / "b")
    for given in ("trials=3", "budget=1h", "jobs=2", "fail_fast=true", "search.seed=2"):
        result = run_command(["train", "resume=runs/a/b", given], tmp_path)
        assert (result.status, result.stderr.count("\n")) == (2, 1)
        assert "belongs to a search, and runs/a/b is a single run" in result.stderr


def test_several_days_are_no_sweep(tmp_path):
    result = run_command(["list", "runs", "since=2026-01-01,2026-01-02"], tmp_path)
    assert result.status == 2
    assert "since has one" in result.stderr
    assert "-m" not in result.stderr
