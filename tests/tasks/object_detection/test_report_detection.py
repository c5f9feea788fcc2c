"""The files of an evaluation of a detector, with numbers counted by hand."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from sensorium.data.vision.scenes import DetectionSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.metrics.detection import DetectedBoxes, DetectionErrors, GroundTruth
from sensorium.tasks.object_detection.evaluate import DetectionEvaluation
from sensorium.tasks.object_detection.report import worst_images, write_detection_report

A, B = [0, 0, 10, 10], [10, 4, 30, 20]


def arrays(boxes: list[list[float]], labels: list[int], third: list[float]) -> tuple[np.ndarray, ...]:
    return np.array(boxes, dtype=np.float32).reshape(-1, 4), np.array(labels, dtype=np.int64), np.array(third)


def case(*, right: bool = False) -> tuple[DetectionEvaluation, DetectionSplit]:
    """Two images of 20 x 40. In the first A is found and B missed, and something is found where nothing is; with too
    low a score it is no error. The second has nothing.
    """
    easy = [np.zeros(count, dtype=bool) for count in (2, 0)]
    truths = [GroundTruth(*arrays([A, B], [0, 1], [])[:2], easy[0]), GroundTruth(*arrays([], [], [])[:2], easy[1])]
    first = ([A, B, B], [0, 1, 0], [0.9, 0.8, 0.2]) if right else ([A, B, B], [0, 0, 1], [0.9, 0.8, 0.2])
    pixels = np.full((2, 1, 20, 40), 90, dtype=np.uint8)
    split = DetectionSplit(
        images=ArrayStore(pixels, image_size=(10, 20), channels=3, resize="stretch"),
        names=["folder/x.png", "y.png"],
        sizes=np.array([[20, 40]] * 2),
        boxes=[truth.boxes for truth in truths],
        labels=[truth.labels for truth in truths],
        difficult=easy,
        image_ids=[100007, 100009],
        category_ids=(13, 90, 91),
        resize="stretch",
    )
    found = [DetectedBoxes(*arrays(*first)), DetectedBoxes(*arrays([], [], []))]
    return DetectionEvaluation(found=found, truths=truths, num_classes=3, seconds=1.0), split


def written(folder: Path, *, right: bool = False) -> list[Path]:
    detections, split = case(right=right)
    names = ("$cat$", "dog", "never")  # what matplotlib would take for mathematics
    return write_detection_report(
        folder, detections=detections, split=split, class_names=names, predictions_format="csv"
    )


def test_tables_and_results(tmp_path: Path) -> None:
    paths = written(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "per_class.csv", "detections.json", "predictions.csv", "plots/precision_recall.png", "plots/worst.png"
    ]  # fmt: skip
    with paths[0].open(newline="") as file:
        rows = {row.pop("class"): row for row in csv.DictReader(file)}
    cat, dog = rows["$cat$"], rows["dog"]
    assert (cat["boxes"], cat["found"], cat["precision"], cat["recall"]) == ("1", "2", "0.5", "1.0")
    # B was found with a score of 0.2: enough for the average precision, not for an image.
    assert (round(float(dog["ap50"]), 6), dog["found"], dog["precision"], dog["recall"]) == (1, "0", "", "0.0")
    assert rows["never"] == {"boxes": "0", "ap": "", "ap50": "", "found": "0", "precision": "", "recall": ""}
    assert json.loads(paths[1].read_text())[0] == {
        "image_id": 100007, "category_id": 13, "bbox": [0, 0, 10, 10], "score": 0.9
    }  # fmt: skip
    assert json.loads(paths[1].read_text())[2]["bbox"] == [10, 4, 20, 16]
    assert paths[2].read_text().splitlines() == [
        "index,name,class,score,left,top,right,bottom,correct",
        "0,folder/x.png,$cat$,0.9,0.0,0.0,10.0,10.0,true",
        "0,folder/x.png,$cat$,0.8,10.0,4.0,30.0,20.0,false",
    ]


def test_the_worst_picture_shows_what_is_missed_and_what_is_wrong(tmp_path: Path) -> None:
    for right, colours in ((False, 3), (True, 0)):
        path = written(tmp_path, right=right)[4]
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        shown = [
            (abs(pixels - colour).sum(axis=2) < 30).sum() > 20
            for colour in ((255, 45, 45), (255, 176, 0), (61, 220, 90))
        ]
        assert sum(shown) == colours


def test_the_worst_come_first() -> None:
    faults = [DetectionErrors(np.array([True] * n), np.array([False, True])) for n in (0, 3, 1)]
    assert worst_images([*faults, DetectionErrors(np.zeros(2, dtype=bool), np.zeros(0, dtype=bool))]) == [1, 2, 0]
