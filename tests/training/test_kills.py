"""Every task's training is killed inside writes, renames, validation and steps, and ends as if it never was."""

import random
import signal
from pathlib import Path

import pytest

from command import run_command
from every_task import EVERY_TASK, settings_of
from sensorium.runs import RunFolder
from tiny_data import write_data
from trainings import differences, opened, stored_calibration

KILLER = '''
import io
import os
import pathlib
import signal
import subprocess
import lightning.pytorch as pl
import torch


class Kill(pl.Callback):
    """Kills this process in the middle of something that it does for the so-manieth time since it started.

    at: write (half of a checkpoint is written), rename (before one), renamed (after one), validation, step; or
    seconds, in which count is how many hundredths from the start of training on.
    """

    def __init__(self, *, at: str, count: int):
        self.at, self.left = at, count

    def reached(self, at):
        if at == self.at:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def on_train_start(self, *rest):
        if self.at == "seconds":
            subprocess.Popen(["sh", "-c", f"sleep {self.left / 100}; kill -9 {os.getpid()}"])
        save, replace = torch.save, pathlib.Path.replace

        def half_saved(payload, file):
            whole = io.BytesIO()
            save(payload, whole)
            file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
            file.flush()
            self.reached("write")
            file.write(whole.getvalue()[len(whole.getvalue()) // 2 :])

        def replaced(path, target):
            self.reached("rename")
            done = replace(path, target)
            self.reached("renamed")
            return done

        torch.save, pathlib.Path.replace = half_saved, replaced

    def on_validation_batch_start(self, *rest):
        self.reached("validation")

    def on_train_batch_end(self, *rest):
        self.reached("step")
'''
# At most so many times it happens between two kills.
MOMENTS = {"write": 8, "rename": 12, "renamed": 12, "validation": 2, "step": 12, "seconds": 60}


def run_of(folder: Path) -> RunFolder:
    (found,) = folder.glob("*/*")
    return RunFolder(found)


def moment(at: str) -> tuple[str, str]:
    return f"callbacks.kill.at={at}", f"callbacks.kill.count={random.randint(1, MOMENTS[at])}"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("task", EVERY_TASK)
def test_a_run_killed_at_many_moments_ends_like_one_that_never_was(tmp_path: Path, task: str) -> None:
    write_data(tmp_path)
    (tmp_path / "killer.py").write_text(KILLER)
    settings = settings_of(task, "trainer.max_epochs=4", "callbacks.checkpoints.every_n_steps=2")
    result = run_command(["train", *settings, "run_root=whole"], tmp_path)
    assert result.status == 0, result.stderr
    whole = run_of(tmp_path / "whole")

    happened = []  # not seeded: over many runs of this test it visits every part of a training
    for at in MOMENTS:
        where = moment(at)
        if not happened:
            killer = ("+callbacks.kill._target_=killer.Kill", *(f"+{one}" for one in where))
            result = run_command(["train", *settings, *killer, "run_root=killed"], tmp_path)
        else:
            result = run_command(["train", f"resume={run_of(tmp_path / 'killed').folder}", *where], tmp_path)
        happened.append((where, result.status))
        assert result.status in (0, -signal.SIGKILL), (happened, result.stderr)  # 0: what was asked for never came
    run = run_of(tmp_path / "killed")
    result = run_command(["train", f"resume={run.folder}", "callbacks.kill=null"], tmp_path)
    assert result.status == 0, (happened, result.stderr)

    a, b = opened(run.last), opened(whole.last)
    for kept in (a, b):
        del kept["sensorium"], kept["seconds"]  # the config, in which the killer is named; the time it took
    assert differences(a, b) == [], happened
    assert differences(opened(run.best)["state_dict"], opened(whole.best)["state_dict"]) == [], happened
    assert differences(stored_calibration(run.best), stored_calibration(whole.best)) == [], happened
    assert run.history.read_text() == whole.history.read_text(), happened
    assert -signal.SIGKILL in [status for _, status in happened]
    assert [path.name for path in run.folder.rglob("*.tmp")] == []  # nor does anything half written stay
