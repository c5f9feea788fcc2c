"""A calibration: chosen on held-out examples, data that is not trusted, refused where it cannot promise."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sensorium
from sensorium import checkpoint, evaluation
from sensorium.build import load_data, load_model
from sensorium.cli.eval_data import settings_for
from sensorium.errors import RequestError
from sensorium.metrics.calibration import (
    Scaling,
    calibration_error,
    fit_classes,
    fit_scores,
    log_probabilities,
    scaled_classes,
    scaled_scores,
)
from sensorium.metrics.conformal import conformity_scores
from sensorium.metrics.detection import DetectedBoxes, GroundTruth
from sensorium.randomness import generator
from sensorium.report_sections import Table
from sensorium.run_folder import RunFolder
from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks import registry
from sensorium.tasks.base import PredictOptions
from sensorium.tasks.calibration import Calibration, LogScaling, needed
from sensorium.tasks.classification.certainty import Guarantees
from sensorium.tasks.classification.evaluate import ClassificationEvaluation
from sensorium.tasks.classification.predict import ClassPrediction, ClassPredictions
from sensorium.tasks.fit_calibration import calibrate_classes, calibrate_intervals, calibrate_scores
from sensorium.tasks.object_detection.evaluate import DetectionEvaluation, DetectionInference, right_boxes
from sensorium.tasks.regression.predict import RegressionPrediction


def results(size: int, *, factor: float = 3.0, tilt: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, 3) of a model that is `factor` times too sure, its first class by `tilt` too likely; labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(size, 3)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) > random.random((size, 1))).argmax(axis=1)
    claimed = np.exp(factor * logits + np.array([tilt, 0, 0]))
    return (claimed / claimed.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.fixture
def found() -> Calibration:
    return calibrate_classes(*results(2000))


# -- what is chosen


def test_a_temperature_for_a_model_that_is_too_sure(found: Calibration) -> None:
    assert (found.method, found.fitted, found.measured) == ("temperature", 2000, 2000)
    assert found.correct[:400].mean() > 0.85 > 0.6 > found.correct[-400:].mean()  # the most confident come first
    assert found.scaling is not None
    assert 1 / found.scaling.scale[0] == pytest.approx(3, rel=0.15)
    assert found.before is not None
    assert found.after is not None
    assert found.after.value < 0.05 < 0.15 < found.before.value
    assert found.before.low <= found.before.value
    assert list(found.metrics())[:2] == ["val/uncalibrated_error", "val/uncalibrated_error_low"]
    assert "temperature" in found.lines()[0]


def test_vector_scaling_where_a_class_is_too_likely() -> None:
    assert calibrate_classes(*results(4000, factor=1, tilt=2)).method == "vector"


def test_nothing_for_a_model_that_is_as_sure_as_it_is_right() -> None:
    assert [calibrate_classes(*results(2000, factor=1, seed=seed)).method for seed in range(5)] == ["none"] * 5
    assert calibrate_classes(*results(99)).method == "none"  # too few to tell


def test_nothing_where_only_the_loss_is_lower() -> None:
    """Vector scaling finds the tilt, and the confidence was right before: it would change classes for no one's sake."""
    p, labels = results(4000, factor=1, tilt=0.25)
    logs = np.log(p.astype(np.float64))
    corrected = scaled_classes(logs, fit_classes(logs, labels, per_class=True))
    gains = np.log(corrected / p)[np.arange(4000), labels]
    assert gains.mean() > 3 * gains.std() / np.sqrt(4000)
    found = calibrate_classes(p, labels)
    assert (found.method, found.scaling, found.fitted) == ("none", None, 4000)
    assert found.before == found.after
    assert (
        "left as it is, as no correction lowered the loss and the calibration error by more than chance"
        in found.lines()[0]
    )
    few = calibrate_classes(p[:50], labels[:50])
    assert (few.method, few.fitted) == ("none", 0)
    assert few.lines()[0].startswith(f"calibration: left as it is: {few.measured} validation examples: too few to fit")


