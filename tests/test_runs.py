"""The run folder: its name, what is recorded in it, and how it is found again."""

import json
import os
import re
import shlex
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
import torch

from command import run_command
from sensorium import runs
from sensorium.errors import RequestError, RunError
from sensorium.run_folder import check_unlocked, locked
from sensorium.runs import RunFolder


def test_the_name_is_when_it_began_and_something_random(tmp_path: Path) -> None:
    run = runs.create(tmp_path / "runs", "digits_mlp")
    assert run.folder.is_dir()
    assert run.folder.parent == tmp_path / "runs" / "digits_mlp"
    when, _, random = run.folder.name.rpartition("_")
    assert re.fullmatch("[0-9a-f]{4}", random)
    assert abs((datetime.strptime(when, "%Y-%m-%d_%H-%M-%S") - datetime.now()).total_seconds()) < 60


def test_runs_of_the_same_second_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(runs.secrets, "token_hex", lambda _: next(given))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Clock":
            return cls(2026, 1, 31, 12, 0, 0)

    monkeypatch.setattr(runs, "datetime", Clock)
    names = [runs.create(tmp_path, "same").folder.name for _ in range(2)]
    assert names == ["2026-01-31_12-00-00_aaaa", "2026-01-31_12-00-00_bbbb"]


def test_a_place_that_cannot_hold_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"The run folder cannot be made in .*file: .*\nChoose another place"):
        runs.create(tmp_path / "file", "digits")


def test_everything_is_recorded(tmp_path: Path) -> None:
    run = runs.create(tmp_path, "digits")
    config = {"seed": 3, "dataset": {"root": "Übung", "sizes": [1, 2]}, "lr": 1e-3, "resume": None}
    overrides = ["seed=3", "dataset.root=my photos"]
    runs.record(run, config, overrides)
    assert run.read_config() == config
    assert list(run.read_config()) == list(config)  # in its own order
    assert (run.folder / "overrides.txt").read_text() == "seed=3\ndataset.root=my photos\n"
    assert shlex.split((run.folder / "command.txt").read_text()) == ["sensorium", "train", *overrides]
    environment = json.loads((run.folder / "environment.json").read_text())
    assert torch.__version__.startswith(environment["packages"]["torch"])
    assert environment["cpu_cores"] >= 1
    assert {"sensorium", "python", "git_commit", "platform", "processor", "gpus", "threads"} <= environment.keys()


def test_the_command_has_paths_as_they_were_typed() -> None:
    overrides = ["dataset.root='photos/new'", "model.name='null'", "note='a b'", "lr=0.1"]
    assert shlex.split(runs.command("train", overrides))[2:] == ["dataset.root=photos/new", *overrides[1:]]


@pytest.mark.parametrize(("hosts", "start"), [(1, ""), (2, " --nnodes=2")])
def test_the_command_of_a_run_that_torchrun_started(tmp_path, monkeypatch, hosts, start) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": str(3 * hosts), "LOCAL_WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    run = RunFolder(tmp_path)
    runs.record(run, {}, ["dataset=digits"])
    text = (tmp_path / "command.txt").read_text()
    assert text == f"torchrun{start} --nproc_per_node=3 -m sensorium train dataset=digits\n"


def test_the_commit_is_that_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs.environment()["git_commit"] is None
    monkeypatch.setenv("PATH", "")
    assert runs.environment()["git_commit"] is None


def test_metrics_are_whole_or_said_to_be_missing(tmp_path: Path) -> None:
    run = runs.create(tmp_path, "digits")
    with pytest.raises(RunError, match=r"has no metrics.json: the training did not end"):
        runs.read_metrics(run)
    metrics = {"test/accuracy": 0.9387186629526463, "test/loss": 1e-12}
    runs.write_metrics(run, metrics)
    assert runs.read_metrics(run) == metrics


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 100_000])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    run = runs.create(tmp_path, "digits")
    assert runs.read_summary(run) == {}
    for path, read in ((run.summary, runs.read_summary), (run.metrics, runs.read_metrics)):
        path.write_text(content)
        with pytest.raises(RunError, match=f"{path.name} cannot be read"):
            read(run)


def test_a_run_is_found_by_its_folder_or_a_checkpoint_in_it(tmp_path: Path) -> None:
    run = runs.create(tmp_path, "digits")
    runs.record(run, {}, [])
    run.checkpoints.mkdir()
    run.best.write_bytes(b"")
    assert runs.find(run.folder) == runs.find(run.best) == run
    assert (run.last.name, run.previous.parent, run.history.name) == ("last.ckpt", run.checkpoints, "metrics.csv")


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "runs_of_may").mkdir()
    with pytest.raises(RequestError, match=r"There is no run .*run_of_may\. Did you mean .*runs_of_may\?"):
        runs.find(tmp_path / "run_of_may")
    with pytest.raises(RequestError, match=r"is not a run folder: there is no .*config.yaml"):
        runs.find(tmp_path / "runs_of_may")


def test_a_run_without_a_checkpoint_can_be_taken_away(tmp_path: Path) -> None:
    run, other = runs.create(tmp_path, "digits"), runs.create(tmp_path, "digits")
    runs.discard(run)
    assert not run.folder.exists()
    other.checkpoints.mkdir()
    other.last.write_bytes(b"")
    runs.discard(other)
    assert other.folder.exists()
    runs.discard(runs.create(tmp_path, "mnist"))
    assert not (tmp_path / "mnist").exists()
    assert RunFolder(other.folder) == other


def test_a_run_that_is_being_trained_is_refused_by_every_way_in(trained_run: Path) -> None:
    run = RunFolder(trained_run)
    with locked(run):
        result = run_command(["train", f"resume={trained_run}"], trained_run)
        assert result.status == 2
        assert result.stderr == (
            f"sensorium: {trained_run} is still being trained, by process {os.getpid()}.\n"
            f"Wait for its end, or stop it with: kill {os.getpid()}\n"
        )
        # What names a run by its checkpoint is found to be a run only once torch is there.
        assert run_command(["train", f"resume={run.last}", "trainer.max_epochs=2"], trained_run).status == 2
        predicted = run_command(["predict", f"ckpt={trained_run}", "input=plots/worst.png"], trained_run)
        assert predicted.status == 0, predicted.stderr
    check_unlocked(run)


def test_a_lock_is_that_of_the_longest_living_process(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    check_unlocked(run)
    with locked(run) as file:
        member = subprocess.Popen(["sleep", "100"], pass_fds=[file])
    try:
        with pytest.raises(RequestError, match=f"is still being trained, by process {os.getpid()}"):
            check_unlocked(run)
        run.lock.write_text(f"{2**22}\n")  # beyond what Linux counts to: one that has ended
        with pytest.raises(RequestError, match=f"process {2**22} has ended, those that it started have not"):
            check_unlocked(run)
    finally:
        member.kill()
        member.wait()
    check_unlocked(run)
