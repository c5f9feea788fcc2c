"""Image tagging from the command line: train, eval, predict, resume and a sweep, small enough for seconds."""

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
from sensorium.data.vision.digit_tags import DigitTags
from sensorium.runs import RunFolder
from trainings import differences, opened

COUNTS = {"num_train": 48, "num_val": 16, "num_test": 24}
SMALL = ("dataset=digit_tags", *(f"dataset.{key}={value}" for key, value in COUNTS.items()), "model.width=4")
SETTINGS = (*SMALL, "batch_size=8", "threads=1", "accelerator=cpu", "workers=0", "optimizer.lr=0.01")
NAMES = {"map", "micro_f1", "macro_f1", "subset_accuracy", "loss"}

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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two epochs, `best.ckpt` of it, and the canvases of its test split in `images`."""
    root = tmp_path_factory.mktemp("tags")
    result = run_command(["train", *SETTINGS, "trainer.max_epochs=2", "class_weights=balanced"], root)
    assert (result.status, result.stderr) == (0, ""), result
    shutil.copy(run_of(root).best, root / "best.ckpt")
    fixed = {"max_digits": 4, "image_size": None, "resize": "crop", "channels": "auto", "split_seed": 0}
    test = DigitTags(**COUNTS, **fixed).load(on_bad="fail").test
    lines = ["path,labels"]
    (root / "images").mkdir()
    for row, image in enumerate(test.images.read(np.arange(len(test)))):
        Image.fromarray(image[0]).save(root / "images" / f"{row:02d}.png")
        lines.append(f"images/{row:02d}.png,{'|'.join(str(tag) for tag in np.flatnonzero(test.targets[row]))}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    return root


def run_of(folder: Path) -> RunFolder:
    (found,) = (folder / "runs").glob("*/*")
    return RunFolder(found)


def test_a_run_goes_by_its_mean_average_precision(home: Path) -> None:
    run = run_of(home)
    rows = list(csv.DictReader(run.history.open()))
    assert [0 < float(row["val/map"]) <= 1 and 0 <= float(row["val/micro_f1"]) <= 1 for row in rows] == [True] * 2
    assert {name.removeprefix("test/") for name in stored_metrics(run.metrics)} == NAMES
    files = ("per_class.csv", "predictions.csv", "plots/precision_recall.png", "plots/worst.png", "plots/history.png")
    assert all((run.folder / file).exists() for file in files)
    tags = [row["tag"] for row in csv.DictReader((run.folder / "per_class.csv").open())]
    assert tags == list("0123456789")


def test_eval_finds_the_same_on_the_same_split(home: Path) -> None:
    result = run_command(["eval", "ckpt=best.ckpt", "format=json", "folder=again", "batch_size=5"], home)
    assert (result.status, result.stderr) == (0, ""), result
    expected = stored_metrics(run_of(home).metrics)
    assert json.loads(result.stdout) == pytest.approx(expected, rel=1e-5)


def test_eval_on_other_data_goes_by_the_names_of_the_tags(home: Path) -> None:
    asked = ["eval", "ckpt=best.ckpt", "dataset=image_tagging_csv", "dataset.path=list.csv", "format=json"]
    result = run_command([*asked, "folder=other"], home)
    assert (result.status, result.stderr) == (0, ""), result
    expected = {name.replace("test/", "all/"): v for name, v in stored_metrics(run_of(home).metrics).items()}
    assert json.loads(result.stdout) == pytest.approx(expected, rel=1e-5)
    # Without the tag 0 all others have other numbers in the data, and the same average precision.
    table = (home / "list.csv").read_text()
    (home / "nine.csv").write_text(table.replace(",0|", ",").replace(",0\n", ",\n"))
    result = run_command([*asked, "dataset.path=nine.csv", "folder=nine"], home)
    assert (result.status, result.stderr) == (0, ""), result
    whole, nine = (list(csv.DictReader((home / name / "per_class.csv").open())) for name in ("other", "nine"))
    of = {row["tag"]: row for row in nine}
    assert of["0"]["support"] == "0"
    assert [float(of[row["tag"]]["average_precision"]) for row in whole[1:]] == pytest.approx(
        [float(row["average_precision"]) for row in whole[1:]]
    )


def test_eval_refuses_tags_that_the_model_does_not_know(home: Path) -> None:
    (home / "strange.csv").write_text((home / "list.csv").read_text().replace("|", "|moon|", 1))
    asked = ["eval", "ckpt=best.ckpt", "dataset=image_tagging_csv", "dataset.path=strange.csv"]
    result = run_command(asked, home)
    assert result.status == 2
    assert "classes that the model was not trained for: moon" in result.stderr


def predicted(home: Path, *arguments: str, status: int = 0) -> str:
    result = run_command(["predict", "ckpt=best.ckpt", "input=images", *arguments], home)
    assert result.status == status, result
    return result.stdout


def test_predict_in_every_format(home: Path) -> None:
    answers = [json.loads(line) for line in predicted(home, "format=jsonl", "threshold=0.2").splitlines()]
    rows = list(csv.DictReader(io.StringIO(predicted(home, "format=csv", "threshold=0.2"))))
    table = predicted(home, "threshold=0.2").splitlines()
    assert len(answers) == len(rows) == len(table) - 1 == 24
    for answer, row, line in zip(answers, rows, table[1:], strict=True):
        probabilities = {tag: float(row[f"probability_{tag}"]) for tag in "0123456789"}
        expected = sorted((tag for tag in probabilities if probabilities[tag] >= 0.2), key=lambda t: -probabilities[t])
        assert [found["tag"] for found in answer["tags"]] == expected
        assert row["tags"] == "|".join(expected)
        assert line.split()[1::2] == expected
    # The same as the evaluation found for the same images.
    evaluated = [
        float(row["probability_3"]) for row in csv.DictReader((run_of(home).folder / "predictions.csv").open())
    ]
    assert [float(row["probability_3"]) for row in rows] == pytest.approx(evaluated, rel=1e-4)


def test_a_higher_threshold_gives_fewer_tags(home: Path) -> None:
    counts = [
        sum(len(json.loads(line)["tags"]) for line in predicted(home, "format=jsonl", *more).splitlines())
        for more in (["threshold=0.01"], [], ["threshold=0.5"], ["threshold=1.0"])
    ]
    assert counts[0] > counts[1] == counts[2] >= counts[3]


def test_an_image_that_cannot_be_read_is_named(home: Path) -> None:
    (home / "bad.png").write_bytes(b"no image")
    result = run_command(["predict", "ckpt=best.ckpt", "input=[bad.png,images]", "format=csv"], home)
    assert result.status == 1
    assert "bad.png" in result.stderr
    assert len(result.stdout.splitlines()) == 26


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "ckpt=best.ckpt", "input=images", "overlay=out"], "overlay= does not apply to this checkpoint"),
        (["predict", "ckpt=best.ckpt", "input=images", "threshold=1.5"], "threshold=1.5 is not possible"),
        (["train", *SETTINGS, "learning=fixmatch"], "FixMatch is for the classification of"),
        (["train", *SETTINGS, "model=unet"], "Models that take such data: "),
        (["train", *SETTINGS, "augment=scene"], "Set augment=crop or none."),
        (["eval", "ckpt=best.ckpt", "dataset=digits"], "This checkpoint was trained on images of 24x24"),
    ],
)
def test_requests_that_are_refused(home: Path, arguments: list[str], message: str) -> None:
    result = run_command(arguments, home)
    assert result.status == 2, result
    assert message in result.stderr


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path) -> None:
    settings = (*SETTINGS, "augment=mixup", "trainer.max_epochs=2", "callbacks.checkpoints.every_n_steps=2")
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
def test_a_sweep_goes_by_the_mean_average_precision(tmp_path: Path) -> None:
    result = run_command(["train", "-m", *SETTINGS, "trainer.max_epochs=1", "seed=1,2"], tmp_path)
    assert (result.status, result.stderr) == (0, ""), result
    assert "\nval/map: " in result.stdout
    (table,) = tmp_path.glob("runs/sweeps/*/sweep.csv")
    (row,) = csv.DictReader(table.open())
    assert row["seed"] == "1, 2"
    assert float(row["val/map_std"]) >= 0
    assert {f"test/{name}" for name in NAMES} <= row.keys()


@pytest.mark.slow
def test_two_processes_measure_as_one(home: Path) -> None:
    """The average precision of a validation in two processes is that of all images, not the mean of two."""
    two = ("strategy=ddp", "trainer.devices=2", "trainer.max_epochs=1", "eval_batch_size=3", "run_root=two")
    result = run_command(["train", *SETTINGS, *two], home)
    assert result.status == 0, result
    (run,) = (home / "two").glob("*/*")
    (row,) = csv.DictReader((run / "metrics.csv").open())
    asked = ["eval", f"ckpt={run / 'checkpoints' / 'best.ckpt'}", "format=json", "folder=alone"]
    alone = json.loads(run_command([*asked, "split=val"], home).stdout)
    for name in ("map", "micro_f1", "loss"):
        assert float(row[f"val/{name}"]) == pytest.approx(alone[f"val/{name}"], rel=1e-5), name
    test = json.loads(run_command(asked, home).stdout)
    assert test == pytest.approx(stored_metrics(run / "metrics.json"))
