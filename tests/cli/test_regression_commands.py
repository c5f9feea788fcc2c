"""Regression from the command line, of images and of texts: train, eval, predict, resume and a sweep, in seconds."""

import csv
import io
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import run_command, stored_metrics
from sensorium import load
from sensorium.data.vision.digit_pose import DigitPose
from sensorium.runs import RunFolder
from sensorium.synthetic.price_texts import offers
from trainings import differences, opened

COMMON = ("batch_size=8", "threads=1", "accelerator=cpu", "workers=0", "optimizer.lr=0.01")
COUNTS = {"num_train": 48, "num_val": 16, "num_test": 24}
IMAGES = ("dataset=digit_pose", *(f"dataset.{key}={value}" for key, value in COUNTS.items()), "model.width=4", *COMMON)
TEXTS = ("dataset=price_texts", "dataset.train=48", "dataset.val=16", "dataset.test=24", "model.hidden_size=4", *COMMON)
SETTINGS = {"image": (*IMAGES, "augment=none"), "text": TEXTS}
NAMES = {"mae", "rmse", "r2", "pearson", "loss"}
TARGETS = {"image": ["angle", "size"], "text": ["price"]}
MODALITIES = pytest.mark.parametrize("modality", ["image", "text"])

KILLER = """
import os
import signal

import lightning.pytorch as pl


class Kill(pl.Callback):
    def __init__(self, *, step: int):
        self.step = step

    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def run_of(folder: Path) -> RunFolder:
    (found,) = (folder / "runs").glob("*/*")
    return RunFolder(found)


def write_test_split(root: Path, modality: str) -> None:
    """The test split as a table, list.csv, and as what predict takes, `input`."""
    if modality == "image":
        fixed = {"max_angle": 60, "image_size": None, "resize": "crop", "channels": "auto", "split_seed": 0}
        test = DigitPose(**COUNTS, **fixed).load(on_bad="fail").test
        lines = ["path,size,angle"]  # in another order than the model has them
        (root / "input").mkdir()
        for row, image in enumerate(test.images.read(np.arange(len(test)))):
            Image.fromarray(image[0]).save(root / "input" / f"{row:02d}.png")
            angle, size = test.targets[row].tolist()
            lines.append(f"input/{row:02d}.png,{size},{angle}")
    else:
        drawn = offers(0)
        test = [next(drawn) for _ in range(48 + 16 + 24)][-24:]
        lines = ["text;price", *(f"{text};{price}" for text, price in test)]
        (root / "input").write_text("".join(f"{text}\n" for text, _ in test))
    (root / "list.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of each modality a folder with a run of two epochs, `best.ckpt` of it, and its test split."""
    found = {}
    for modality, settings in SETTINGS.items():
        root = found[modality] = tmp_path_factory.mktemp(modality)
        result = run_command(["train", *settings, "trainer.max_epochs=2", "task.loss=huber"], root)
        assert (result.status, result.stderr) == (0, ""), result
        shutil.copy(run_of(root).best, root / "best.ckpt")
        write_test_split(root, modality)
    return found


@MODALITIES
def test_a_run_leaves_its_metrics_and_files(homes: dict[str, Path], modality: str) -> None:
    run = run_of(homes[modality])
    rows = list(csv.DictReader(run.history.open()))
    assert [float(row["val/rmse"]) >= float(row["val/mae"]) > 0 for row in rows] == [True, True]
    assert {name.removeprefix("test/") for name in stored_metrics(run.metrics)} == NAMES
    worst = "plots/worst.png" if modality == "image" else "worst.csv"
    assert all((run.folder / file).exists() for file in ("predictions.csv", "plots/predicted_vs_true.png", worst))
    per_target = list(csv.DictReader((run.folder / "per_target.csv").open()))
    assert [row["target"] for row in per_target] == TARGETS[modality]


@MODALITIES
def test_eval_finds_the_same_on_the_same_split_and_on_its_table(homes: dict[str, Path], modality: str) -> None:
    home = homes[modality]
    asked = ["eval", "ckpt=best.ckpt", "format=json", "batch_size=5"]
    expected = stored_metrics(run_of(home).metrics)
    result = run_command([*asked, "folder=again"], home)
    assert (result.status, result.stderr) == (0, ""), result
    assert json.loads(result.stdout) == pytest.approx(expected, rel=1e-4)
    columns = "size,angle" if modality == "image" else "price"
    other = [f"dataset={modality}_regression_csv", "dataset.path=list.csv", f"dataset.target_columns=[{columns}]"]
    result = run_command([*asked, *other, "folder=other"], home)
    assert result.status == 0, result
    found = {name.replace("all/", "test/"): value for name, value in json.loads(result.stdout).items()}
    assert found == pytest.approx(expected, rel=1e-4)
    result = run_command([*asked, *other[:-1], "dataset.target_columns=[size]", "folder=wrong"], home)
    assert result.status == 2
    assert ("the model predicts angle, size" if modality == "image" else "no column 'size'") in result.stderr


@MODALITIES
def test_predict_in_every_format(homes: dict[str, Path], modality: str) -> None:
    home, names = homes[modality], TARGETS[modality]
    asked = ["predict", "ckpt=best.ckpt", "input=input", "batch_size=7"]
    results = [run_command([*asked, *more], home) for more in (["format=jsonl"], ["format=csv"], [])]
    assert [(result.status, result.stderr) for result in results] == [(0, "")] * 3
    answers = [json.loads(line)["prediction"] for line in results[0].stdout.splitlines()]
    rows = list(csv.DictReader(io.StringIO(results[1].stdout)))
    assert len(answers) == len(rows) == len(results[2].stdout.splitlines()) - 1 == 24
    evaluated = list(csv.DictReader((run_of(home).folder / "predictions.csv").open()))
    for name in names:
        column = f"prediction_{name}" if len(names) > 1 else "prediction"
        expected = pytest.approx([float(row[column]) for row in evaluated], rel=1e-4, abs=1e-4)
        assert [answer[name] for answer in answers] == expected
        assert [float(row[f"prediction_{name}"]) for row in rows] == expected


