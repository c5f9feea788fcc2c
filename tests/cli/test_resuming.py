"""What a run is not resumed with, found before anything is read."""

import json
from pathlib import Path

import pytest
import yaml

from sensorium.cli import resuming
from sensorium.cli.app import composed_training
from sensorium.cli.request import answer
from sensorium.errors import RequestError
from sensorium.run_folder import RunFolder
from sensorium.training import launch


def run_of(folder: Path, *overrides: str, epochs: int) -> RunFolder:
    """A run folder of digits whose training has come so far."""
    config, _ = composed_training(["dataset=digits", "model=perceptron", "batch_size=32", *overrides], [])
    run = RunFolder(folder)
    run.config.write_text(yaml.safe_dump(json.loads(json.dumps(config))))
    run.history.write_text("epoch,step\n" + "".join(f"{epoch},{10 * epoch}\n" for epoch in range(1, epochs + 1)))
    return run


def test_fewer_epochs_than_it_has_been_trained_for(tmp_path) -> None:
    run = run_of(tmp_path, "trainer.max_epochs=60", epochs=22)
    with pytest.raises(RequestError, match=r"max_epochs=21 is fewer than the 22 epochs .* sensorium eval ckpt="):
        resuming.stored(run.folder, ["trainer.max_epochs=21"], from_start=True)
    assert resuming.stored(run.folder, ["trainer.max_epochs=22"], from_start=True)[0].trainer["max_epochs"] == 22
    assert resuming.stored(run.folder, ["trainer.max_epochs=-1"], from_start=True)[0].trainer["max_epochs"] == -1


def test_more_processes_than_there_are_cores_now(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(launch, "cores", lambda: 1)
    run = run_of(tmp_path, "trainer.devices=2", "accelerator=cpu", "force=true", epochs=1)
    text = run.config.read_text().replace("force: true", "force: false")
    run.config.write_text(text)
    with pytest.raises(RequestError, match=r"there is 1 CPU core(.|\n)*trained on 2 processes; trainer.devices=1"):
        resuming.stored(run.folder, [], from_start=True)
    with pytest.raises(RequestError) as raised:
        resuming.stored(run.folder, ["trainer.devices=3"], from_start=True)
    assert "The run was trained on" not in str(raised.value)
    config, _, _ = resuming.stored(run.folder, ["trainer.devices=1"], from_start=True)
    assert config.batch_size == 64  # the same examples a step


def test_what_groups_chose_of_the_trainer_is_chosen_again_by_their_names(tmp_path) -> None:
    run = run_of(tmp_path, "accelerator=cpu", epochs=1)
    arguments = [f"resume={run.folder}", "strategy=ddp", "accelerator=auto"]
    path, from_start, rest = resuming.asked(arguments)
    assert (path, from_start, rest) == (run.folder, False, ["trainer.strategy=ddp", "trainer.accelerator=auto"])
    assert not answer("train", arguments)  # is checked before torch is imported too
    config, _, _ = resuming.stored(run.folder, rest, from_start=True)
    assert (config.trainer["strategy"], config.trainer["accelerator"]) == ("ddp", "auto")
    with pytest.raises(RequestError, match="strategy=dpd is not possible"):
        answer("train", [f"resume={run.folder}", "strategy=dpd"])
    assert resuming.asked(["strategy=ddp"]) == (None, False, ["strategy=ddp"])


def test_a_run_that_never_began_is_not_said_to_begin_anew(tmp_path, capsys) -> None:
    run = run_of(tmp_path, epochs=0)
    resuming.stored(run.folder, [], from_start=False)
    assert capsys.readouterr().out == ""
    run.log.write_text("epoch\n")
    resuming.stored(run.folder, [], from_start=False)
    assert "No checkpoint had been written yet" in capsys.readouterr().out
