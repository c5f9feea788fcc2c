"""COCO's numbers in cases that can be counted by hand, and against torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from sensorium.metrics.detection import DetectedBoxes, GroundTruth, detection_scores, errors
from sensorium.metrics.detection_rows import scores_of_rows

A, B, C = [0, 0, 10, 10], [20, 20, 60, 60], [100, 100, 300, 300]  # small, medium and large


def truth(boxes: list[list[float]], labels: list[int], difficult: list[bool] | None = None) -> GroundTruth:
    hard = np.array(difficult or [False] * len(labels), dtype=bool)
    return GroundTruth(np.array(boxes, dtype=np.float32).reshape(-1, 4), np.array(labels, dtype=np.int64), hard)


def found(boxes: list[list[float]], labels: list[int], scores: list[float]) -> DetectedBoxes:
    return DetectedBoxes(*truth(boxes, labels)[:2], np.array(scores, dtype=np.float32))


def test_all_found_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    scores = detection_scores([found([A, B], [0, 1], [0.9, 0.2])], [truth([A, B], [0, 1])], num_classes=3)
    names = ("map50", "map", "map75", "recall", "map_small", "map_medium")
    assert scores.summary() == dict.fromkeys(names, pytest.approx(1))
    assert scores.counts.tolist() == [1, 1, 0]
    assert scores.average_precision()[:2].tolist() == pytest.approx([1, 1])
    assert math.isnan(scores.average_precision()[2])
    assert capsys.readouterr().out == ""


def test_one_of_two_is_missed() -> None:
    """Precision is 1 up to a recall of one half: at 51 of the 101 levels."""
    scores = detection_scores([found([A], [0], [0.9])], [truth([A, B], [0, 0])], num_classes=1)
    assert scores.summary()["map50"] == pytest.approx(51 / 101)
    assert scores.summary()["recall"] == 0.5
    assert scores.precision[0, :, 0, 0].tolist() == pytest.approx([1.0] * 51 + [0.0] * 50)


def test_a_false_alarm_counts_by_its_score() -> None:
    first = [found([C, A], [0, 0], [0.9, 0.5])], [truth([A], [0])]
    assert detection_scores(*first, num_classes=1).summary()["map50"] == pytest.approx(0.5)
    last = [found([C, A], [0, 0], [0.1, 0.5])], [truth([A], [0])]
    assert detection_scores(*last, num_classes=1).summary()["map50"] == pytest.approx(1)


def test_overlap_decides() -> None:
    """IoU 0.72: right at 0.50, 0.55, 0.60, 0.65 and 0.70, wrong at the five others."""
    scores = detection_scores([found([[0, 0, 7.2, 10]], [0], [0.9])], [truth([A], [0])], num_classes=1, areas=False)
    wanted = {"map50": 1, "map": 0.5, "map75": 0, "recall": 0.5}
    assert scores.summary() == {name: pytest.approx(value) for name, value in wanted.items()}
    assert scores.average_precision(overlap=0.7).tolist() == pytest.approx([1])
    assert scores.average_precision(overlap=0.75).tolist() == [0]


def test_a_difficult_box_counts_neither_way() -> None:
    there = [truth([A, B], [0, 0], [False, True])]
    for boxes in ([A], [A, B], [A, B, B]):
        one = [found(boxes, [0] * len(boxes), [0.5, 0.9, 0.8][: len(boxes)])]
        assert detection_scores(one, there, num_classes=1).summary()["map50"] == pytest.approx(1)
    assert detection_scores([found([A], [0], [0.5])], there, num_classes=1).counts.tolist() == [1]


def test_no_boxes_at_all() -> None:
    nothing = [found([], [], [])]
    assert detection_scores(nothing, [truth([A], [0])], num_classes=1).summary()["map50"] == 0
    empty = detection_scores(nothing, [truth([], [])], num_classes=2)
    assert empty.summary() == {"map50": 0, "map": 0, "map75": 0, "recall": 0}
    assert empty.counts.tolist() == [0, 0]


def test_the_same_as_torchmetrics() -> None:
    random = np.random.default_rng(0)
    answers, truths = [], []
    for _ in range(30):
        corners = random.uniform(0, 200, (random.integers(0, 8), 2))
        boxes = np.concatenate([corners, corners + random.uniform(5, 140, corners.shape)], axis=1)
        truths.append(GroundTruth(boxes, random.integers(0, 3, len(boxes)), random.random(len(boxes)) < 0.2))
        picked = random.integers(0, len(boxes), 12) if len(boxes) else np.zeros(0, dtype=int)
        moved = boxes[picked] + random.normal(0, 6, (len(picked), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        answers.append(DetectedBoxes(moved, truths[-1].labels[picked], random.random(len(picked))))
    reference = MeanAveragePrecision(class_metrics=True)
    keys = ("boxes", "labels", "scores"), ("boxes", "labels", "iscrowd")
    given = [
        [{key: torch.from_numpy(np.asarray(value, dtype=dtype))
          for key, value, dtype in zip(names, one, ("f4", "i8", "f4" if "scores" in names else "i8"), strict=True)}
         for one in many]
        for names, many in zip(keys, (answers, truths), strict=True)
    ]  # fmt: skip
    reference.update(*given)
    wanted = {key: value.numpy() for key, value in reference.compute().items()}
    scores = detection_scores(answers, truths, num_classes=4)
    summary = scores.summary()
    names = {"map50": "map_50", "map": "map", "map75": "map_75", "recall": "mar_100"}
    names |= {key: key for key in ("map_small", "map_medium", "map_large")}
    assert {key: pytest.approx(float(wanted[name]), abs=1e-6) for key, name in names.items()} == summary
    np.testing.assert_allclose(scores.average_precision()[:3], wanted["map_per_class"], atol=1e-6)
    alone = detection_scores(answers, truths, num_classes=4, areas=False).summary()
    assert alone == {key: summary[key] for key in ("map50", "map", "map75", "recall")}


def test_what_is_missed_and_what_is_wrong_in_a_picture() -> None:
    there = truth([A, B, C, A], [0, 0, 1, 2], [False, False, False, True])
    # A twice, B as another class, C with too little score, and the difficult one.
    one = found([A, A, B, C, A], [0, 0, 1, 1, 2], [0.9, 0.8, 0.7, 0.2, 0.6])
    fault = errors(one, there, threshold=0.3)
    assert fault.missed.tolist() == [False, True, True, False]
    assert fault.wrong.tolist() == [False, True, True, False, False]
    assert errors(one, there, threshold=0.1).missed.tolist() == [False, True, False, False]


def test_the_better_of_two_is_the_right_one() -> None:
    near = [1, 0, 10, 10]
    assert errors(found([near, A], [0, 0], [0.5, 0.9]), truth([A], [0]), threshold=0.3).wrong.tolist() == [True, False]


def test_the_map_of_rows_is_that_of_these_pictures() -> None:
    """One image all found, one with a class missed, one with nothing: any choice of them is scored as it is alone."""
    answers = [found([A, B], [0, 1], [0.9, 0.8]), found([A], [0], [0.7]), found([C], [1], [0.6])]
    truths = [truth([A, B], [0, 1]), truth([A, B], [0, 1]), truth([], [])]
    scores = scores_of_rows(answers, truths, num_classes=2)
    for rows in ([0, 1, 2], [0, 0, 0], [1, 1, 2], [2, 1, 0]):
        chosen = [answers[row] for row in rows], [truths[row] for row in rows]
        assert scores(np.array(rows)).summary() == pytest.approx(detection_scores(*chosen, num_classes=2).summary())
    assert scores(np.array([2, 2, 2])).summary()["map"] == 0


def test_resampled_images_score_as_cocos_evaluator_scores_them_repeated() -> None:
    """Forty images of random boxes, some found a little beside, some not, some twice, some difficult."""
    random = np.random.default_rng(5)
    answers, truths = [], []
    for _ in range(40):
        count = int(random.integers(0, 5))
        corners = random.uniform(0, 200, (count, 2))
        boxes = np.concatenate([corners, corners + random.uniform(8, 150, (count, 2))], axis=1)
        labels = random.integers(0, 3, count)
        truths.append(truth(boxes.tolist(), labels.tolist(), (random.random(count) < 0.2).tolist()))
        kept = np.repeat(np.arange(count), random.integers(0, 3, count))
        beside = boxes[kept] + random.normal(0, 4, (len(kept), 4))
        guessed = np.where(random.random(len(kept)) < 0.8, labels[kept], random.integers(0, 3, len(kept)))
        answers.append(found(beside.tolist(), guessed.tolist(), random.random(len(kept)).tolist()))
    scores = scores_of_rows(answers, truths, num_classes=3)
    for _ in range(20):
        rows = random.integers(0, 40, 40)
        expected = detection_scores([answers[row] for row in rows], [truths[row] for row in rows], num_classes=3)
        got = scores(rows)
        np.testing.assert_allclose(got.precision, expected.precision, atol=1e-12)
        np.testing.assert_allclose(got.recall, expected.recall, atol=1e-12)
        assert got.counts.tolist() == expected.counts.tolist()