def test_one_text_an_array_and_an_unreadable_image(homes: dict[str, Path]) -> None:
    text = (homes["text"] / "input").read_text().splitlines()[0]
    result = run_command(["predict", "ckpt=best.ckpt", f"text={text}", "format=jsonl"], homes["text"])
    assert result.status == 0, result
    expected = json.loads(result.stdout)["prediction"]["price"]
    (found,) = load(homes["text"] / "best.ckpt").predict([text])
    assert found.by_name == {"price": pytest.approx(expected, rel=1e-5)}
    home = homes["image"]
    files = [home / "input" / "03.png", home / "input" / "04.png"]
    model = load(home / "best.ckpt")
    by_file, by_array = (list(model.predict(some)) for some in (files, [np.asarray(Image.open(f)) for f in files]))
    assert [found.values for found in by_array] == [pytest.approx(found.values) for found in by_file]
    (home / "bad.png").write_bytes(b"no image")
    result = run_command(["predict", "ckpt=best.ckpt", "input=[bad.png,input]", "format=csv"], home)
    assert result.status == 1
    assert "bad.png" in result.stderr
    assert len(result.stdout.splitlines()) == 26


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "ckpt=best.ckpt", "text=hello"], "text= does not apply to this checkpoint"),
        (["predict", "ckpt=best.ckpt", "input=input", "overlay=out"], "overlay= does not apply to this checkpoint"),
        (["eval", "ckpt=best.ckpt", "dataset=price_texts"], "This checkpoint was trained on images of 24x24"),
        (["eval", "ckpt=best.ckpt", "dataset=digits"], "This checkpoint was trained on images of 24x24"),
        (["train", *IMAGES, "augment=tokens"], "Set augment=colour or none."),
        (["train", *IMAGES, "augment=none", "task.loss=mae"], "Did you mean mse?"),
        (["train", *IMAGES, "augment=none", "labels_per_class=2"], "labels_per_class is for classification"),
        (["train", *IMAGES, "augment=none", "class_weights=balanced"], "class_weights is null"),
    ],
)
def test_requests_that_are_refused(homes: dict[str, Path], arguments: list[str], message: str) -> None:
    result = run_command(arguments, homes["image"])
    assert result.status == 2, result
    assert message in result.stderr


@pytest.mark.slow
@MODALITIES
def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path, modality: str) -> None:
    augment = "augment=mixup" if modality == "image" else "augment=tokens"
    settings = (*SETTINGS[modality], augment, "trainer.max_epochs=2", "callbacks.checkpoints.every_n_steps=2")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    assert run_command(["train", *settings], whole).status == 0
    (cut / "killer.py").write_text(KILLER)
    killed = run_command(["train", *settings, "+callbacks.kill._target_=killer.Kill", "+callbacks.kill.step=9"], cut)
    assert killed.status == -signal.SIGKILL, killed.stderr
    run = run_of(cut)
    assert opened(run.last)["global_step"] == 8
    result = run_command(["train", f"resume={run.folder}", "callbacks.kill=null"], cut)
    assert result.status == 0, result.stderr
    one, other = opened(run.last), opened(run_of(whole).last)
    for checkpoint in (one, other):
        del checkpoint["sensorium"], checkpoint["seconds"]  # the config, in which the killer is named; time
    assert one["global_step"] == 12
    assert differences(one, other) == []
    assert differences(opened(run.best)["state_dict"], opened(run_of(whole).best)["state_dict"]) == []
    assert run.history.read_text() == run_of(whole).history.read_text()
    assert run.metrics.read_text() == run_of(whole).metrics.read_text()


@pytest.mark.slow
@MODALITIES
def test_a_sweep_goes_by_r2(tmp_path: Path, modality: str) -> None:
    result = run_command(["train", "-m", *SETTINGS[modality], "trainer.max_epochs=1", "seed=1,2"], tmp_path)
    assert (result.status, result.stderr) == (0, ""), result
    assert "\nval/r2: " in result.stdout
    (table,) = tmp_path.glob("runs/sweeps/*/sweep.csv")
    (row,) = csv.DictReader(table.open())
    assert row["seed"] == "1, 2"
    assert {f"test/{name}" for name in NAMES} <= row.keys()


@pytest.mark.slow
def test_two_processes_measure_as_one(homes: dict[str, Path]) -> None:
    """R2 of a validation in two processes is that of all images, not the mean of two."""
    home = homes["image"]
    two = ("strategy=ddp", "trainer.devices=2", "trainer.max_epochs=1", "eval_batch_size=3", "run_root=two")
    result = run_command(["train", *SETTINGS["image"], *two], home)
    assert result.status == 0, result
    (run,) = (home / "two").glob("*/*")
    (row,) = csv.DictReader((run / "metrics.csv").open())
    asked = ["eval", f"ckpt={run / 'checkpoints' / 'best.ckpt'}", "format=json", "folder=alone", "split=val"]
    alone = json.loads(run_command(asked, home).stdout)
    for name in ("mae", "rmse", "r2", "loss"):
        assert float(row[f"val/{name}"]) == pytest.approx(alone[f"val/{name}"], rel=1e-4), name
