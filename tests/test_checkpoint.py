"""A checkpoint is whole or not there, is data and not code, and says what it is."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sensorium import checkpoint
from sensorium.build import check_targets, model_of
from sensorium.checkpoint import FORMAT, KEY
from sensorium.errors import RequestError, RunError
from sensorium.migration import migrated_config
from sensorium.specs import ImageClassificationSpec

SPEC = ImageClassificationSpec(class_names=("cat", "dog"), in_channels=1, image_size=(2, 2), mean=(0.5,), std=(0.25,))
CONFIG = {
    "dataset": {},
    "model": {"_target_": "sensorium.models.vision.perceptron.Perceptron"},
    "trainer": {"precision": "32-true"},
    "memory_format": "contiguous",
}


def payload(**changes: Any) -> dict[str, Any]:
    weights = {"model.head.weight": torch.arange(8.0).reshape(2, 4), "model.head.bias": torch.tensor([0.0, 1.0])}
    return {
        KEY: checkpoint.description(CONFIG, SPEC) | changes,
        "state_dict": weights | {"normalise.mean": torch.zeros(1)},
        "epoch": 3,
        "global_step": 40,
    }


def written(path: Path, **changes: Any) -> Path:
    checkpoint.save_atomically(payload(**changes), path)
    return path


# -- reading


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    found = checkpoint.read(written(tmp_path / "best.ckpt"))
    assert (found.config, found.spec, found.epoch, found.step) == (CONFIG, SPEC, 3, 40)
    assert {name: value.tolist() for name, value in found.weights.items()} == {
        "head.weight": [[0, 1, 2, 3], [4, 5, 6, 7]],
        "head.bias": [0, 1],
    }


def test_format_1_knew_pictures_only(tmp_path: Path) -> None:
    spec = {key: value for key, value in SPEC.to_dict().items() if key != "kind"}
    found = checkpoint.read(written(tmp_path / "old.ckpt", format=1, spec=spec))
    assert found.spec == SPEC


def test_an_average_is_the_mean_of_the_weights(tmp_path: Path) -> None:
    first = checkpoint.read(written(tmp_path / "a.ckpt"))
    other = replace(first, weights={name: 3 * value for name, value in first.weights.items()})
    whole = checkpoint.averaged([first, other])
    assert whole.weights["head.weight"].tolist() == [[0, 2, 4, 6], [8, 10, 12, 14]]
    assert whole.weights["head.weight"].dtype == torch.float32
    assert checkpoint.averaged([first]).weights.keys() == first.weights.keys()
    strange = replace(first, weights={"head.weight": torch.zeros(3, 4)})
    with pytest.raises(RequestError, match="cannot be averaged: model or data differ"):
        checkpoint.averaged([first, strange])


def test_the_model_is_made_of_it(tmp_path: Path) -> None:
    model = model_of(checkpoint.read(written(tmp_path / "best.ckpt")), trust=False)
    assert not model.training
    picture = torch.tensor([[[[1.0, 0.0], [0.0, 2.0]]]])
    assert model(picture).tolist() == [[0 + 2 * 3 + 0, 4 + 2 * 7 + 1]]


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    path = tmp_path / "trap.ckpt"
    torch.save(payload() | {"extra": Payload(trap)}, path)
    with pytest.raises(RequestError, match="it cannot be opened as data"):
        checkpoint.read(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists()  # the trap works


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "best.ckpt", format=FORMAT + 1, version="9.1")
    with pytest.raises(RequestError, match=rf"has checkpoint format {FORMAT + 1}; .* reads up to {FORMAT}\.") as caught:
        checkpoint.read(path)
    assert "It was written by Sensorium 9.1: install that version or a newer one." in str(caught.value)


@pytest.mark.parametrize("value", ["one", None, 1.5])
def test_a_format_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(RequestError, match=f"has checkpoint format {value}"):
        checkpoint.read(written(tmp_path / "best.ckpt", format=value))


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    plain, text, cut, empty = (tmp_path / f"{name}.ckpt" for name in ("plain", "text", "cut", "empty"))
    torch.save({"head.weight": torch.zeros(2, 4)}, plain)
    text.write_text("not a checkpoint at all")
    cut.write_bytes(written(tmp_path / "whole.ckpt").read_bytes()[:-100])
    empty.write_bytes(b"")
    for path, message in (
        (plain, "is not a Sensorium checkpoint: it has no config and no class names"),
        (text, "is not a checkpoint"),
        (cut, "is incomplete"),
        (empty, "is not a checkpoint"),
        (tmp_path / "non.ckpt", "There is no checkpoint"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(RequestError, match=message):
            checkpoint.read(path)


@pytest.mark.parametrize("key", ["state_dict", "epoch", "global_step"])
def test_a_checkpoint_with_a_part_missing_is_refused(tmp_path: Path, key: str) -> None:
    whole = payload()
    del whole[key]
    checkpoint.save_atomically(whole, tmp_path / "best.ckpt")
    with pytest.raises(RequestError, match=f"is not a complete Sensorium checkpoint: '{key}'"):
        checkpoint.read(tmp_path / "best.ckpt")


def test_weights_that_do_not_fit_the_config_are_said_to(tmp_path: Path) -> None:
    whole = payload()
    whole["state_dict"]["model.head.bias"] = torch.zeros(3)
    checkpoint.save_atomically(whole, tmp_path / "best.ckpt")
    with pytest.raises(RunError, match="its weights do not fit its config"):
        model_of(checkpoint.read(tmp_path / "best.ckpt"), trust=False)


# -- writing


def test_a_disk_that_fills_up_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "last.ckpt")
    before = path.read_bytes()

    def half(content: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(RunError, match=r"last.ckpt: could not be written \(No space left on device\)"):
        checkpoint.save_atomically(payload(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_killed_while_writing_leaves_the_old_one(tmp_path: Path) -> None:
    path = written(tmp_path / "last.ckpt")
    before = path.read_bytes()
    program = f"""
