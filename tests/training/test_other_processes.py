"""A run resumed on another number of processes keeps the examples of each step, and says what is not exact any more."""

from pathlib import Path
from typing import Any

import pytest
import torch

from command import run_process
from groups import SETTINGS, WATCHER, run_of, sent
from sensorium.cli import resuming
from sensorium.errors import RequestError
from trainings import opened, two_cores

# Plain SGD, no dropout: with the same examples at each step the weights differ by rounding alone.
ON_CPU = (
    *(*SETTINGS, "accelerator=cpu", "scheduler=constant", "callbacks.checkpoints.every_n_steps=7"),
    *("test=false", "calibration=none", "ood=none", "explanation=none"),
)


def resumed(kept: dict[str, Any], now: int, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[Any, str | None]:
    """The batch size that `now` processes take, and the note."""
    monkeypatch.setattr(resuming.launch, "wanted_processes", lambda *_, **__: now)
    config, note = resuming._shared_out_anew(kept, dict(kept), batch_given=more.get("batch_given", False))
    return config["batch_size"], note


def stored(devices: object, nodes: int = 1, batch: object = 16) -> dict[str, Any]:
    return {"trainer": {"devices": devices, "num_nodes": nodes}, "batch_size": batch}


def test_a_step_keeps_its_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resumed(stored(2, 2), 4, monkeypatch) == (16, None)
    batch, note = resumed(stored(2, 2), 1, monkeypatch)
    assert batch == 64
    assert note is not None
    assert note.startswith(
        "trained on 4 processes so far, resumed on 1 process: with batch_size=64 a step takes the same "
    )
    assert "not exactly the same" in note
    assert resumed(stored("auto"), 2, monkeypatch)[0] == 8
    assert resumed(stored("auto", batch="auto"), 2, monkeypatch) == ("auto", None)


def test_a_step_that_cannot_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match=r"32 examples a step, 16 on each of 2 processes; 3 .*\nGive batch_size=11"):
        resumed(stored(2), 3, monkeypatch)
    batch, note = resumed(stored(2), 3, monkeypatch, batch_given=True)
    assert batch == 16
    assert "a step takes other examples" in str(note)


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize(("before", "now"), [(1, 2), (2, 1)])
def test_it_ends_like_a_run_on_either(before: int, now: int, tmp_path: Path) -> None:
    def arguments(processes: int) -> list[str]:
        return [*ON_CPU, f"trainer.devices={processes}", f"batch_size={32 // processes}"]

    (tmp_path / "watcher.py").write_text(WATCHER)
    (tmp_path / "whole").mkdir()
    assert run_process(["train", *arguments(before)], tmp_path / "whole").status == 0
    # 143 is asked for in the middle of the second epoch; a single process sends the signal to itself.
    signal = sent(15, step=27, parent=before > 1)
    assert run_process(["train", *arguments(before), *signal], tmp_path).status == 143
    run, whole = run_of(tmp_path), run_of(tmp_path / "whole")
    assert 27 <= opened(run.last)["global_step"] < 40
    result = run_process(["train", f"resume={run.folder}", f"trainer.devices={now}", "callbacks.signal=null"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    words = ("1 process", "2 processes")
    assert result.stdout.count(f"trained on {words[before - 1]} so far, resumed on {words[now - 1]}: ") == 1
    ended, expected = opened(run.last), opened(whole.last)
    assert ended["global_step"] == expected["global_step"] == 40
    for name, value in expected["state_dict"].items():
        assert torch.allclose(ended["state_dict"][name], value, rtol=1e-3, atol=1e-5), name
