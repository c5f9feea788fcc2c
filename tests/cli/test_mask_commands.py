"""Segmentation from the command line: train, eval and predict on digit scenes, small enough for seconds."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import run_command, stored_metrics
from trainings import two_cores

SMALL = ("dataset=digit_scenes_masks", "dataset.num_train=16", "dataset.num_val=8", "dataset.num_test=8")
SIZE = ("dataset.image_size=32", "model.width=4", "model.depth=2")
SETTINGS = (
    *(*SMALL, *SIZE, "batch_size=8", "eval_batch_size=8", "threads=1", "accelerator=cpu", "workers=0"),
    "explanation=none",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two epochs, `best.ckpt` of it, and images in `photos`."""
    root = tmp_path_factory.mktemp("masks")
    more = ("trainer.max_epochs=2", "task.loss=cross_entropy_dice", "class_weights=balanced")
    result = run_command(["train", *SETTINGS, *more], root)
    assert (result.status, result.stderr) == (0, ""), result
    (checkpoint,) = root.rglob("best.ckpt")
    shutil.copy(checkpoint, root / "best.ckpt")
    random = np.random.default_rng(0)
    for number, name in enumerate(("a/one.png", "a/two.jpg", "b/one.png")):
        path = root / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 30 + number), dtype=np.uint8)).save(path)
    return root


def run_of(home: Path) -> Path:
    (run,) = (home / "runs").glob("*/*")
    return run


def test_a_run_is_monitored_by_its_mean_iou(home: Path) -> None:
    run = run_of(home)
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert len(rows) == 2
    assert 0 < float(rows[-1]["val/miou"]) < 1
    metrics = stored_metrics(run / "metrics.json")
    names = {"miou", "pixel_accuracy", "class_accuracy", "dice", "calibration_error", "loss"}
    assert {name.removeprefix("test/") for name in metrics} == names
    assert all((run / file).exists() for file in ("per_class.csv", "confusion.csv", "predictions.csv"))
    assert all((run / "plots" / f"{name}.png").exists() for name in ("worst", "confusion", "history"))


def test_eval_finds_the_same(home: Path) -> None:
    result = run_command(["eval", "ckpt=best.ckpt", "format=json", "folder=evaluated", "batch_size=3"], home)
    assert (result.status, result.stderr) == (0, ""), result
    metrics = stored_metrics(run_of(home) / "metrics.json")
    assert json.loads(result.stdout) == pytest.approx(metrics)
    assert (home / "evaluated" / "plots" / "worst.png").exists()


def test_eval_refuses_other_classes(home: Path) -> None:
    result = run_command(["eval", "ckpt=best.ckpt", *SMALL[1:], "dataset=digit_scenes"], home)
    assert result.status == 2
    assert "This checkpoint was trained on images of 32x32 with 1 channel and masks, 11 classes" in result.stderr


def predicted(home: Path, *arguments: str) -> list[dict]:
    result = run_command(["predict", "ckpt=best.ckpt", "input=photos", "format=jsonl", *arguments], home)
    assert (result.status, result.stderr) == (0, ""), result
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_masks_and_overlays(home: Path) -> None:
    answers = predicted(home, "masks=found", "overlay=shown")
    assert [answer["masks"] for answer in answers] == ["found/one.png", "found/two.png", "found/one_2.png"]
    assert [answer["overlay"] for answer in answers] == ["shown/one.png", "shown/two.png", "shown/one_2.png"]
    for answer in answers:
        with Image.open(home / answer["masks"]) as image:
            assert image.mode == "P"
            mask = np.asarray(image)
        assert mask.shape == (answer["height"], answer["width"])
        shares = np.bincount(mask.ravel(), minlength=11) / mask.size
        assert sum(entry["share"] for entry in answer["classes"]) == pytest.approx(1)
        assert max(entry["share"] for entry in answer["classes"]) == pytest.approx(shares.max())
        with Image.open(home / answer["overlay"]) as image:
            assert image.size == (answer["width"], answer["height"])
            assert image.mode == "RGB"


def test_other_formats(home: Path) -> None:
    asked = ["predict", "ckpt=best.ckpt", "input=photos/a"]
    table = run_command([*asked, "top_k=1"], home).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["input", "photos/a/one.png", "photos/a/two.jpg"]
    rows = list(csv.DictReader(io.StringIO(run_command([*asked, "format=csv"], home).stdout)))
    assert len(rows) == 2
    assert sum(float(value) for key, value in rows[0].items() if key.startswith("share_")) == pytest.approx(1)


def test_what_cannot_be_read_is_named_and_the_rest_answered(home: Path) -> None:
    (home / "bad.png").write_bytes(b"no image")
    result = run_command(["predict", "ckpt=best.ckpt", "input=[bad.png,photos/a]", "masks=rest"], home)
    assert result.status == 1
    assert "bad.png: not a readable image" in result.stderr
    assert sorted(path.name for path in (home / "rest").iterdir()) == ["one.png", "two.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["masks=photos/a"], "masks=photos/a is the folder of the input images"),
        (["masks=out", "overlay=./out"], "masks and overlay name the same folder"),
        (["threshold=0.5"], "threshold= does not apply to this checkpoint"),
    ],
)
def test_requests_that_are_refused(home: Path, arguments: list[str], message: str) -> None:
    before = {path: path.read_bytes() for path in (home / "photos").rglob("*.*")}
    result = run_command(["predict", "ckpt=best.ckpt", "input=photos", *arguments], home)
    assert result.status == 2
    assert message in result.stderr
    assert {path: path.read_bytes() for path in (home / "photos").rglob("*.*")} == before


@two_cores
@pytest.mark.slow
def test_two_processes_judge_as_one(home: Path) -> None:
    """The mean IoU of a validation in two processes is that of all pixels, not the mean of two."""
    two = ("strategy=ddp", "trainer.devices=2", "trainer.max_epochs=1", "eval_batch_size=3", "run_root=two")
    result = run_command(["train", *SETTINGS, *two], home)
    assert result.status == 0, result
    (run,) = (home / "two").glob("*/*")
    (row,) = csv.DictReader((run / "metrics.csv").open())
    asked = ["eval", f"ckpt={run / 'checkpoints' / 'best.ckpt'}", "split=val", "format=json", "folder=again"]
    alone = json.loads(run_command(asked, home).stdout)
    for name in ("miou", "loss", "pixel_accuracy"):
        assert float(row[f"val/{name}"]) == pytest.approx(alone[f"val/{name}"], rel=1e-5), name
    test = json.loads(run_command([*asked[:2], "format=json", "folder=again"], home).stdout)
    assert test == pytest.approx(stored_metrics(run / "metrics.json"))
