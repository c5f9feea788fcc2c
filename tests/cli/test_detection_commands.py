"""Detectors from training to prediction, by the real commands; exact resume; one process and two."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from command import run_command, stored_metrics
from sensorium.runs import RunFolder
from trainings import config_of, data_of, differences, opened, two_cores

TINY = (
    "dataset=digit_scenes", "dataset.num_train=24", "dataset.num_val=8", "dataset.num_test=8", "model.width=8",
    "model.blocks=1", "model.stride=8", "batch_size=8", "threads=1", "accelerator=cpu", "trainer.max_epochs=2",
    "run_root=runs", "calibration=none", "explanation=none",
)  # fmt: skip


def run(home: Path, *arguments: str, status: int = 0) -> str:
    result = run_command(list(arguments), home)
    assert result.status == status, result.stderr
    return result.stdout if status == 0 else result.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, `run`, and two scenes as images of twice the size."""
    root = tmp_path_factory.mktemp("detection")
    run(root, "train", *TINY)
    (checkpoint,) = root.glob("runs/*/*/checkpoints/best.ckpt")
    checkpoint.parents[1].rename(root / "run")
    scenes = data_of(config_of(*TINY)).test
    for row in range(2):
        pixels = scenes.images.read(np.array([row]))[0, 0]
        Image.fromarray(pixels).resize((256, 256)).save(root / f"scene_{row}.png")
    (root / "broken.png").write_text("this is text")
    return root


def test_a_run_leaves_numbers_tables_and_pictures(home: Path) -> None:
    folder = home / "run"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"test/map50", "test/map", "test/map75", "test/recall"} <= set(metrics)
    names = ("per_class.csv", "detections.json", "predictions.csv", "plots/precision_recall.png", "plots/worst.png")
    assert all((folder / name).is_file() for name in names)
    with (folder / "metrics.csv").open(newline="") as file:
        columns = csv.DictReader(file).fieldnames
    assert columns == [
        "epoch", "step", "train/heat", "train/loss", "train/sides", "val/map", "val/map50", "lr"
    ]  # fmt: skip
    again = json.loads(run(home, "eval", "ckpt=run", "format=json", "accelerator=cpu"))
    assert again == pytest.approx(metrics)
    resampled = json.loads(
        run(home, "eval", "ckpt=run", "bootstrap=10", "format=json", "accelerator=cpu", "overwrite=true")
    )
    low, high = resampled["test/map_interval"]
    assert 0 <= low <= high <= 1


