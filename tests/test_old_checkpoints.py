"""Checkpoints written by older code give the numbers that the older code gave; scripts/make_old_checkpoints.py."""

import json
from pathlib import Path

import pytest
import torch

from old_checkpoints import FOLDER, MEASURED, answers, check_alike
from sensorium.checkpoint import KEY
from tiny_data import write_data

pytest.importorskip("jiwer")
pytest.importorskip("sacrebleu")
KEPT = sorted(FOLDER.glob("format_*/*.ckpt"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data that the checkpoints were trained on, and raw inputs."""
    folder = tmp_path_factory.mktemp("old")
    write_data(folder)
    return folder


def test_there_is_one_of_every_task_and_format() -> None:
    assert [path.stem for path in KEPT if path.parent.name == "format_1"] == ["image"]  # it knew no other task
    assert {path.stem for path in KEPT if path.parent.name == "format_2"} == {
        "image", "boxes", "masks", "text", "language", "translation", "sound", "speech"
    }  # fmt: skip
    for path in KEPT:
        about = torch.load(path, weights_only=True)[KEY]
        assert about["format"] == int(path.parent.name.removeprefix("format_"))
        assert about["spec"].get("kind", "image") == path.stem


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_answers_as_when_it_was_written(path: Path, home: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    check_alike(answers(path, path.stem, home), expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"class": "dark"}, {"class": "bright"}),
        ({"probability": 0.5002}, {"probability": 0.5}),
        ({"test/loss": 2.003}, {"test/loss": 2.0}),
        ({"box": [1.0, 2.03]}, {"box": [1.0, 2.0]}),
        ({"text": "a", "more": 1}, {"text": "a"}),
        ({}, {"test/wer": 0.0}),
        ([1, 2], [1]),
        ({"width": 31}, {"width": 32}),
    ],
)
def test_the_comparison_sees_a_difference(found: object, expected: object) -> None:
    with pytest.raises(AssertionError):
        check_alike(found, expected)


def test_the_comparison_leaves_room_for_another_machine() -> None:
    measured = dict.fromkeys(MEASURED, 0.5)
    expected = {"test/loss": 2.0, "test/accuracy": 0.75, "box": [30.12], "class": "dark", **measured}
    check_alike({"test/loss": 2.001, "test/accuracy": 0.75005, "box": [30.13], "class": "dark"}, expected)
