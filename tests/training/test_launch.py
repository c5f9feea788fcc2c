"""One run on several processes: who is asked for, who one is, and what happens when one fails."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sensorium import distributed
from sensorium.errors import RequestError
from sensorium.run_folder import RunFolder, is_spawned
from sensorium.training import group, launch
from trainings import bare_config


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launch, "cores", lambda: 4)


@pytest.mark.parametrize(("devices", "expected"), [(1, 1), (3, 3), ("2", 2), ("auto", 1), (-1, 1)])
def test_processes_asked_for(devices: object, expected: int) -> None:
    assert launch.wanted_processes({"devices": devices, "accelerator": "cpu"}) == expected


@pytest.mark.parametrize("devices", [0, -2, "many", None, 1.5])
def test_impossible_numbers_of_processes(devices: object) -> None:
    with pytest.raises(RequestError, match=f"trainer.devices={devices} is not possible"):
        launch.wanted_processes({"devices": devices, "accelerator": "cpu"})


@pytest.mark.parametrize("devices", [5, "99"])
def test_more_processes_than_cores(devices: object) -> None:
    message = rf"trainer.devices={re.escape(str(devices))} is not possible: there are 4 CPU cores. "
    with pytest.raises(RequestError, match=message + r"Allowed: auto or a number from 1 to 4\. .* force=true "):
        launch.wanted_processes({"devices": devices, "accelerator": "cpu"})
    assert launch.wanted_processes({"devices": devices, "accelerator": "cpu"}, force=True) == int(str(devices))


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert launch.wanted_processes({"devices": 2, "accelerator": "gpu"}) == 2
    with pytest.raises(RequestError, match=r"devices=4 is not possible: there are 2 GPUs. Allowed: .* from 1 to 2\."):
        launch.wanted_processes({"devices": 4, "accelerator": "gpu"}, force=True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RequestError, match=r"there is 1 GPU. Allowed: auto or 1\."):
        launch.wanted_processes({"devices": 4, "accelerator": "gpu"})


def test_more_processes_than_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  8000000 kB\nMemAvailable:     1500000 kB\n")
    monkeypatch.setattr(launch, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=600000))
    launch._check_memory(2)
    message = r"devices=4 is not possible: 4 processes need 2\.4 GB .* and 1\.5 GB are free\.\nTake at most 2\."
    with pytest.raises(RequestError, match=message):
        launch.spawn(RunFolder(tmp_path), 4)


def test_whoever_started_a_group_chose_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert launch.wanted_processes({"devices": 9, "accelerator": "cpu"}) == 9


def test_alone_there_is_nothing_to_join_and_nothing_to_agree_on() -> None:
    assert (distributed.rank(), distributed.world_size(), launch.is_launched()) == (0, 1, False)
    group.join()
    assert distributed.agree("this") == "this"
    config = bare_config(trainer={"devices": 1, "strategy": "auto"})
    assert launch.with_world_size(config) is config


@pytest.mark.parametrize(("given", "expected"), [("auto", "ddp"), ("ddp", "ddp"), ("fsdp", "fsdp")])
def test_a_group_says_how_many_it_is(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    config = launch.with_world_size(bare_config(trainer={"devices": 1, "strategy": given}))
    assert config.trainer == {"devices": 4, "num_nodes": 2, "strategy": expected}


def test_a_spawned_process_knows_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "2026-01-31_12-00-00_ab12")
    assert is_spawned(RunFolder(Path("runs/digits/2026-01-31_12-00-00_ab12")))
    assert not is_spawned(RunFolder(Path("runs/digits/2026-01-31_12-00-00_ab13")))


def group_of(*programs: str) -> list["subprocess.Popen[bytes]"]:
    return [subprocess.Popen([sys.executable, "-c", program]) for program in programs]


def test_a_group_that_succeeds() -> None:
    assert launch._wait(group_of("pass", "pass")) == 0


@pytest.mark.parametrize(("program", "status"), [("exit(2)", 2), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_first_to_fail_decides_and_the_others_are_ended(program: str, status: int) -> None:
    waits_for_ever = "import time; time.sleep(1000)"
    group = group_of(waits_for_ever, program)
    started = group[0].pid
    assert launch._wait(group, patience=0.2) == status
    with pytest.raises(ProcessLookupError):
        os.kill(started, 0)


def test_each_process_is_told_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchrun would tell it, so that there is one way in."""
    show = f"import json, os; json.dump(dict(os.environ), open(r'{tmp_path}/' + os.environ['RANK'], 'w'))"
    start = subprocess.Popen

    def started(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        assert command[1:] == ["-P", "-m", "sensorium", "train", "resume=runs/a/b"]
        return start([sys.executable, "-c", show], **options)

    monkeypatch.setattr(subprocess, "Popen", started)
    assert launch.spawn(RunFolder(Path("runs/a/b")), 3) == 0
    places = [json.loads((tmp_path / str(number)).read_text()) for number in range(3)]
    assert [place["LOCAL_RANK"] for place in places] == ["0", "1", "2"]
    assert {(place["WORLD_SIZE"], place["LOCAL_WORLD_SIZE"], place["GROUP_RANK"]) for place in places} == {
        ("3", "3", "0")
    }
    assert len({(place["MASTER_ADDR"], place["MASTER_PORT"]) for place in places}) == 1