def test_no_example_is_measured_by_its_own_fit() -> None:
    """The error after, the scores and the confidences are those of five fits, each on the four fifths that are left."""
    p, labels = results(1000)
    logs, expected = log_probabilities(p), np.empty((1000, 3))
    folds = generator(0).permutation(1000) % 5
    for fold in range(5):
        own, others = folds == fold, folds != fold
        expected[own] = scaled_classes(logs[own], fit_classes(logs[others], labels[others], per_class=False))
    found = calibrate_classes(p, labels)
    np.testing.assert_allclose(np.sort(expected.max(axis=1))[::-1], found.confidence, atol=1e-6)
    scores = conformity_scores(expected.astype(np.float32))[np.arange(1000), labels]
    np.testing.assert_allclose(np.sort(scores), found.scores, atol=1e-5)
    assert found.after is not None
    right = expected.argmax(axis=1) == labels
    assert found.after.value == pytest.approx(calibration_error(expected.max(axis=1), right), abs=1e-9)
    assert found.scaling is not None
    np.testing.assert_array_equal(found.scaling.scale, fit_classes(logs, labels, per_class=False).scale)  # on all


def test_boxes_of_an_image_are_held_out_together() -> None:
    """Boxes that repeat each other within an image are no evidence: as few images, nothing is fitted. Of many, the
    error after is that of fits on the boxes of the other images.
    """
    random = np.random.default_rng(0)
    odds = random.normal(size=(19, 1)).repeat(30, axis=1) * 3
    right = random.random((19, 1)).repeat(30, axis=1) < 1 / (1 + np.exp(-odds / 3))
    scores, images = 1 / (1 + np.exp(-odds.ravel())), np.repeat(np.arange(19), 30)
    few = calibrate_scores(scores, right.ravel(), what="boxes", groups=images)
    assert few.fitted == 0
    assert "19 validation images: too few to fit a correction (at least 20)" in few.lines()[0]
    assert calibrate_scores(scores, right.ravel(), what="boxes").method == "platt"
    odds = random.normal(size=1000) * 3
    right, images = random.random(1000) < 1 / (1 + np.exp(-odds / 3)), random.integers(0, 100, size=1000)
    folds, p = generator(0).permutation(100)[images] % 5, np.empty(1000)
    for fold in range(5):
        found = fit_scores(odds[folds != fold], right[folds != fold], bias=True)
        p[folds == fold] = scaled_scores(odds[folds == fold], found)
    after = calibrate_scores(1 / (1 + np.exp(-odds)), right, what="boxes", groups=images).after
    assert after is not None
    assert after.value == pytest.approx(calibration_error(p, right), abs=1e-6)


def test_what_a_report_shows(found: Calibration) -> None:
    (table,) = found.sections()
    assert isinstance(table, Table)
    assert found.before is not None
    assert [row[0] for row in table.rows] == ["before", "after"]
    assert table.rows[0][1] == round(found.before.value, 4)
    assert table.note.startswith("Temperature ")
    assert table.note.endswith("(5-fold cross-fitting).")
    assert calibrate_intervals(np.ones((30, 1))).sections() == []


def test_a_temperature_changes_no_class(found: Calibration) -> None:
    p, _ = results(5000, seed=1)
    logits = torch.from_numpy(np.log(np.maximum(p, 1e-30))).float() + 7  # a level of their own
    corrected = found.module(classes=True)(logits).softmax(1)
    torch.testing.assert_close(corrected.argmax(1), logits.argmax(1))
    assert found.scaling is not None
    expected = scaled_classes(logits.double().log_softmax(1).numpy(), found.scaling)
    np.testing.assert_allclose(corrected.numpy(), expected, atol=1e-5)


def test_tags_get_a_temperature_each_and_none_crosses_the_threshold() -> None:
    random = np.random.default_rng(0)
    odds = random.normal(size=(3000, 2)) * 2
    right = random.random((3000, 2)) < 1 / (1 + np.exp(-odds))
    claimed = 1 / (1 + np.exp(-odds * np.array([3.0, 0.5])))
    found = calibrate_scores(claimed.astype(np.float32), right, what="images")
    assert found.scaling is not None
    np.testing.assert_allclose(1 / found.scaling.scale, [3, 0.5], rtol=0.15)
    logits = torch.from_numpy(odds).float()
    corrected = found.module(classes=False)(logits)
    assert torch.equal(corrected >= 0, logits >= 0)
    assert isinstance(found.module(classes=False), LogScaling)


# -- what is promised


