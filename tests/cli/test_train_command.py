"""sensorium train: the run folder, what is printed, and that the printed commands work."""

import csv
import json
import re
import shlex
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hydra.types import RunMode

from command import run_command, run_process
from sensorium import runs
from sensorium.cli import train
from sensorium.run_config import RunConfig

TINY = ("model=perceptron", "trainer.max_epochs=1", "trainer.limit_train_batches=2")
FILES = {
    "config.yaml",
    "overrides.txt",
    "command.txt",
    "environment.json",
    "metrics.csv",
    "monitor.json",
    "metrics.json",
    "summary.json",
    "report.html",
    "report.json",
    "train.log",
    ".lock",
    "per_class.csv",
    "confusion.csv",
    "predictions.csv",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "plots/history.png",
    "plots/confusion.png",
    "plots/calibration.png",
    "plots/worst.png",
}


def printed(run: Path) -> str:
    return (run.parents[2] / "stdout.txt").read_text()


def test_the_run_folder(trained_run):
    assert {str(path.relative_to(trained_run)) for path in trained_run.rglob("*") if path.is_file()} == FILES
    config = yaml.safe_load((trained_run / "config.yaml").read_text())
    assert (config["dataset_name"], config["model_name"]) == ("digits", "small_cnn")
    assert config["task"]["label_smoothing"] == 0.0
    assert "auto" not in (config["trainer"]["precision"], config["memory_format"], config["batch_size"])
    assert (trained_run / "overrides.txt").read_text() == "trainer.max_epochs=1\nthreads=1\n"
    environment = json.loads((trained_run / "environment.json").read_text())
    assert environment["python"] == sys.version.split()[0]
    assert environment["packages"]["torch"].startswith("2.11")
    assert environment["cpu_cores"] >= 1


def test_history_and_metrics_agree_with_what_is_printed(trained_run):
    (row,) = csv.DictReader((trained_run / "metrics.csv").open())
    assert (row["epoch"], row["step"]) == ("1", "21")  # 1,295 images in batches of 64
    text = printed(trained_run)
    header, line = re.findall(r"^ *(?:epoch|1/1) .*$", text, re.MULTILINE)
    for name in ("train/loss", "val/accuracy", "val/loss"):
        assert line.split()[header.split().index(name)] == f"{float(row[name]):.4f}"
    metrics = json.loads((trained_run / "metrics.json").read_text())
    shown = dict(line.split() for line in text.splitlines() if line.startswith("test/"))
    assert shown == {name: f"{value:.4f}" for name, value in metrics.items() if name.startswith("test/")}
    predictions = list(csv.DictReader((trained_run / "predictions.csv").open()))
    assert len(predictions) == 359
    right = sum(row["correct"] == "true" for row in predictions)
    assert metrics["test/accuracy"] == pytest.approx(right / 359, abs=1e-12)


def test_a_pipe_gets_plain_lines_and_the_log_has_them_too(trained_run):
    text = printed(trained_run)
    assert [character for character in text if ord(character) < 32 and character != "\n"] == []
    assert (trained_run / "train.log").read_text() == text


def test_the_commands_printed_at_the_end_work(trained_run):
    lines = [line for line in printed(trained_run).splitlines() if line.startswith("sensorium ")]
    assert [shlex.split(line)[1] for line in lines] == ["eval", "predict"]
    folder = trained_run.parents[2]
    for line in lines:
        arguments = shlex.split(line.replace("FILE", str(trained_run / "plots" / "worst.png")))
        arguments += [f"folder={folder}/again"] if arguments[1] == "eval" else []
        assert run_command(arguments[1:], folder).status == 0


def test_command_txt_repeats_the_run(trained_run, tmp_path):
    command = shlex.split((trained_run / "command.txt").read_text())
    assert command[:2] == ["sensorium", "train"]
    assert run_command(command[1:], tmp_path).status == 0
    (again,) = (tmp_path / "runs" / "digits_small_cnn").iterdir()
    for name in ("metrics.json", "metrics.csv", "predictions.csv"):
        assert (again / name).read_bytes() == (trained_run / name).read_bytes()


