"""sensorium eval: the numbers of training again, to the last digit; other data; intervals; comparisons."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

from command import run_command, stored_metrics
from images import write_picture_folder


def evaluated(cwd: Path, *arguments: str) -> dict:
    """What `sensorium eval ARGUMENTS format=json` prints."""
    result = run_command(["eval", *arguments, "format=json"], cwd)
    assert (result.status, result.stderr) == (0, ""), result
    (line,) = result.stdout.splitlines()
    return json.loads(line)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


@pytest.fixture
def best(trained_run, tmp_path) -> Path:
    """A copy of the best checkpoint, alone in a folder."""
    return Path(shutil.copy(trained_run / "checkpoints" / "best.ckpt", tmp_path / "best.ckpt"))


def test_a_checkpoint_of_format_1_is_judged_as_before(best, tmp_path):
    expected = evaluated(tmp_path, f"ckpt={best}")
    payload = torch.load(best, weights_only=True)
    about = payload["sensorium"]
    about["format"] = 1
    del about["spec"]["task"]
    for key in ("decoding", "batch_tokens", "class_weights"):  # what its config did not have
        del about["config"][key]
    torch.save(payload, best)
    assert evaluated(tmp_path, f"ckpt={best}") == expected


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A folder with three classes of images, `photos`, and a perceptron trained on it."""
    root = tmp_path_factory.mktemp("images")
    write_picture_folder(root / "photos", classes=3, per_class=20, size=8)
    arguments = ["dataset=image_folder", "dataset.root=photos", "model=perceptron", "trainer.max_epochs=6", "lr=0.03"]
    result = run_command(["train", *arguments, "augment=none", "batch_size=16"], root)
    assert (result.status, result.stderr) == (0, "")
    (run,) = (root / "runs" / "image_folder_perceptron").iterdir()
    run.rename(root / "run")
    return root


def test_a_checkpoint_alone_gives_the_metrics_of_its_training(trained_run, best, tmp_path):
    expected = stored_metrics(trained_run / "metrics.json")
    assert evaluated(tmp_path, "ckpt=best.ckpt") == expected
    assert (tmp_path / "eval_test" / "predictions.csv").read_bytes() == (trained_run / "predictions.csv").read_bytes()
    shutil.move(shutil.copytree(trained_run, tmp_path / "a"), tmp_path / "moved")
    assert evaluated(tmp_path, "ckpt=moved") == expected
    # Batches of another size add up in another order: the same predictions, the loss to many digits.
    other = evaluated(tmp_path, "ckpt=best.ckpt", "batch_size=7")
    assert other == pytest.approx(expected, rel=1e-5)
    assert other["test/accuracy"] == expected["test/accuracy"]


def test_other_parts_of_the_data(trained_run, best, tmp_path):
    val = evaluated(tmp_path, "ckpt=best.ckpt", "split=val")
    (last,) = rows_of(trained_run / "metrics.csv")
    assert val["val/accuracy"] == pytest.approx(float(last["val/accuracy"]), abs=1e-6)
    assert val["val/loss"] == pytest.approx(float(last["val/loss"]), rel=1e-5)
    assert len(rows_of(tmp_path / "eval_val" / "predictions.csv")) == 143
    evaluated(tmp_path, "ckpt=best.ckpt", "split=all", "folder=all", "predictions=jsonl")
    lines = (tmp_path / "all" / "predictions.jsonl").read_text().splitlines()
    assert len({json.loads(line)["name"] for line in lines}) == len(lines) == 1797


