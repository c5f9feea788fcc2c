"""launcher=...: what is refused before torch is imported, and what it makes of a command line."""

import json

import pytest

from sensorium.cli import engines
from sensorium.cli.launcher_rules import minutes
from sensorium.cli.request import answer
from sensorium.cli.search_request import as_search
from sensorium.errors import RequestError
from sensorium.launchers import slurm

WRONG = [
    (["launcher=slrum"], "There is no launcher 'slrum'. Did you mean slurm?"),
    (["launcher=slurm", "launcher.partitoin=a"], "Did you mean launcher.partition?"),
    (["launcher=slurm", "+launcher.memory=4"], "There is no key in launcher 'memory'"),
    (["launcher=slurm", "launcher.time=90"], "launcher.time=90 is not possible. Allowed: whole minutes, hours or days"),
    (["launcher=slurm", "launcher.time=0h"], "launcher.time=0h is not possible"),
    (["launcher=slurm", "launcher.cpus=0"], "launcher.cpus=0 is not possible. Allowed: a whole number from 1"),
    (["launcher=slurm", "launcher.mem_gb=-1"], "launcher.mem_gb=-1 is not possible"),
    (["launcher=slurm", "launcher.sbatch=[Qos]"], "launcher.sbatch=[Qos] is not possible"),
    (["launcher=ray", "launcher.address=10.0.0.5"], "launcher.address=10.0.0.5 is not possible. Allowed: HOST:PORT"),
    (["launcher=local", "launcher.cpus=2"], "launcher.cpus"),
    (["launcher.engine=slurm"], "does not fit launcher.engine=slurm. Choose it with launcher=slurm."),
    (["launcher=ray", "launcher.engine=slurm"], "does not fit launcher.engine=slurm"),
    (["launcher=slurm", "~launcher.wait"], "launcher.wait does not fit launcher.engine=slurm"),
    (["-m", "search=random", "lr=0.1,0.2", "launcher=slurm,ray"], "one search has one"),
    (["-m", "search=random", "lr=0.1,0.2", "launcher=slrum"], "Did you mean slurm?"),
    (["-m", "search=random", "lr=0.1,0.2", "launcher=slurm", "launcher.wait=false"], "is for a single training"),
]


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: object())
    monkeypatch.setattr(slurm, "is_here", lambda: True)
    monkeypatch.setattr(slurm, "_tell", lambda *command: "")


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_wrong_request(arguments, message, installed) -> None:
    with pytest.raises(RequestError) as error:
        answer("train", arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(("launcher", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_without_the_package_the_extra_is_named(launcher, package, monkeypatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=f"needs the package '{package}'") as error:
        answer("train", [f"launcher={launcher}"])
    assert str(error.value).endswith(f"pip install 'sensorium[{launcher}]'")


def test_a_ray_cluster_has_to_be_named(installed) -> None:
    with pytest.raises(RequestError, match=r"launcher=ray needs launcher\.address=HOST:PORT"):
        answer("train", ["launcher=ray"])


def test_times() -> None:
    assert (minutes("90m"), minutes("4h"), minutes("2d")) == (90, 240, 2880)


def test_a_plain_sweep_on_a_cluster_is_a_grid() -> None:
    assert as_search(["-m", "lr=0.1,0.2", "launcher=slurm"])[0] == "search=grid"
    for arguments in (["-m", "lr=0.1,0.2"], ["launcher=slurm"], ["-m", "search=tpe", "lr=0.1,0.2", "launcher=slurm"]):
        assert as_search(arguments) == arguments


def test_a_run_that_was_handed_to_a_cluster_which_nobody_named_is_not_resumed_here(tmp_path) -> None:
    """job.json may come from anywhere: its address is not asked."""
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    record = {"format": 1, "launcher": "ray", "job": "a", "address": "192.0.2.1:6379", "attempt": 0}
    (tmp_path / "job.json").write_text(json.dumps(record))
    with pytest.raises(RequestError) as error:
        answer("train", [f"resume={tmp_path}"])
    assert str(error.value) == (
        f"{tmp_path} was handed to launcher=ray, where no end of it was noted.\n"
        "Resume it with launcher=ray launcher.address=192.0.2.1:6379, or remove its job.json once that job is gone."
    )
    (tmp_path / "launcher").mkdir()
    (tmp_path / "launcher" / "ended.json").write_text('{"job": "a", "status": 0}')
    answer("train", [f"resume={tmp_path}"])