def test_cfg_job_prints_the_config_and_does_nothing(tmp_path):
    result = run_command(["train", "--cfg", "job", "model=lenet", "lr=0.5"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    config = yaml.safe_load(result.stdout)
    assert config["model"]["_target_"] == "sensorium.models.vision.lenet.LeNet"
    assert config["lr"] == 0.5
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_lends_nothing_to_another_choice_of_a_group(tmp_path):
    given = ["train", "experiment=digits_cnn", "model=lenet", "optimizer=muon", "optimizer.momentum=0.9"]
    shown = run_command([*given, "--cfg", "job"], tmp_path)
    config = yaml.safe_load(shown.stdout)
    assert "dropout" not in config["model"]
    assert config["optimizer"]["lr"] == 0.02  # Muon's own, not the experiment's for AdamW
    assert config["optimizer"]["momentum"] == 0.9
    assert config["label_smoothing"] == 0.1  # of no group
    assert config["callbacks"]["ema"]["decay"] == 0.98  # of a group that stays
    few = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "run_root=runs"]
    result = run_command([*given, *few], tmp_path)
    assert result.stdout.startswith(
        "experiment=digits_cnn: not applied because of your overrides: model.dropout=0.3, optimizer.lr=0.004\n"
    )
    (run,) = (tmp_path / "runs" / "digits_lenet").iterdir()
    assert yaml.safe_load((run / "config.yaml").read_text())["optimizer"] == config["optimizer"]


def test_what_the_experiment_chose_keeps_its_values_when_it_is_said_again(tmp_path):
    result = run_command(["train", "experiment=digits_cnn", "model=small_cnn", "--cfg=job", "-p", "model"], tmp_path)
    assert yaml.safe_load(result.stdout)["dropout"] == 0.3


def test_what_is_put_inside_a_group_chosen_anew_stays_there(tmp_path):
    given = ["experiment=digits_cnn", "model=lenet", "learning=fixmatch", "+augment@learning.strong=trivial"]
    result = run_command(["train", *given, "--cfg", "job"], tmp_path)
    config = yaml.safe_load(result.stdout)
    assert config["learning"]["strong"]["_target_"] == "sensorium.vision.augment.Augment"
    assert list(config["augment"]["transforms"]) == ["crop"]  # still the experiment's
    assert "dropout" not in config["model"]


def test_a_value_of_the_experiment_is_no_key_of_another_choice(tmp_path):
    result = run_command(["train", "experiment=digits_cnn", "model=lenet", "model.dropout=0.1"], tmp_path)
    assert result.status == 2
    assert result.stderr.startswith("sensorium: There is no key 'model.dropout'.")
    assert list(tmp_path.iterdir()) == []


def test_cfg_job_shows_the_config_that_was_named(tmp_path):
    named = run_command(["train", "--config-name", "eval", "--cfg", "job"], tmp_path)
    assert "compare" in yaml.safe_load(named.stdout)


def test_debug_shows_where_an_error_comes_from(tmp_path):
    plain = run_command(["train", "lr=-1"], tmp_path)
    traced = run_command(["train", "lr=-1", "debug=true"], tmp_path)
    assert plain.status == traced.status == 2
    assert "Traceback" not in plain.stderr
    assert traced.stderr.startswith("Traceback")
    assert traced.stderr.endswith(plain.stderr)


@pytest.mark.slow
def test_a_new_interpreter_trains_alike(tmp_path):
    metrics = []
    for run in (run_command, run_process):
        result = run(["train", *TINY, f"run_root={run.__name__}"], tmp_path)
        assert (result.status, result.stderr) == (0, "")
        (found,) = (tmp_path / run.__name__).rglob("metrics.json")
        metrics.append(json.loads(found.read_text()))
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize(
    ("mode", "launcher", "threads", "expected"),
    [
        (RunMode.MULTIRUN, "joblib_launcher.JoblibLauncher", "auto", 1),
        (RunMode.MULTIRUN, "joblib_launcher.JoblibLauncher", 2, 2),
        (RunMode.MULTIRUN, "basic_launcher.BasicLauncher", "auto", "auto"),
        (RunMode.RUN, "joblib_launcher.JoblibLauncher", "auto", "auto"),
    ],
)
def test_jobs_side_by_side_have_one_thread_each(mode, launcher, threads, expected):
    choices = {"dataset": "digits", "model": "lenet"}
    hydra = SimpleNamespace(
        mode=mode, launcher=SimpleNamespace(_target_=launcher), runtime=SimpleNamespace(choices=choices)
    )
    composed = RunConfig(
        dataset={}, model={}, trainer={}, optimizer={}, scheduler={}, task={}, callbacks={}, threads=threads
    )
    found = train._with_choices(composed, hydra)
    assert (found.dataset_name, found.model_name, found.threads) == ("digits", "lenet", expected)
    assert (composed.dataset_name, composed.threads) == ("", threads)


def test_debugging_one_batch_ends_without_a_test(tmp_path):
    result = run_command(["train", "model=perceptron", "debug=one_batch"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    assert list(tmp_path.rglob("best.ckpt")) != []
    assert list(tmp_path.rglob("metrics.json")) == []


def test_runs_that_start_in_the_same_moment_have_folders_of_their_own(tmp_path, monkeypatch):
    # Only 4 names for the second: most of the 16 threads meet a name that is taken.
    numbers = iter(range(10**6))
    monkeypatch.setattr(runs.secrets, "token_hex", lambda size: f"{next(numbers) % 4:04x}")
    made: list[Path] = []
    threads = [threading.Thread(target=lambda: made.append(runs.create(tmp_path, "a").folder)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8
    assert all(folder.is_dir() for folder in made)
