"""Jobs of an engine by their run folders. The engine is a list of what was asked of it."""

from dataclasses import dataclass, field

import pytest

from sensorium.errors import RequestError
from sensorium.launchers.base import Look, read_record, write_end
from sensorium.launchers.remote import begin, found
from sensorium.run_folder import RunFolder


@dataclass
class FakeEngine:
    name: str = "slurm"
    address: str | None = None
    requeue: int = 3
    submissions: list[list[str]] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    cancelled: list[tuple[str, bool]] = field(default_factory=list)

    def submit(self, run, arguments) -> str:
        self.submissions.append(arguments)
        job = str(len(self.submissions))
        self.live.add(job)
        return job

    def find(self, run) -> str | None:
        return max(self.live, default=None)

    def look(self, job) -> Look:
        return Look(job not in self.live, "RUNNING on node1" if job in self.live else "CANCELLED")

    def cancel(self, job, *, at_once=False) -> None:
        self.cancelled.append((job, at_once))
        self.live.discard(job)

    def described(self, job) -> str:
        return f"SLURM job {job}"

    def how_to_cancel(self, job) -> str:
        return f"scancel {job}"


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(tmp_path)


def test_a_job_runs_until_it_notes_its_end(run):
    engine = FakeEngine()
    job = begin(engine, run, ["lr=0.1"])
    assert (job.poll(), job.where, job.name) == (None, "RUNNING on node1", "SLURM job 1")
    write_end(run, "1", 2)
    assert job.poll() == 2
    assert engine.submissions == [["lr=0.1"]]


def test_a_job_that_was_lost_is_submitted_again_as_often_as_is_wanted(run):
    engine = FakeEngine()
    job = begin(engine, run, ["lr=0.1"], again=2)
    for number in ("1", "2"):
        engine.live.clear()
        assert job.poll() is None
        assert read_record(run).job == str(int(number) + 1)
    engine.live.clear()
    assert job.poll() == 1
    assert engine.submissions == [["lr=0.1"]] * 3
    assert (run.folder / "output.log").read_text().splitlines() == [
        "sensorium: SLURM job 1 ended without a result: CANCELLED; it is submitted again, as SLURM job 2",
        "sensorium: SLURM job 2 ended without a result: CANCELLED; it is submitted again, as SLURM job 3",
        "sensorium: SLURM job 3 ended without a result: CANCELLED",
    ]


def test_a_job_that_was_asked_to_stop_is_not(run):
    engine = FakeEngine()
    job = begin(engine, run, [], again=2)
    job.terminate()
    assert job.poll() == -15
    assert (engine.cancelled, len(engine.submissions)) == ([("1", False)], 1)
    job.kill()
    assert engine.cancelled[-1] == ("1", True)


def test_a_job_is_found_again(run):
    engine = FakeEngine()
    assert found(engine, run) is None
    begin(engine, run, [])
    again = found(engine, run, again=3)
    assert (again.record.job, again.poll()) == ("1", None)
    write_end(run, "1", 0)
    engine.live.clear()
    assert found(engine, run).poll() == 0
    assert len(engine.submissions) == 1


def test_a_job_that_nobody_had_time_to_note_is_found_by_its_name(run):
    engine = FakeEngine()
    begin(engine, run, [])
    (run.folder / "job.json").unlink()
    assert found(engine, run).record.job == "1"
    assert read_record(run).job == "1"


def test_the_end_of_an_earlier_job_is_none_of_the_next(run):
    engine = FakeEngine()
    begin(engine, run, [])
    write_end(run, "1", 1)
    engine.live.clear()
    assert begin(engine, run, []).poll() is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"launcher": 1, "job": "1", "address": null, "attempt": 0}'])
def test_a_record_that_is_none_of_ours(text, run):
    (run.folder / "job.json").write_text(text)
    with pytest.raises(RequestError, match=r"job\.json .*Remove it once the job of this run is gone"):
        read_record(run)