def test_the_evaluation_of_another_checkpoint_is_not_replaced_silently(best: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = Path(shutil.copy(best, tmp_path / "elsewhere" / best.name))  # of the same name, as those of two runs
    assert "replacing" not in run_command(["eval", f"ckpt={best}", "folder=results"], tmp_path).stderr
    assert "replacing" not in run_command(["eval", f"ckpt={best}", "folder=results"], tmp_path).stderr
    said = run_command(["eval", f"ckpt={other}", "folder=results"], tmp_path).stderr
    assert f"results: replacing the evaluation of {best}; folder=OTHER keeps both." in said


def test_formats_and_output(best, tmp_path):
    expected = evaluated(tmp_path, "ckpt=best.ckpt")
    table = run_command(["eval", "ckpt=best.ckpt"], tmp_path).stdout
    assert f"test/accuracy           {expected['test/accuracy']:.4f}" in table
    line = next(one for one in table.splitlines() if one.startswith("test accuracy: "))
    assert line.startswith(f"test accuracy: {expected['test/accuracy']:.4g} (95% interval ")
    assert line.endswith('359 examples); always "1" would score 0.1003')
    assert run_command(["eval", "ckpt=best.ckpt", "format=csv", "output=a/metrics.csv"], tmp_path).stdout == ""
    assert {row["metric"]: float(row["value"]) for row in rows_of(tmp_path / "a" / "metrics.csv")} == expected


def test_intervals_hold_the_value(best, tmp_path):
    found = evaluated(tmp_path, "ckpt=best.ckpt", "bootstrap=50")
    low, high = found["test/accuracy_interval"]
    assert low < found["test/accuracy"] < high
    assert (low, high) == tuple(evaluated(tmp_path, "ckpt=best.ckpt", "bootstrap=50")["test/accuracy_interval"])


def test_comparison_counts_the_examples_on_which_two_checkpoints_differ(trained_run, best, tmp_path):
    same = evaluated(tmp_path, "ckpt=best.ckpt", "compare=best.ckpt")
    assert same["compare/difference"] == same["compare/only_a_right"] == same["compare/only_b_right"] == 0
    assert same["compare/p_value"] == 1
    rival = ["train", "model=perceptron", "trainer.max_epochs=1", "run_root=rival"]
    assert run_command(rival, tmp_path).status == 0
    (other,) = (tmp_path / "rival" / "digits_perceptron").iterdir()
    found = evaluated(tmp_path, "ckpt=best.ckpt", f"compare={other}")
    right = [[row["correct"] == "true" for row in rows_of(run / "predictions.csv")] for run in (trained_run, other)]
    pairs = list(zip(*right, strict=True))
    assert found["compare/only_a_right"] == pairs.count((True, False)) > 0
    assert found["compare/only_b_right"] == pairs.count((False, True)) > 0
    assert found["compare/difference"] == pytest.approx((sum(right[0]) - sum(right[1])) / 359, abs=1e-12)


def test_other_pictures_with_some_of_the_classes(pictures):
    write_picture_folder(pictures / "others", classes=3, per_class=30, size=12)
    shutil.rmtree(pictures / "others" / "class_1")
    found = evaluated(pictures, "ckpt=run", "dataset.root=others", "folder=out")
    rows = rows_of(pictures / "out" / "predictions.csv")
    assert len(rows) == 60  # a folder without a test part is taken whole
    there = {str(path.relative_to(pictures)) for path in (pictures / "others").glob("*/*.png")}
    assert {row["name"] for row in rows} == there
    assert all(row["label"] == Path(row["name"]).parent.name for row in rows)
    assert {row["prediction"] for row in rows} <= {"class_0", "class_1", "class_2"}
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert found["all/accuracy"] == pytest.approx(right / 60, abs=1e-12)
    assert found["all/accuracy"] > 0.9


def test_another_kind_of_dataset(pictures):
    lines = [f"{path},{path.parent.name}" for path in sorted((pictures / "photos").glob("*/*.png"))]
    (pictures / "list.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    found = evaluated(
        pictures, "ckpt=run", "dataset=image_csv", "dataset.path=list.csv", "split=all", "folder=from_csv"
    )
    assert found == evaluated(pictures, "ckpt=run", "split=all", "folder=from_folder")


def test_bad_pictures_are_named_or_left_out(pictures):
    write_picture_folder(pictures / "broken", classes=3, per_class=5, size=8)
    (pictures / "broken" / "class_2" / "004.png").write_bytes(b"no image")
    result = run_command(["eval", "ckpt=run", "dataset.root=broken"], pictures)
    assert result.status == 2
    assert "broken/class_2/004.png: not a readable image" in result.stderr
    skipping = ["eval", "ckpt=run", "dataset.root=broken", "on_bad=skip", "folder=skipped", "format=json"]
    result = run_command(skipping, pictures)
    assert (result.status, result.stderr) == (0, "1 problem in the data, skipped and listed in skipped/left_out.csv\n")
    assert len(json.loads(result.stdout)) > 0
    assert len(rows_of(pictures / "skipped" / "predictions.csv")) == 14
    (row,) = rows_of(pictures / "skipped" / "left_out.csv")
    assert row["place"] == "broken/class_2/004.png"
    assert "not a readable image" in row["problem"]


def test_a_checkpoint_is_calibrated_into_a_new_file(best: Path, trained_run: Path, tmp_path: Path) -> None:
    """last.ckpt has no calibration; predict says what to do, and what eval writes then predicts with a guarantee."""
    last = shutil.copy(trained_run / "checkpoints" / "last.ckpt", tmp_path / "last.ckpt")
    images = write_picture_folder(tmp_path / "images")
    ask = [f"input={next(images.rglob('*.png'))}", "coverage=0.9", "format=jsonl"]
    refused = run_command(["predict", f"ckpt={last}", *ask], tmp_path)
    assert refused.status == 2
    assert "eval ckpt=THIS split=val calibrate=NEW.ckpt" in refused.stderr
    done = run_command(["eval", f"ckpt={last}", "split=val", "calibrate=new.ckpt"], tmp_path)
    assert done.status == 0
    assert "calibrated checkpoint: " in done.stderr
    assert "set" in json.loads(run_command(["predict", "ckpt=new.ckpt", *ask], tmp_path).stdout)
    again = run_command(["eval", f"ckpt={last}", "split=val", "calibrate=new.ckpt"], tmp_path)
    assert again.status == 2
    assert "calibrate=" in again.stderr
