"""The search itself, with trainings of a few milliseconds: what it records, also when it is killed and goes on."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from fake_training import accuracy
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from searches import EPOCHS, SPACE, outcomes, searched, start, states

from sensorium.errors import RequestError, RunError
from sensorium.search import loop
from sensorium.search import trial as trial_module
from sensorium.search.folder import SweepFolder
from sensorium.search.outcomes import best_outcome, outcome_of
from sensorium.search.space import parse
from sensorium.search.training import stop_all
from sensorium.training.interrupts import Interrupted


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(loop, "_PAUSE", 0.005)


def test_trials_have_the_best_value_of_their_training(tmp_path) -> None:
    ended = []
    journal = searched(tmp_path / "a", trials=3, ended=lambda trial, seconds: ended.append(trial.number))
    assert ended == [0, 1, 2]
    for trial in journal.trials():
        lr = trial.params["lr"]
        assert trial.state == TrialState.COMPLETE
        assert trial.value == accuracy(lr, EPOCHS)
        assert trial.intermediate_values == {epoch: accuracy(lr, epoch) for epoch in range(1, EPOCHS + 1)}


def test_repeats_of_a_setting_count_by_their_mean(tmp_path) -> None:
    searched(tmp_path / "a", ["lr=0.5,0.75", "seed=1,2,3"], trials=2, sampler="grid")
    rows = outcomes(tmp_path / "a", ["lr=0.5,0.75", "seed=1,2,3"])
    # 1 - |lr - 0.5|, times 9 / 10.
    assert [row["val/accuracy"] for row in rows] == ["0.9000 ± 0.0000", "0.6750 ± 0.0000"]
    assert [row["seed"] for row in rows] == ["1, 2, 3"] * 2
    assert sorted(path.name for path in (tmp_path / "a" / "trials" / "0001").iterdir()) == ["1", "2", "3"]


def test_halving_ends_trials_and_the_best_is_one_that_was_trained_to_its_end(tmp_path) -> None:
    journal = searched(tmp_path / "a", trials=8, pruner="halving", sampler="random")
    pruned = [trial for trial in journal.trials() if trial.state == TrialState.PRUNED]
    assert 2 <= len(pruned) <= 7
    for trial in pruned:
        assert trial.user_attrs["pruned"] == max(trial.intermediate_values) < EPOCHS
    sweep = SweepFolder(tmp_path / "a")
    found = [outcome_of(trial, sweep, parse(SPACE)) for trial in journal.trials()]
    best = best_outcome(found)
    assert best.state == TrialState.COMPLETE
    assert best.value == max(trial.value for trial in journal.trials() if trial.state == TrialState.COMPLETE)
    shown = [one.record() for one in found if one.state == TrialState.PRUNED]
    assert {row["pruned at epoch"] for row in shown} == {trial.user_attrs["pruned"] for trial in pruned}


def test_of_a_loss_lower_is_better(tmp_path) -> None:
    space = ["lr=0.1,0.5,0.2,0.9", "metric=loss"]
    journal = searched(tmp_path / "a", space, trials=4, sampler="grid", pruner="halving")
    sweep = SweepFolder(tmp_path / "a")
    found = [outcome_of(trial, sweep, parse(space)) for trial in journal.trials()]
    # Trained to the end a setting has 1 - 0.9 (1 - |lr - 0.5|), after one epoch 1 - 0.5 (1 - |lr - 0.5|).
    assert [(one.state.name, pytest.approx(one.value)) for one in found] == [
        ("COMPLETE", 0.46),
        ("COMPLETE", 0.1),
        ("PRUNED", 0.65),
        ("PRUNED", 0.7),
    ]
    assert best_outcome(found).number == 1
    assert found[1].record()["val/loss"] == "0.1000"
    assert found[2].record()["val/loss"] == "0.6500"


class Killed(BaseException):
    """Stands for SIGKILL at a moment that a test chooses."""


def test_a_search_that_is_killed_between_any_two_writes_ends_as_one_that_is_not(tmp_path, monkeypatch) -> None:
    space = ["lr=0.5,0.6,0.1"]
    chosen = {"space": space, "sampler": "grid", "pruner": "halving"}
    searched(tmp_path / "begun", trials=2, **chosen)
    shutil.copytree(tmp_path / "begun", tmp_path / "whole")
    searched(tmp_path / "whole", trials=3, **chosen)
    assert states(tmp_path / "whole")[2][0] == TrialState.PRUNED
    write = JournalFileBackend.append_logs
    for last in itertools.count():
        folder, left = tmp_path / str(last), [last]

        def append(self, logs, left=left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            write(self, logs)

        shutil.copytree(tmp_path / "begun", folder)
        with monkeypatch.context() as patched, suppress(Killed):
            patched.setattr(JournalFileBackend, "append_logs", append)
            searched(folder, trials=3, **chosen)
        searched(folder, trials=3, **chosen)
        assert states(folder) == states(tmp_path / "whole"), last
        if left[0] >= 0:
            break
    assert last >= 5  # proposed, begun, an epoch, pruned, a rung, over


def test_a_trial_that_fails_is_recorded_and_the_others_go_on(tmp_path) -> None:
    space = ["lr=0.5", "fails=no,yes,maybe"]
    searched(tmp_path / "a", space, trials=3, sampler="grid")
    rows = outcomes(tmp_path / "a", space)
    assert [row.get("failed") for row in rows] == [None, "the loss is not a number", None]
    searched(tmp_path / "b", ["lr=0.25,0.5"], trials=2, sampler="grid")
    rows = outcomes(tmp_path / "b", ["lr=0.25,0.5"])
    assert [row.get("failed") for row in rows] == ["lr=0.25 is not possible.", None]


def test_a_search_whose_first_three_trials_are_rejected_is_given_up(tmp_path) -> None:
    space = ["lr=0.25", "x=range(0,9)"]
    with pytest.raises(RequestError, match=r"The first 3 trials were rejected. Trial 0: lr=0.25 is not possible."):
        searched(tmp_path / "a", space, trials=9, sampler="grid")
    assert len(states(tmp_path / "a")) == 3
    space = ["lr=0.25,0.5", "x=range(0,9)"]
    searched(tmp_path / "b", space, trials=9, sampler="random")  # some are


def test_fail_fast_stops_at_the_first_that_fails(tmp_path) -> None:
    with pytest.raises(RunError, match="Trial 1 failed"):
        searched(tmp_path / "a", ["lr=0.5", "fails=no,yes,maybe"], trials=3, sampler="grid", fail_fast=True)
    assert [state for state, *_ in states(tmp_path / "a")] == [TrialState.COMPLETE, TrialState.FAIL]


def test_a_killed_training_is_a_failed_trial(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sensorium.search.trial._GRACE", 0.05)
    seen = []

    def kill_first(running) -> None:
        if running and running[0].number == 0 and not seen:
            seen.append(running[0].training.job.kill())

    searched(tmp_path / "a", trials=2, looked=kill_first)
    assert [row.get("failed", "")[:18] for row in outcomes(tmp_path / "a")] == ["ended with SIGKILL", ""]


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda run: (run / "summary.json").write_text("{")])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_finished_trial_whose_folder_is_lost_has_the_value_of_the_journal(number, damage, tmp_path) -> None:
    space = [*SPACE, "metric=loss"]
    journal = searched(tmp_path / "a", space, trials=3)
    damage(tmp_path / "a" / "trials" / f"{number:04d}")
    assert [one.state for one in searched(tmp_path / "a", space, trials=3).trials()] == [TrialState.COMPLETE] * 3
    found = [outcome_of(trial, SweepFolder(tmp_path / "a"), parse(space)) for trial in journal.trials()]
    losses = [1 - accuracy(trial.params["lr"], EPOCHS) for trial in journal.trials()]
    assert [one.value for one in found] == losses
    best = best_outcome(found)
    assert best.number == losses.index(min(losses))
    assert [one.record()["val/loss"] for one in found] == [f"{loss:.4f}" for loss in losses]
    assert ("is missing or damaged" in found[number].described()) is True
    assert f"lr={best.group.varied['lr']}  {min(losses):.4f}" in best.described()


def test_a_training_that_cannot_begin_yet_is_begun_later(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trial_module, "_AGAIN", 0.01)
    tries = []

    def hindered(run, slot):
        tries.append(run.folder.name)
        if len(tries) in (1, 2, 5):
            raise RunError("the cluster does not answer")
        return start(run, slot)

    journal = searched(tmp_path / "a", trials=3, starting=hindered)
    assert tries == ["0000", "0000", "0000", "0001", "0002", "0002"]
    assert [trial.state for trial in journal.trials()] == [TrialState.COMPLETE] * 3


def test_a_training_that_cannot_begin_at_all_ends_the_search_and_no_trial(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trial_module, "_AGAIN", 0.01)
    monkeypatch.setattr(trial_module, "_HINDERED", 0.05)

    def hindered(run, slot):
        raise RunError("the cluster does not answer")

    with pytest.raises(RunError, match="the cluster does not answer"):
        searched(tmp_path / "a", trials=2, starting=hindered)
    searched(tmp_path / "a", trials=2)
    searched(tmp_path / "b", trials=2)
    assert outcomes(tmp_path / "a") == outcomes(tmp_path / "b")


def test_a_training_whose_end_nobody_could_tell_is_resumed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trial_module, "_AGAIN", 0.01)
    lost = []

    class Lost:
        def __init__(self, process) -> None:
            self.process = process

        def poll(self):
            if not lost and self.process.poll() is None and (tmp_path / "a/trials/0000/metrics.csv").exists():
                lost.append(self.process.pid)
                self.process.kill()
                self.process.wait()
                raise RunError("the process that started it is gone")
            return self.process.poll()

    searched(tmp_path / "a", trials=2, starting=lambda run, slot: Lost(start(run, slot, pause=0.05)))
    searched(tmp_path / "b", trials=2)
    assert lost
    assert outcomes(tmp_path / "a") == outcomes(tmp_path / "b")
    assert len((tmp_path / "a/trials/0000/begun").read_text().split()) == 2


def test_trainings_that_are_lost_again_and_again_end_the_search_and_no_trial(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trial_module, "_AGAIN", 0.01)
    begun = []

    class Lost:
        def __init__(self, process) -> None:
            begun.append(process)

        def poll(self):
            begun[-1].kill()
            begun[-1].wait()
            raise RunError("the process that started it is gone")

        def terminate(self) -> None:
            pass

    with pytest.raises(RunError, match="that started it is gone"):
        searched(tmp_path / "a", trials=1, starting=lambda run, slot: Lost(start(run, slot)))
    assert len(begun) == 4
    (trial,) = searched(tmp_path / "a", trials=1).trials()
    assert trial.state == TrialState.COMPLETE


@pytest.mark.parametrize("line", ["null", "[]", "{}", '{"op_code": 99}', "garbled"])
def test_a_damaged_journal_is_refused(line, tmp_path) -> None:
    searched(tmp_path / "a", trials=2)
    journal = tmp_path / "a" / "journal.log"
    journal.write_text(f"{journal.read_text()}{line}\n")
    kept = journal.read_text()
    with pytest.raises(RequestError, match=r"journal\.log cannot be read"):
        searched(tmp_path / "a", trials=2)
    assert journal.read_text() == kept


@pytest.mark.parametrize("damage", [Path.unlink, lambda journal: journal.write_text("")])
def test_a_lost_journal_does_not_begin_a_new_search(damage, tmp_path) -> None:
    searched(tmp_path / "a", trials=2)
    damage(tmp_path / "a" / "journal.log")
    with pytest.raises(RequestError, match=r"is missing or empty, and .* has 2 trials"):
        searched(tmp_path / "a", trials=2)
    assert len(list((tmp_path / "a" / "trials").iterdir())) == 2


def test_of_several_trainings_one_that_is_lost_does_not_keep_the_others_from_stopping(tmp_path) -> None:
    class Training:
        def __init__(self, statuses) -> None:
            self.statuses, self.asked = list(statuses), 0

        def stop(self) -> None:
            self.asked += 1

        def status(self):
            status = self.statuses.pop(0)
            if isinstance(status, RunError):
                raise status
            return status

    lost, other = Training([RunError("gone"), 137, 137]), Training([None, 143])
    stop_all([lost, other])
    assert (lost.asked, other.asked, other.statuses) == (1, 1, [])


def test_no_new_trial_begins_behind_the_budget(tmp_path) -> None:
    searched(tmp_path / "a", trials=50, seconds=0.3, ended=lambda trial, seconds: time.sleep(0.1))
    assert 1 <= len(states(tmp_path / "a")) <= 4
    assert all(state == TrialState.COMPLETE for state, *_ in states(tmp_path / "a"))


def test_two_jobs_run_at_the_same_time_each_in_a_place_of_its_own(tmp_path) -> None:
    together = []
    searched(tmp_path / "a", jobs=2, looked=lambda running: together.append([one.slot.number for one in running]))
    assert [0, 1] in [sorted(places) for places in together]
    assert max(map(len, together)) == 2
    searched(tmp_path / "b")
    assert outcomes(tmp_path / "a") == outcomes(tmp_path / "b")  # what is drawn at random needs no order


def slowly(run, slot) -> "subprocess.Popen[bytes]":
    return start(run, slot, pause=0.03)


def test_a_signal_stops_the_trainings_and_the_search_goes_on_where_they_were(tmp_path) -> None:
    def interrupt(running) -> None:
        if running and running[0].number == 1 and running[0].epoch >= 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="Resume with: go on") as stopped:
        searched(tmp_path / "a", trials=3, looked=interrupt, starting=slowly)
    assert stopped.value.exit_status == 143
    assert [state for state, *_ in states(tmp_path / "a")] == [TrialState.COMPLETE, TrialState.RUNNING]
    searched(tmp_path / "a", trials=3)
    begun = (tmp_path / "a" / "trials" / "0001" / "begun").read_text().split()
    assert begun[0] == "0"
    assert int(begun[1]) >= 3  # mid-way, not from its start
    searched(tmp_path / "b", trials=3)
    assert states(tmp_path / "a") == states(tmp_path / "b")


@pytest.mark.parametrize(
    ("sampler", "pruner", "jobs"), [("tpe", "none", 1), ("random", "halving", 1), ("random", "none", 2)]
)
def test_a_search_that_is_killed_again_and_again_ends_as_one_that_is_not(sampler, pruner, jobs, tmp_path) -> None:
    chosen = {"sampler": sampler, "pruner": pruner, "jobs": jobs, "trials": 5}
    searched(tmp_path / "whole", **chosen)
    moments = random.Random(0)
    kills = 0
    while True:
        child = os.fork()
        if child == 0:
            try:
                searched(tmp_path / "killed", starting=slowly, **chosen)
                os._exit(0)
            except BaseException:  # noqa: BLE001 (a fork of the tests must not become a second one)
                os._exit(1)
        # Three lives are shorter than the trainings; later ones are longer, for a busy machine.
        time.sleep(moments.uniform(0.02, 0.15 + 0.01 * kills))
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        assert kills < 100
    searched(tmp_path / "killed", **chosen)
    assert kills >= 3
    assert states(tmp_path / "killed") == states(tmp_path / "whole")
    assert outcomes(tmp_path / "killed") == outcomes(tmp_path / "whole")
    assert len(outcomes(tmp_path / "whole")) == 5
