"""launcher=slurm on a real SLURM of two nodes: whatever happens to a job, its training ends as if nothing had."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError

import pytest
from jobs import (
    SEARCH,
    TRAINING,
    assert_same,
    begin,
    ended,
    epochs,
    finished,
    history,
    job_of,
    only,
    printed,
    table,
    wait_for,
)
from slurm_cluster import slurm, why_not

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
JOB = [*TRAINING, "launcher=slurm", "launcher.wait=false"]
_REVOKED = 3.0  # seconds: a job that starts in the second in which its last start was revoked ("credential") fails


@pytest.fixture(scope="module")
def cluster():
    if reason := why_not():
        pytest.skip(reason)
    pytest.importorskip("submitit")
    with slurm() as up:
        yield up


def submitted(folder: Path, cluster, *more: str) -> Path:
    """The run folder of a training that was handed to the cluster."""
    assert finished([*JOB, *more], folder, cluster.environment) == 0, printed(folder)
    return only(folder.glob("runs/*/*"))


def hurry(cluster, run: Path) -> None:
    """SLURM lets a requeued job wait for two minutes."""
    time.sleep(_REVOKED)
    with suppress(CalledProcessError):  # it runs
        cluster.tell("scontrol", "update", f"jobid={job_of(run)}", "starttime=now")


def wait_for_end(cluster, run: Path) -> None:
    def has_ended() -> bool:
        if cluster.state(job_of(run)) == "PENDING":
            hurry(cluster, run)
        return ended(run) is not None

    def story() -> str:
        written = [run / "output.log", *sorted((run / "launcher").glob("*_log.*"))]
        job = cluster.tell("scontrol", "show", "job", job_of(run))
        return "\n".join([job, *(f"{path}: {path.read_text()[-2000:]}" for path in written)])

    wait_for(has_ended, f"the end of job {job_of(run)}", story)
    assert ended(run) == 0


def requeue(cluster, run: Path) -> None:
    cluster.tell("scontrol", "requeue", job_of(run))


def lose_node(cluster, run: Path) -> None:
    node = cluster.node_of(job_of(run))
    cluster.tell("scontrol", "update", f"nodename={node}", "state=down", "reason=test")


def warn_of_the_time_limit(cluster, run: Path) -> None:
    cluster.tell("scancel", "--signal=USR2", job_of(run))


def kill_the_step(cluster, run: Path, *more: bytes) -> None:
    """Everything that runs in the job, but for its batch script. more: what its environment has to say as well."""
    marks = {f"SLURM_CONF={cluster.folder / 'slurm.conf'}".encode(), b"SLURM_STEP_ID=0", *more}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marks <= set((place / "environ").read_bytes().split(b"\0")):
                os.kill(int(place.name), signal.SIGKILL)


def kill_the_training(cluster, run: Path) -> None:
    os.kill(int((run / ".lock").read_text()), signal.SIGKILL)


DISTURBANCES = [requeue, lose_node, warn_of_the_time_limit, kill_the_step, kill_the_training]


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda what: what.__name__)
def test_a_job_that_is_disturbed_ends_as_one_that_is_not(disturb, cluster, alone, tmp_path) -> None:
    run = submitted(tmp_path, cluster)
    wait_for(lambda: epochs(run) >= 3, "three epochs")
    disturb(cluster, run)
    wait_for_end(cluster, run)
    with suppress(CalledProcessError):  # both are well
        cluster.tell("scontrol", "update", "nodename=node[1-2]", "state=resume")
    assert (run / "output.log").read_text().count("epoch  train/loss") == 2, "it was not disturbed"
    assert_same(run, alone)


def test_a_search_whose_process_is_killed_finds_its_jobs_again(cluster, sweep_alone, tmp_path) -> None:
    arguments = [*SEARCH, "launcher=slurm", "jobs=2"]
    first = begin(arguments, tmp_path, cluster.environment)
    wait_for(lambda: len(list(tmp_path.glob("runs/sweeps/*/trials/000[01]/metrics.csv"))) == 2, "two trials")
    first.kill()
    first.wait()
    sweep = only(tmp_path.glob("runs/sweeps/*"))
    jobs = [job_of(sweep / "trials" / name) for name in ("0000", "0001")]
    assert {cluster.state(job) for job in jobs} == {"RUNNING"}
    cluster.tell("scontrol", "requeue", jobs[0])
    second = begin(["train", f"resume={sweep}"], tmp_path, cluster.environment)
    wait_for(lambda: cluster.state(jobs[0]) == "PENDING", "the requeue")
    hurry(cluster, sweep / "trials" / "0000")
    wait_for(lambda: list(sweep.glob("trials/0002/metrics.csv")), "the third trial")
    cancelled = job_of(sweep / "trials" / "0002")
    cluster.tell("scancel", cancelled)
    assert second.wait(timeout=600) == 0, printed(tmp_path)
    assert [job_of(sweep / "trials" / name) for name in ("0000", "0001")] == jobs
    assert job_of(sweep / "trials" / "0002") != cancelled
    assert table(sweep) == table(sweep_alone)
    for name in ("0000", "0001", "0002", "0003"):
        assert_same(sweep / "trials" / name, sweep_alone / "trials" / name)


def test_a_job_that_waits_is_shown_and_not_started_twice(cluster, tmp_path) -> None:
    waiting = begin([*TRAINING, "launcher=slurm", "launcher.sbatch=['begin=now+3600']"], tmp_path, cluster.environment)
    wait_for(lambda: "PENDING (BeginTime)" in printed(tmp_path), "its reason")
    run = only(tmp_path.glob("runs/*/*"))
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(timeout=60) == 130
    job = job_of(run)
    assert f"SLURM job {job} continues without this command. Follow it with: tail -F" in printed(tmp_path)
    assert f"Cancel it with: scancel {job}" in printed(tmp_path)
    assert finished(["train", f"resume={run}"], tmp_path, cluster.environment) == 2
    assert f"is queued or trained already, by SLURM job {job}." in printed(tmp_path)
    assert finished(["train", f"resume={run}", "launcher=slurm"], tmp_path, cluster.environment) == 2
    cluster.tell("scancel", job)
    wait_for(lambda: cluster.state(job) == "CANCELLED", "its end")
    assert finished(["train", f"resume={run}", "trainer.max_epochs=1"], tmp_path, cluster.environment) == 0
    assert len(history(run)) == 1


def test_a_cancelled_job_ends_the_command_that_follows_it(cluster, tmp_path) -> None:
    following = begin([*TRAINING, "launcher=slurm"], tmp_path, cluster.environment)
    wait_for(lambda: " 1/30 " in printed(tmp_path), "the first epoch on the screen")
    run = only(tmp_path.glob("runs/*/*"))
    cluster.tell("scancel", job_of(run))
    assert following.wait(timeout=120) == 1
    job = f"SLURM job {job_of(run)}"
    assert f"{job} failed: {job} ended without a result: CANCELLED" in printed(tmp_path)


def test_what_slurm_refuses_is_said_in_its_words(cluster, tmp_path) -> None:
    assert finished([*JOB, "launcher.partition=lrage"], tmp_path, cluster.environment) == 2
    assert printed(tmp_path) == (
        "sensorium: SLURM refuses the job: invalid partition specified: lrage. "
        "Batch job submission failed: Invalid partition name specified.\n"
    )
    assert not list(tmp_path.glob("runs/*/*"))


def test_what_is_wrong_with_the_data_is_a_wrong_request(cluster, tmp_path) -> None:
    wrong = [*TRAINING, "launcher=slurm", "dataset=image_folder", "dataset.root=nowhere"]
    assert finished(wrong, tmp_path, cluster.environment) == 2
    assert "failed: " in printed(tmp_path)
    assert "nowhere" in printed(tmp_path)


def test_a_job_that_reaches_its_time_limit_continues_in_the_next(cluster, tmp_path) -> None:
    """SLURM itself ends the job after its minute; the training takes longer than that."""
    longer = "trainer.max_epochs=250"
    (tmp_path / "alone").mkdir()
    assert finished([*TRAINING, longer], tmp_path / "alone") == 0, printed(tmp_path / "alone")
    run = submitted(tmp_path, cluster, longer, "launcher.time=1m")
    wait_for_end(cluster, run)
    assert (run / "output.log").read_text().count("epoch  train/loss") >= 2, "it ended within its limit"
    assert_same(run, only((tmp_path / "alone").glob("runs/*/*")))


# -- two nodes in one training

PAIR = ["launcher.nodes=2", "trainer.max_epochs=20"]


@pytest.fixture(scope="module")
def pair_alone(cluster, tmp_path_factory):
    """The run folder of a training on both nodes that nothing happened to."""
    run = submitted(tmp_path_factory.mktemp("pair"), cluster, *PAIR)
    wait_for_end(cluster, run)
    return run


def test_two_nodes_train_one_model(pair_alone) -> None:
    assert [row["epoch"] for row in history(pair_alone)] == [str(epoch) for epoch in range(1, 21)]
    trainer = (pair_alone / "config.yaml").read_text().partition("\ntrainer:")[2]
    assert "num_nodes: 2" in trainer
    assert (pair_alone / "summary.json").exists()


def lose_the_second_node(cluster, run: Path) -> None:
    cluster.tell("scontrol", "update", "nodename=node2", "state=down", "reason=test")


def kill_the_second_process(cluster, run: Path) -> None:
    kill_the_step(cluster, run, b"SLURM_PROCID=1")


PAIR_DISTURBANCES = [
    requeue,
    lose_the_second_node,
    warn_of_the_time_limit,
    kill_the_training,
    kill_the_second_process,
]


@pytest.mark.parametrize("disturb", PAIR_DISTURBANCES, ids=lambda what: what.__name__)
def test_two_nodes_that_are_disturbed_end_as_two_that_are_not(disturb, cluster, pair_alone, tmp_path) -> None:
    run = submitted(tmp_path, cluster, *PAIR)
    wait_for(lambda: epochs(run) >= 3, "three epochs")
    disturb(cluster, run)
    if disturb is lose_the_second_node:
        wait_for(lambda: cluster.state(job_of(run)) == "PENDING", "the requeue")
        cluster.tell("scontrol", "update", "nodename=node2", "state=resume")
    wait_for_end(cluster, run)
    assert (run / "output.log").read_text().count("epoch  train/loss") == 2, "it was not disturbed"
    assert_same(run, pair_alone)
