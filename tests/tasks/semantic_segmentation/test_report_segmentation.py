"""What an evaluation of a segmenter leaves: tables with its numbers, and images that can be opened."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from sensorium.batches import VOID
from sensorium.tasks.semantic_segmentation.evaluate import ImageResult, SegmentationEvaluation
from sensorium.tasks.semantic_segmentation.report import colored, indexed, overlay, write_segmentation_report

PALETTE = (0, 0, 0, 200, 100, 0)
MASK = np.array([[0, 1], [1, VOID]], dtype=np.uint8)
FOUND = SegmentationEvaluation(
    confusion=np.array([[3, 1], [0, 4]]),
    iou=np.array([0.5, np.nan]),
    pixel_accuracy=np.array([2 / 3, np.nan]),
    nats=np.array([4.0, 0.0]),
    areas=np.array([[[3, 4], [4, 4], [3, 5]], [[0, 0]] * 3]),
    worst=(ImageResult(0, 0.5, np.array([[0, 1], [0, 1]], dtype=np.uint8)),),
    seconds=1.0,
)


def written(folder: Path, predictions_format: str = "csv") -> None:
    def read(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert rows.tolist() == [0]
        return np.zeros((1, 1, 2, 2), dtype=np.uint8), MASK[None]

    paths = write_segmentation_report(
        folder,
        found=FOUND,
        class_names=("ground", "$x$"),
        palette=PALETTE,
        names=["a.png", "b.png"],
        read=read,
        predictions_format=predictions_format,  # type: ignore[arg-type]
    )
    assert sorted(paths) == sorted(path for path in folder.rglob("*") if path.is_file())


def test_tables(tmp_path: Path) -> None:
    written(tmp_path)
    rows = list(csv.DictReader((tmp_path / "per_class.csv").open()))
    assert rows[0] == {
        "class": "ground", "iou": "0.75", "dice": str(6 / 7), "accuracy": "0.75", "precision": "1.0", "pixels": "4"
    }  # fmt: skip
    assert (tmp_path / "confusion.csv").read_text().splitlines()[1:] == ["ground,3,1", "$x$,0,4"]
    assert (tmp_path / "predictions.csv").read_text().splitlines()[1:] == ["0,a.png,0.5,0.666667", "1,b.png,,"]
    for name in ("confusion", "worst"):
        with Image.open(tmp_path / "plots" / f"{name}.png") as image:
            assert min(image.size) > 100


def test_lines(tmp_path: Path) -> None:
    written(tmp_path, "jsonl")
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert lines[1] == {"index": 1, "name": "b.png", "miou": None, "pixel_accuracy": None}


def test_masks_as_pictures(tmp_path: Path) -> None:
    assert colored(MASK, PALETTE).tolist() == [[[0, 0, 0], [200, 100, 0]], [[200, 100, 0], [255, 255, 255]]]
    indexed(MASK, PALETTE).save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), MASK)
        assert np.array_equal(np.asarray(image.convert("RGB")), colored(MASK, PALETTE))


def test_an_overlay_leaves_void_as_it_is() -> None:
    picture = np.full((1, 2, 2), 100, dtype=np.uint8)
    assert overlay(picture, MASK, PALETTE).tolist() == [
        [[45, 45, 45], [155, 100, 45]],
        [[155, 100, 45], [100, 100, 100]],
    ]
