"""Gradual unfreezing: what learns in which epoch, and that an interruption or a second process changes nothing."""

import signal
from pathlib import Path

import pytest
import torch
from test_resume import assert_same_end, finished, killed, killed_at, resumed, run_of
from torch import Tensor

from command import run_command, run_group
from sensorium.errors import RequestError
from sensorium.runs import RunFolder
from trainings import SHORT, opened, trained, two_cores

# Three stages below the head, with norms; a decay that would show on what does not learn; 6 steps an epoch.
SETTINGS = (*SHORT, "model=resnet8", "optimizer.weight_decay=1.0", "lr=0.01", "scheduler=constant", "augment=none")
STAGES = ["features.0", "features.1", "features.2", "features.3", "head"]


def stages_of(names: set[str]) -> list[str]:
    return [stage for stage in STAGES if any(name.removeprefix("model.").startswith(stage) for name in names)]


def weights_of(run: RunFolder) -> dict[str, Tensor]:
    return opened(run.last)["state_dict"]


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_the_head_learns_first_and_then_a_stage_more_every_two_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a constant rate the first epochs of a training are those of a shorter one."""
    ends = {}
    for epochs in (1, 2, 3, 4, 5):
        run = trained(tmp_path, *SETTINGS, "model.unfreeze_epochs=2", f"trainer.max_epochs={epochs}")
        ends[epochs] = weights_of(run)
    assert stages_of(moved(ends[1], ends[2])) == ["head"]
    assert stages_of(moved(ends[2], ends[3])) == stages_of(moved(ends[3], ends[4])) == ["features.3", "head"]
    assert stages_of(moved(ends[4], ends[5])) == ["features.2", "features.3", "head"]
    norms = {name for name in moved(ends[3], ends[4]) if "running_mean" in name}
    assert stages_of(norms) == ["features.3"]
    out = capsys.readouterr().out[-3000:]
    assert "max_epochs=5 ends before these learn: features.1, features.0\n" in out
    said = [line for line in out.splitlines() if line.startswith("learning from epoch")]
    assert said[-3:] == [
        "learning from epoch 1 on: head",
        "learning from epoch 3 on: features.3",
        "learning from epoch 5 on: features.2",
    ]


def test_in_the_end_all_of_it_learns(tmp_path: Path) -> None:
    few = (*SETTINGS, "model.unfreeze_epochs=1", "trainer.limit_train_batches=1")
    before, after = (weights_of(trained(tmp_path, *few, f"trainer.max_epochs={epochs}")) for epochs in (4, 5))
    assert stages_of(moved(before, after)) == STAGES


def test_another_freezing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"model\.freeze keeps frozen\.\nTake one of the two"):
        trained(tmp_path, *SETTINGS, "model.unfreeze_epochs=1", "model.freeze=backbone")


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("muon", marks=pytest.mark.slow)])
def test_resumed_it_ends_as_if_it_had_not_been_interrupted(tmp_path: Path, optimizer: str) -> None:
    """In the middle of an epoch of frozen stages, at the end of it, and with an average of the weights."""
    settings = (
        *SETTINGS, f"optimizer={optimizer}", "model.unfreeze_epochs=1", "model.layer_lr_decay=0.8", "callbacks=ema",
        "callbacks.checkpoints.every_n_steps=4", "run_root=runs",
    )  # fmt: skip
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    assert run_command(["train", *settings], tmp_path / "whole").status == 0
    run = killed(tmp_path / "cut", *killed_at(3), settings=settings)
    assert resumed(tmp_path / "cut", "callbacks.kill.step=10").status == -signal.SIGKILL
    finished(tmp_path / "cut")
    assert_same_end(run, run_of(tmp_path / "whole"))


@two_cores
def test_two_processes_unfreeze_as_one_does(tmp_path: Path) -> None:
    """Plain SGD and no norms, as elsewhere: two batches of 8 are one of 16."""
    settings = (
        "model=mlp", "model.hidden=[16,16]", "augment=none", "optimizer=sgd", "scheduler=constant", "workers=1",
        "threads=1", "trainer.max_epochs=3", "trainer.limit_train_batches=6", "eval_batch_size=32", "run_root=runs",
        "accelerator=cpu", "test=false", "model.unfreeze_epochs=1",
    )  # fmt: skip
    first, second = run_group(["train", *settings, "batch_size=8"], tmp_path)
    for result in (first, second):
        told = [line for line in result.stderr.splitlines() if "reducer.cpp" not in line]  # torch's advice on its speed
        assert (result.status, told) == (0, [])
    assert (first.stdout + second.stdout).count("learning from epoch") == 3
    one = trained(tmp_path / "one", *settings, "batch_size=16")
    for name, value in weights_of(one).items():
        assert torch.allclose(weights_of(run_of(tmp_path))[name], value, rtol=1e-4, atol=1e-6), name