def test_coverage_that_too_few_examples_cannot_give() -> None:
    p, labels = results(98)
    found = calibrate_classes(p, labels)
    with pytest.raises(RequestError, match=r"coverage=0.99 .* needs at least 99 validation examples.* has 98"):
        found.set_threshold(0.99)
    assert found.set_threshold(0.95) == found.scores[95 - 1]  # the 95th smallest: 99 * 0.95 is 94.05
    with pytest.raises(RequestError, match=r"needs at least 19 validation"):
        calibrate_classes(p[:18], labels[:18]).set_threshold(0.95)


def test_an_error_rate_that_cannot_be_shown() -> None:
    with pytest.raises(RequestError, match=r"needs at least 252 validation examples"):
        calibrate_classes(*results(200)).selection(0.02)
    with pytest.raises(RequestError, match=r"even those that the model is most sure of are wrong too often"):
        replace(calibrate_classes(*results(2000)), correct=np.arange(2000) % 2 == 0).selection(0.02)


def test_intervals_are_the_order_statistic_of_the_errors() -> None:
    errors = np.stack([np.arange(1, 100), -10 * np.arange(1, 100)], axis=1).astype(float)
    np.testing.assert_array_equal(calibrate_intervals(errors).set_threshold(0.9), [90, 900])


def test_a_checkpoint_without_calibration_says_what_to_do() -> None:
    with pytest.raises(RequestError, match=r"coverage= needs .*\n.*eval ckpt=THIS split=val calibrate=NEW.ckpt"):
        needed(None, "coverage")
    with pytest.raises(RequestError, match="translation is not calibrated"):
        registry.get("translation").calibration(None)


# -- as data