def test_prediction_in_every_form(home: Path) -> None:
    given = ("predict", "ckpt=run", "input=[scene_0.png,broken.png,scene_1.png]", "threshold=0.001", "accelerator=cpu")
    result = run_command([*given, "format=jsonl"], home)
    assert result.status == 1
    assert "broken.png: not a readable image" in result.stderr
    first, broken, second = map(json.loads, result.stdout.splitlines())
    assert (first["input"], first["width"], first["height"]) == ("scene_0.png", 256, 256)
    assert broken["boxes"] == []
    assert "not a readable image" in broken["error"]
    boxes = first["boxes"] + second["boxes"]
    assert max(side for one in boxes for side in one["box"]) > 128  # in pixels of the original
    table = run_command([*given, f"overlay={home / 'drawn'}"], home).stdout.splitlines()
    assert table[0].split() == ["input", "found"]
    assert [line.split()[0] for line in table[1:]] == ["scene_0.png", "scene_1.png"]
    assert sorted(path.name for path in (home / "drawn").iterdir()) == ["scene_0.png", "scene_1.png"]
    drawn = np.asarray(Image.open(home / "drawn" / "scene_0.png"))
    assert drawn.shape == (256, 256, 3)
    assert (drawn[..., 0] != drawn[..., 1]).any()
    rows = list(csv.DictReader(run_command([*given, "format=csv"], home).stdout.splitlines()))
    assert [row["class"] for row in rows if not row["error"]] == [one["class"] for one in boxes]
    assert sum(bool(row["error"]) for row in rows) == 1
    assert run_command([*given, "format=coco", "output=found.json"], home).status == 1
    coco = COCO(str(home / "found.json"))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["scene_0.png", "scene_1.png"]
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list("0123456789")
    left, top, right, bottom = first["boxes"][0]["box"]
    annotation = coco.loadAnns([1])[0]
    assert annotation["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=0.02)
    assert coco.cats[annotation["category_id"]]["name"] == first["boxes"][0]["class"]
    assert "nothing" in run(home, *given[:2], "input=scene_0.png", "threshold=1", "accelerator=cpu")


def test_what_means_nothing_is_refused(home: Path) -> None:
    given = ("predict", "ckpt=run", "accelerator=cpu")
    assert "needs input=" in run(home, *given, status=2)
    assert "does not apply" in run(home, *given, "input=scene_0.png", "text=a", status=2)
    assert "format for this checkpoint" in run(home, *given, "input=scene_0.png", "format=srt", status=2)
    assert "class_weights is null" in run(home, "train", *TINY, "class_weights=balanced", status=2)
    refused = run(home, "train", TINY[0], "model=small_cnn", "accelerator=cpu", status=2)
    assert "Models that take such data: fasterrcnn_mobilenet, fcos, retinanet, scene_detector, ssdlite." in refused
    assert "val/loss" in run(home, "train", *TINY, "callbacks.checkpoints.monitor=val/loss", status=2)


def test_a_plateau_and_early_stopping_go_by_what_there_is(tmp_path: Path) -> None:
    run(tmp_path, "train", *TINY, "scheduler=plateau", "callbacks=early_stopping", "test=false")
    (summary,) = tmp_path.rglob("summary.json")
    assert json.loads(summary.read_text())["monitor"] == "val/map50"
    with (summary.parent / "metrics.csv").open(newline="") as file:
        assert [float(row["lr"]) for row in csv.DictReader(file)] == [0.001, 0.001]  # two epochs are no plateau yet


def test_resuming_is_exact(tmp_path: Path) -> None:
    """Stopped in the middle of the second epoch: sums, averaged weights and history go on as if nothing had been."""
    (tmp_path / "stopping.py").write_text(
        "import os, signal\nimport lightning.pytorch as pl\n\n\nclass Stop(pl.Callback):\n"
        "    def on_train_batch_end(self, trainer, *rest):\n"
        "        if trainer.global_step == 4 and not os.path.exists('stopped'):\n"
        "            open('stopped', 'w').close()\n            os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    common = (*TINY, "test=false", "callbacks=ema", "callbacks.checkpoints.every_n_steps=1")
    run(tmp_path, "train", *common, "run_root=whole")
    run(tmp_path, "train", *common, "run_root=half", "+callbacks.stop._target_=stopping.Stop", status=143)
    (half,) = (path.parent for path in tmp_path.glob("half/*/*/config.yaml"))
    run(tmp_path, "train", f"resume={half}")
    (whole,) = (path.parent for path in tmp_path.glob("whole/*/*/config.yaml"))
    a, b = (opened(RunFolder(folder).last) for folder in (whole, half))
    for part in ("state_dict", "training_weights", "optimizer_states", "callback_metrics"):
        assert differences(a[part], b[part]) == []
    assert (whole / "metrics.csv").read_text() == (half / "metrics.csv").read_text()


@two_cores
@pytest.mark.slow
def test_two_processes_evaluate_as_one_does(tmp_path: Path) -> None:
    two = ("strategy=ddp", "trainer.devices=2", "accelerator=cpu")
    result = run_command(["train", *TINY, *two, "eval_batch_size=3", "trainer.max_epochs=1"], tmp_path)
    assert (result.status, result.stderr) == (0, "")
    (folder,) = (path.parent for path in tmp_path.glob("runs/*/*/metrics.json"))
    with (folder / "metrics.csv").open(newline="") as file:
        logged = float(next(csv.DictReader(file))["val/map50"])
    for split, wanted in (("test", stored_metrics(folder / "metrics.json")), ("val", {"val/map50": logged})):
        found = json.loads(run(tmp_path, "eval", f"ckpt={folder}", f"split={split}", "format=json", "accelerator=cpu"))
        assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-4)
