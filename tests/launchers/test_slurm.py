"""What SLURM is asked and how its answers are read, with programs that stand in for it. A real one: tests/cluster."""

import os
import pickle
import time

import pytest

from sensorium.errors import RequestError, RunError
from sensorium.launchers import slurm
from sensorium.launchers.slurm import Slurm, SlurmJob, group_environment, one_line
from sensorium.run_folder import RunFolder

SECTION = {
    "partition": "long",
    "account": None,
    "time": 90,
    "cpus": 4,
    "mem_gb": 1.5,
    "gpus": 2,
    "nodes": 1,
    "tasks": 1,
    "requeue": 3,
    "setup": ["module load cuda"],
    "sbatch": ["qos=high", "exclusive"],
}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Programs of SLURM that note how they are called; sbatch answers as it does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{folder}/asked"\n. "{folder}/{name}.answer"\n')
        (folder / f"{name}.answer").write_text("")
        (folder / name).chmod(0o755)
    (folder / "sbatch.answer").write_text("echo Submitted batch job 7\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def engine(**changed) -> Slurm:
    return Slurm(**SECTION | changed)


def test_the_batch_script_asks_for_what_the_config_says(programs, tmp_path):
    pytest.importorskip("submitit")
    run = RunFolder(tmp_path / "2026-01-31")
    run.folder.mkdir()
    assert engine().submit(run, ["lr=0.1"]) == "7"
    script = (run.folder / "launcher" / "7_submission.sh").read_text()
    options = {line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")}
    wanted = {"partition=long", "time=90", "cpus-per-task=4", "mem=1536MB", "gpus-per-node=2", "nodes=1"}
    wanted |= {"ntasks-per-node=1", "qos=high", "exclusive", "requeue", "signal=USR2@90", "open-mode=append"}
    assert wanted <= options
    assert not any(option.startswith("account") for option in options)
    lines = script.splitlines()
    assert lines.index("module load cuda") < next(place for place, line in enumerate(lines) if line.startswith("srun"))
    assert lines[-1].startswith(f"test -e {run.folder / 'launcher' / 'ended.json'} || test")
    stored = pickle.loads((run.folder / "launcher" / "7_submitted.pkl").read_bytes())
    assert stored.function == SlurmJob(str(run.folder), ("lr=0.1",), 3)


def test_what_sbatch_refuses_is_said_in_its_words(programs, tmp_path, capfd):
    pytest.importorskip("submitit")
    refusal = "sbatch: error: invalid partition specified: lrage\\nsbatch: error: Batch job submission failed: No."
    (programs / "sbatch.answer").write_text(f"printf '{refusal}' >&2; exit 1\n")
    with pytest.raises(RequestError) as error:
        engine().submit(RunFolder(tmp_path), [])
    said = "invalid partition specified: lrage. Batch job submission failed: No."
    assert str(error.value) == f"SLURM refuses the job: {said}"
    assert capfd.readouterr() == ("", "")


def test_a_job_is_gone_when_two_answers_say_so(programs, monkeypatch):
    monkeypatch.setattr(slurm, "_EVERY", 0.0)
    answers = programs / "squeue.answer"
    answers.write_text("echo '7|PENDING|Resources|'; echo '8|RUNNING|None|node[1-2]'; echo '9|CANCELLED|None|node1'\n")
    ours = engine()
    assert ours.look("7") == slurm.Look(False, "PENDING (Resources)")
    assert ours.look("8") == slurm.Look(False, "RUNNING on node[1-2]")
    ours.look("9")
    assert ours.look("9") == slurm.Look(True, "CANCELLED on node1")
    answers.write_text("echo '7|PENDING|BeginTime|'\n")
    assert ours.look("8") == slurm.Look(False, "gone")
    answers.write_text("echo unreachable >&2; exit 1\n")
    assert ours.look("8") == slurm.Look(False, "gone")  # no answer is no answer
    answers.write_text("")
    assert ours.look("8").is_gone


def test_the_controller_is_asked_once_for_all_jobs(programs):
    (programs / "squeue.answer").write_text("echo '7|RUNNING|None|node1'; echo '8|RUNNING|None|node1'\n")
    ours = engine()
    ours._asked = time.monotonic() - 60
    for job in ("7", "8", "7", "8"):
        ours.look(job)
    assert (programs / "asked").read_text().count("--states=all") == 1


def test_a_job_is_cancelled(programs):
    engine().cancel("7")
    engine().cancel("7", at_once=True)
    asked = (programs / "asked").read_text().splitlines()
    assert [line for line in asked if not line.startswith("squeue")] == ["scancel 7", "scancel --full --signal=KILL 7"]
    (programs / "scancel.answer").write_text("echo 'scancel: error: no permission' >&2; exit 1\n")
    (programs / "squeue.answer").write_text("echo '7|RUNNING|None|node1'\n")
    with pytest.raises(RunError, match=r"scancel: no permission\."):
        engine().cancel("7")


def test_without_slurm(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RequestError, match="launcher=slurm: there is no sbatch on this machine"):
        engine()


def test_a_machine_with_slurm_and_without_a_cluster(programs):
    said = "squeue: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host"
    (programs / "squeue.answer").write_text(f"echo '{said}' >&2; exit 1\n")
    with pytest.raises(RequestError, match=r"are on this machine, and no slurm\.conf that names a cluster\."):
        engine()
    (programs / "squeue.answer").write_text("echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1\n")
    assert engine().name == "slurm"  # a controller that restarts answers later


def test_the_place_of_a_task_in_its_group():
    given = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        "SLURM_STEP_NODELIST": "node[1-2]",
        "SLURM_STEP_ID": "0",
        "SLURM_JOB_ID": "45678",
        "SLURM_PROCID": "3",
        "SLURM_LOCALID": "1",
        "SLURM_NODEID": "1",
        "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1",
        "HOME": "/home",
    }
    found = group_environment(given)
    assert (found["RANK"], found["LOCAL_RANK"], found["WORLD_SIZE"], found["LOCAL_WORLD_SIZE"]) == ("3", "1", "4", "2")
    assert (found["MASTER_ADDR"], found["MASTER_PORT"], found["HOME"]) == ("10.0.0.1", "36018", "/home")
    assert "RANK" not in group_environment({"SLURM_STEP_NUM_TASKS": "1"})


def test_several_lines_of_an_error_are_one():
    assert one_line("sbatch: error: One\nsbatch: two.\n\n") == "One. two."
