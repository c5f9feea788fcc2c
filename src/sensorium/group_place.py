"""A process's place in the group that trains together, in the environment variables that torchrun sets.

What SLURM's srun says is put into the same variables, so that there is one way in. Imports no torch.
"""

import fcntl
import os
import re
import socket
import struct
from collections.abc import Mapping, MutableMapping

from sensorium.errors import RequestError, listing

PLACE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
LAUNCHED = "TORCHELASTIC_RUN_ID"  # by this, Lightning and `launch.is_launched` know a group
_FIRST_PORT, _PORTS = 20_000, 20_000
_SIOCGIFADDR = 0x8915  # Linux: the address of a network device


def take_place(environment: MutableMapping[str, str] = os.environ) -> None:
    """Completes the variables of a process of a group; leaves those of a process on its own alone.

    Raises RequestError where the variables make it one of a group without saying where the others are.
    """
    if "RANK" not in environment and int(environment.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        environment.update(of_slurm(environment))
    numbers = [environment.get(name, "0") for name in ("RANK", "WORLD_SIZE")]
    if not all(number.isdecimal() for number in numbers):
        raise RequestError(f"RANK={numbers[0]} and WORLD_SIZE={numbers[1]} are to be whole numbers.\n{_HOW}")
    if int(numbers[0]) == 0 and int(numbers[1]) <= 1:
        return
    if absent := [name for name in PLACE if not environment.get(name)]:
        said = next(name for name in ("RANK", "WORLD_SIZE") if environment.get(name))
        raise RequestError(
            f"{said}={environment[said]} makes this process one of a group, and {listing(absent)} "
            f"{'is' if len(absent) == 1 else 'are'} not set.\n{_HOW}"
        )
    environment.setdefault(LAUNCHED, "group")
    if (
        int(environment["WORLD_SIZE"]) > int(environment["LOCAL_WORLD_SIZE"])
        and "GLOO_SOCKET_IFNAME" not in environment
    ):
        device = _device_towards(environment["MASTER_ADDR"])
        environment.update({} if device is None else {"GLOO_SOCKET_IFNAME": device})


def refuse_group(verb: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raises RequestError for a process of a group where only a training is shared."""
    if environment.get("WORLD_SIZE", "1") not in ("", "0", "1"):
        raise RequestError(
            f"WORLD_SIZE={environment['WORLD_SIZE']} makes this process one of a group, but sensorium {verb} runs in"
            " one process.\nStart it once, without torchrun, or unset WORLD_SIZE."
        )


_HOW = (
    "Start a group with torchrun --nnodes=N --nproc_per_node=P -m sensorium train ..., which sets all of them; "
    "for one process unset RANK and WORLD_SIZE."
)


def of_slurm(step: Mapping[str, str]) -> dict[str, str]:
    """torchrun's variables for a process that srun started as one of several.

    The first host of the step is where they meet, at a port that follows from the numbers of job and step. Raises
    RequestError when srun did not give every host the same number of processes.
    """
    counts = set(re.findall(r"(\d+)(?:\(x\d+\))?(?:,|$)", step["SLURM_STEP_TASKS_PER_NODE"]))
    if len(counts) != 1:
        raise RequestError(
            f"srun gave the hosts different numbers of processes: {step['SLURM_STEP_TASKS_PER_NODE']}.\n"
            "Give each the same, with --ntasks-per-node."
        )
    job, number = int(step["SLURM_JOB_ID"]), int(step["SLURM_STEP_ID"])
    return {
        "RANK": step["SLURM_PROCID"],
        "WORLD_SIZE": step["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": step["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": counts.pop(),
        "GROUP_RANK": step["SLURM_NODEID"],
        "MASTER_ADDR": step.get("MASTER_ADDR") or first_host(step["SLURM_STEP_NODELIST"]),
        "MASTER_PORT": step.get("MASTER_PORT") or str(_FIRST_PORT + (job * 31 + number) % _PORTS),
        LAUNCHED: f"slurm_{job}_{number}",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }


def first_host(hosts: str) -> str:
    """Of hosts as SLURM lists them: "node[007-009,012],other" -> "node007"."""
    found = re.match(r"([^\[,]*)(?:\[([^\],-]*)[^\]]*\])?([^\[,]*)", hosts)
    assert found is not None  # every part of it may be empty
    return "".join(part or "" for part in found.groups())


def _device_towards(address: str) -> str | None:
    """The network device of this host that has its address in the network of another; None for its own loopback.

    gloo would take the device of the host's own name, which /etc/hosts often gives to the loopback device.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # sends nothing
            mine = probe.getsockname()[0]
            if mine.startswith("127."):
                return None
            for _, name in socket.if_nameindex():
                try:
                    packed = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                except OSError:  # a device without an address
                    continue
                if socket.inet_ntoa(packed[20:24]) == mine:
                    return name
    except OSError:  # a name that is not known, or no way there: joining says so
        pass
    return None