import os, signal
from pathlib import Path
from sensorium.files import replacing
with replacing(Path({str(path)!r})) as file:
    file.write(bytes(10_000))
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert checkpoint.read(path).step == 40


def test_it_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    happened: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: happened.append(f"synced, there: {path.exists()}"))
    written(path)
    assert happened == ["synced, there: False"]
    assert path.exists()


# -- which one to go on from


def test_the_newest_that_opens_is_taken(tmp_path: Path) -> None:
    last, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    note = "No checkpoint had been written yet; starting from the beginning."
    assert checkpoint.newest_readable([last, previous]) == (None, note)
    written(previous)
    assert checkpoint.newest_readable([last, previous]) == (previous, None)  # killed between two renames
    written(last)
    assert checkpoint.newest_readable([last, previous]) == (last, None)
    last.write_bytes(last.read_bytes()[:500])
    note = "last.ckpt is incomplete; resuming from previous.ckpt, the previous one."
    assert checkpoint.newest_readable([last, previous]) == (previous, note)
    previous.write_bytes(b"")
    with pytest.raises(RequestError, match=r"last.ckpt and previous.ckpt cannot be read: .*\n.*resume_from_start=true"):
        checkpoint.newest_readable([last, previous])
    note = "last.ckpt and previous.ckpt cannot be read; starting from the beginning."
    assert checkpoint.newest_readable([last, previous], from_start=True) == (None, note)


# -- whose code


@pytest.mark.parametrize(
    ("section", "target"),
    [
        ("model", "os.system"),
        ("model", "torch.load"),
        ("model", "sensorium.runs.os.system"),  # a path through our own module to another's
        ("model", "sensorium.models.vision.vgg.nn.Linear"),
        ("model", "sensorium.data.vision.digits.Digits"),  # ours, but not of this section
        ("dataset", "sensorium.modelsx.evil"),
        ("strange", "sensorium.models.vision.mlp.MLP"),
    ],
)
def test_targets_of_others_are_refused(section: str, target: str) -> None:
    with pytest.raises(RequestError, match="not Sensorium's own") as caught:
        check_targets(section, {"_target_": target})
    assert "set trust=true" in str(caught.value)
    for nested in ({"inner": [{"_target_": target}]}, [{"a": {"_target_": target}}]):
        with pytest.raises(RequestError, match="not Sensorium's own"):
            check_targets(section, nested)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    whole = payload()
    whole["state_dict"]["model.head.weight"][1, 2] = torch.nan
    checkpoint.save_atomically(whole, tmp_path / "best.ckpt")
    with pytest.raises(RunError, match=r"best\.ckpt: its weights are not numbers \(NaN in head\.weight\)"):
        model_of(checkpoint.read(tmp_path / "best.ckpt"), trust=False)


def test_own_targets_are_built_and_others_only_when_trusted(tmp_path: Path) -> None:
    check_targets("model", CONFIG["model"])
    whole = payload()
    whole[KEY]["config"] = CONFIG | {"model": {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 2}}
    whole["state_dict"] = {"model.weight": torch.ones(2, 4), "model.bias": torch.zeros(2)}
    checkpoint.save_atomically(whole, tmp_path / "best.ckpt")
    loaded = checkpoint.read(tmp_path / "best.ckpt")
    with pytest.raises(RequestError, match=r"names torch.nn.Linear in section 'model'"):
        model_of(loaded, trust=False)
    assert model_of(loaded, trust=True)(torch.ones(1, 4)).tolist() == [[4, 4]]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((), None), ((), "x"), (("config",), None), (("config",), []), (("spec",), 3), (("spec", "kind"), []),
        (("config", "model"), None), (("config", "trainer"), {}), (("config", "trainer"), 3),
        (("config", "memory_format"), None), (("config", "decoding"), 3), (("config", "learning"), "x"),
        (("format",), None), (("format",), 4), (("format",), "3"),
    ],
)  # fmt: skip
def test_a_description_with_something_wrong_in_it_is_refused(tmp_path: Path, place: tuple, value: object) -> None:
    old = Path(__file__).parent / "fixtures" / "checkpoints" / "format_2" / "text.ckpt"
    payload = torch.load(old, weights_only=True)
    section, keys = payload, ("sensorium", *place)
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    path = tmp_path / "odd.ckpt"
    torch.save(payload, path)
    with pytest.raises(RequestError, match=r"odd\.ckpt (is not a complete Sensorium checkpoint|has checkpoint format)"):
        checkpoint.read(path)


def test_a_key_of_a_model_that_was_renamed_means_what_it_meant():
    unet = {"_target_": "sensorium.models.vision.unet.UNet", "width": 8}
    stored = {"model": unet | {"mirrored": True}, "mirrored": 1}
    assert migrated_config(stored) == {"model": unet | {"flip_tta": True}, "mirrored": 1}
