"""A process's place in its group, from torchrun or from SLURM."""

import pytest

from sensorium.errors import RequestError
from sensorium.group_place import first_host, of_slurm, refuse_group, take_place

TORCHRUN = {
    "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}  # fmt: skip
# What srun --nodes=2 --ntasks-per-node=2 sets for its fourth process, in the second step of job 41.
SLURM = {
    "SLURM_JOB_ID": "41", "SLURM_STEP_ID": "1", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_STEP_NODELIST": "node[07-08]",
}  # fmt: skip


def test_a_process_alone_is_left_alone() -> None:
    for environment in ({}, {"RANK": "0", "WORLD_SIZE": "1"}, {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}):
        given = dict(environment)
        take_place(given)
        assert given == environment


def test_what_torchrun_says_stays() -> None:
    given = TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}
    take_place(given)
    assert given == TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}


def test_a_group_that_something_else_started() -> None:
    given = dict(TORCHRUN)
    take_place(given)
    assert given == TORCHRUN | {"TORCHELASTIC_RUN_ID": "group"}


@pytest.mark.parametrize("absent", ["MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE"])
def test_a_variable_that_is_missing(absent: str) -> None:
    given = {name: value for name, value in TORCHRUN.items() if name != absent}
    with pytest.raises(RequestError, match=rf"RANK=1 makes this process one of a group, and {absent} is not set\.\n"):
        take_place(given)


def test_several_that_are_missing() -> None:
    with pytest.raises(RequestError, match=r"WORLD_SIZE=2 makes .*, and RANK, LOCAL_RANK, .*MASTER_PORT are not set"):
        take_place({"WORLD_SIZE": "2"})


def test_what_is_no_number() -> None:
    with pytest.raises(RequestError, match="RANK=first and WORLD_SIZE=2 are to be whole numbers"):
        take_place(TORCHRUN | {"RANK": "first"})


def test_what_srun_says_becomes_what_torchrun_says() -> None:
    found = of_slurm(SLURM)
    assert found == {
        "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1",
        "MASTER_ADDR": "node07", "MASTER_PORT": str(20_000 + 41 * 31 + 1), "TORCHELASTIC_RUN_ID": "slurm_41_1",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }  # fmt: skip
    given = SLURM | {"GLOO_SOCKET_IFNAME": "eth0"}
    take_place(given)
    assert given == SLURM | found | {"GLOO_SOCKET_IFNAME": "eth0"}
    assert of_slurm(SLURM | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "5"})["MASTER_ADDR"] == "10.0.0.1"


def test_torchrun_inside_srun_decides() -> None:
    given = SLURM | TORCHRUN
    take_place(given)
    assert given["WORLD_SIZE"] == "2"


def test_hosts_with_different_numbers_of_processes() -> None:
    with pytest.raises(RequestError, match=r"different numbers of processes: 2,1\.\nGive each the same"):
        of_slurm(SLURM | {"SLURM_STEP_TASKS_PER_NODE": "2,1", "SLURM_STEP_NUM_TASKS": "3"})


@pytest.mark.parametrize(
    ("hosts", "first"),
    [("node07", "node07"), ("node[07-08]", "node07"), ("a1,b2", "a1"), ("n[007-009,012],other", "n007"),
     ("r[1,3]-ib", "r1-ib")],
)  # fmt: skip
def test_the_first_host_of_a_list(hosts: str, first: str) -> None:
    assert first_host(hosts) == first


def test_only_a_training_is_shared() -> None:
    for size in ("", "0", "1"):
        refuse_group("eval", {"WORLD_SIZE": size})
    refuse_group("eval", {})
    with pytest.raises(RequestError, match=r"WORLD_SIZE=2 makes .*, but sensorium eval runs in one process"):
        refuse_group("eval", {"WORLD_SIZE": "2"})