def test_it_comes_back_as_it_was(found: Calibration) -> None:
    back = Calibration.from_dict(found.to_dict(), num_classes=3, targets=0)
    for name in ("scores", "confidence", "correct"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert back.scaling is not None
    assert found.scaling is not None
    np.testing.assert_array_equal(back.scaling.scale, found.scaling.scale)
    assert (back.before, back.after, back.method) == (found.before, found.after, found.method)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("method", "exec", "method is unknown"),
        ("fitted", -1, "no count"),
        ("what", "\x1b[31m", "no word"),
        ("scaling", [[float("nan")], []], "scaling is damaged"),
        ("scaling", [[10**400], []], "scaling is damaged"),
        ("scaling", [[0.0], []], "not above 0"),
        ("scaling", [[1.0] * 2, []], "does not fit the classes"),
        ("scores", torch.tensor([0.2, 0.1]), "not sorted"),
        ("scores", torch.tensor([0.1, float("inf")]), "not finite"),
        ("scores", torch.zeros(100_001), "too large"),
        ("scores", torch.zeros(5, 3), "do not fit the targets"),
        ("scores", [0.1], "missing"),
        ("scores", torch.zeros(3).to_sparse(), "missing"),
        ("confidence", torch.tensor([0.5, 0.9]), "not sorted"),
        ("confidence", torch.tensor([2.0, 0.9]), "above 1"),
        ("correct", torch.ones(3), "does not fit confidence"),
        ("before", [0.1, 0.2], "no number"),
    ],
)
def test_a_damaged_one_is_refused(found: Calibration, key: str, value: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Calibration.from_dict(found.to_dict() | {key: value}, num_classes=3, targets=0)


# -- in a checkpoint


@pytest.fixture
def best(trained_run: Path) -> Path:
    return trained_run / "checkpoints" / "best.ckpt"


def test_training_leaves_it_in_the_best_checkpoint(best: Path, trained_run: Path) -> None:
    loaded = checkpoint.read(best)
    assert loaded.calibration is not None
    assert loaded.calibration.measured == len(loaded.calibration.scores)
    assert "calibration" in (trained_run.parents[2] / "stdout.txt").read_text()
    assert '"val/calibrated_error"' in (trained_run / "metrics.json").read_text()
    assert checkpoint.read(best.with_name("last.ckpt")).calibration is None
    assert checkpoint.averaged([loaded, loaded]).calibration is None  # it belongs to the weights of each alone
    assert checkpoint.averaged([loaded]).calibration is loaded.calibration


def test_the_same_again_and_written_to_a_file(best: Path, tmp_path: Path) -> None:
    """As a run that is resumed after its end does."""
    loaded = checkpoint.read(best)
    config = settings_for(loaded, [], on_bad="fail", batch_size=None, decoding={})
    data = load_data(config.dataset, on_bad="fail")
    found = evaluation.calibrated(loaded, data.val, config=config, device=torch.device("cpu"), trust=False)
    assert loaded.calibration is not None
    np.testing.assert_array_equal(found.scores, loaded.calibration.scores)
    checkpoint.write_calibrated(replace(loaded, calibration=None), found, tmp_path / "new.ckpt")
    back = checkpoint.read(tmp_path / "new.ckpt")
    assert back.calibration is not None
    np.testing.assert_array_equal(back.calibration.confidence, found.confidence)
    assert all(torch.equal(back.weights[name], value) for name, value in loaded.weights.items())


def test_outputs_that_are_not_numbers_leave_the_checkpoint_as_it_is(
    best: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction of NaN would be refused by every later reader of the checkpoint."""
    run = RunFolder(tmp_path)
    run.best.parent.mkdir()
    loaded = checkpoint.read(best)
    shutil.copy(best, run.best)
    config = settings_for(loaded, [], on_bad="fail", batch_size=None, decoding={})
    data = load_data(config.dataset, on_bad="fail")
    probabilities = torch.full((len(data.val), 10), float("nan"))
    damaged = ClassificationEvaluation(probabilities, torch.from_numpy(data.val.labels), 1.0)
    monkeypatch.setattr(evaluation, "evaluate", lambda *args, **kwargs: damaged)
    lines: list[str] = []
    cpu = torch.device("cpu")
    assert evaluation.calibrate_run(config, run, data=data, device=cpu, say=lines.append) is None
    assert lines == [
        f"not calibrated: {len(data.val)} of {len(data.val)} predictions are not numbers, the first for example 0."
    ]
    assert run.best.read_bytes() == best.read_bytes()


def test_a_damaged_one_in_a_file_and_an_earlier_format(best: Path, tmp_path: Path) -> None:
    payload = checkpoint.read_raw(best)
    stored = payload[checkpoint.KEY].pop("calibration")
    payload[checkpoint.KEY]["format"] = 3
    checkpoint.save_atomically(payload, tmp_path / "old.ckpt")
    assert checkpoint.read(tmp_path / "old.ckpt").calibration is None
    payload[checkpoint.KEY] |= {"format": checkpoint.FORMAT, "calibration": stored | {"method": "magic"}}
    checkpoint.save_atomically(payload, tmp_path / "bad.ckpt")
    with pytest.raises(RequestError, match=r"bad.ckpt: its calibration is damaged: method is unknown\."):
        checkpoint.read(tmp_path / "bad.ckpt")


def test_predictions_carry_sets_and_decisions(best: Path) -> None:
    model = sensorium.load(best, accelerator="cpu")
    image = np.zeros((8, 8), np.uint8)
    (plain,), (found,) = model.predict([image]), model.predict([image], coverage=0.9)
    assert "set" not in plain.to_dict()
    record = found.to_dict()
    assert record["unsure"] == (record["set"] == [])
    assert found.rows()[0]["set"] == "|".join(record["set"])
    assert found.summary()["set"] == (", ".join(record["set"]) or "unsure")
    with pytest.raises(RequestError, match=r"coverage=1"):
        model.predict([image], coverage=1.0)
    with pytest.raises(RequestError, match=r"needs at least 252 validation examples"):
        model.predict([image], max_error=0.02)


def test_what_is_unsure_reads_so_in_every_format(best: Path, found: Calibration) -> None:
    loaded = load_model(best, accelerator="cpu")
    options = PredictOptions(coverage=0.6, max_error=0.3)
    calibration = replace(found, correct=np.ones(len(found.confidence), bool))
    spec = replace(loaded.spec, class_names=("cat", "dog", "owl"))
    maker = ClassPredictions(replace(loaded, spec=spec, calibration=calibration), options)
    maker.guarantees.confidence = 0.8
    maker.guarantees.score = 0.2
    rows = maker.rows(torch.tensor([[0.9, 0.06, 0.04], [0.4, 0.35, 0.25]]), [False, False])
    sure, unsure = (maker.prediction("a", row, None) for row in rows)
    assert isinstance(sure, ClassPrediction)
    assert [one.to_dict()["set"] for one in (sure, unsure)] == [["cat"], []]
    assert [one.to_dict()["decision"] for one in (sure, unsure)] == ["cat", None]
    assert [one.to_dict()["unsure"] for one in (sure, unsure)] == [False, True]
    assert [one.summary()["decision"] for one in (sure, unsure)] == ["cat", "unsure"]
    assert [one.rows()[0]["unsure"] for one in (sure, unsure)] == [False, True]
    failed = maker.prediction("b", None, "b: unreadable")
    assert failed.rows()[0].keys() == sure.rows()[0].keys()  # one header for all
    assert failed.rows()[0]["unsure"] == ""
    assert failed.to_dict() == {"input": "b", "classes": [], "error": "b: unreadable"}
    assert isinstance(maker.guarantees, Guarantees)


# -- boxes and numbers


def test_which_boxes_are_right() -> None:
    """Overlaps of 1 and of 25/175; a second box on a true one that is taken; another class."""
    found = DetectedBoxes(
        np.array([[0, 0, 10, 10], [5, 5, 15, 15], [0, 0, 10, 10], [0, 0, 10, 10]], np.float32),
        np.array([0, 0, 0, 1]),
        np.array([0.9, 0.8, 0.7, 0.6], np.float32),
    )
    truth = GroundTruth(np.array([[0, 0, 10, 10]], np.float32), np.array([0]), np.array([False]))
    scores, right, images = right_boxes(DetectionEvaluation([found] * 2, [truth] * 2, num_classes=2, seconds=0.0))
    np.testing.assert_array_equal(right, [True, False, False, False] * 2)
    np.testing.assert_array_equal(scores, np.tile(found.scores, 2))
    np.testing.assert_array_equal(images, [0] * 4 + [1] * 4)
    assert len(right_boxes(DetectionEvaluation([], [], num_classes=2, seconds=0.0))[0]) == 0


class _Answers(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        scores = torch.tensor([0.9, 0.5, 0.1])
        boxes = torch.tensor([[0.0, 0, 8, 8]]).repeat(3, 1)
        return [{"boxes": boxes, "labels": torch.zeros(3, dtype=torch.long), "scores": scores}] * len(images)


def test_scores_of_boxes_are_corrected_in_order() -> None:
    spec = ObjectDetectionSpec(
        class_names=("a",), in_channels=1, image_size=(8, 8), mean=(0.0,), std=(1.0,), resize="stretch"
    )
    arguments: dict[str, Any] = {"model": _Answers(), "spec": spec, "device": torch.device("cpu")}
    arguments |= {"precision": "32-true", "memory_format": "contiguous"}
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    plain = DetectionInference(**arguments).detect(image, [(8, 8)])[0].scores
    np.testing.assert_array_equal(plain, np.array([0.9, 0.5, 0.1], np.float32))
    platt = Calibration(method="platt", scaling=Scaling(np.array([0.5]), np.array([-1.0])))
    found = DetectionInference(**arguments, calibration=platt).detect(image, [(8, 8)])[0].scores
    odds = 0.5 * np.log([0.9 / 0.1, 1, 0.1 / 0.9]) - 1
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-odds)), rtol=1e-5)
    assert (np.diff(found) < 0).all()


def test_predicted_numbers_with_their_intervals() -> None:
    sure = RegressionPrediction("x", (1.0, 20.0), ("angle", "size"), (0.5, 2.0))
    assert sure.to_dict()["interval"] == {"angle": [0.5, 1.5], "size": [18.0, 22.0]}
    assert list(sure.rows()[0].items())[1:7] == [
        ("prediction_angle", 1.0),
        ("low_angle", 0.5),
        ("high_angle", 1.5),
        ("prediction_size", 20.0),
        ("low_size", 18.0),
        ("high_size", 22.0),
    ]
    failed = RegressionPrediction("y", (), ("angle", "size"), (0.5, 2.0), error="y: unreadable")
    assert failed.rows()[0].keys() == sure.rows()[0].keys()
    assert "interval" not in failed.to_dict()
    assert "interval" not in RegressionPrediction("x", (1.0, 20.0), ("angle", "size")).to_dict()


@pytest.mark.parametrize("what", ["words", "boxes"])
def test_a_model_that_predicts_nothing_has_nothing_to_calibrate(what):
    nothing = np.zeros(0)
    calibration = calibrate_scores(nothing, nothing.astype(bool), what=what, groups=nothing.astype(int))
    assert calibration.lines() == [f"calibration: left as it is: the model predicts no {what} on the validation split"]
    assert (calibration.scaling, calibration.metrics(), calibration.sections()) == (None, {}, [])
