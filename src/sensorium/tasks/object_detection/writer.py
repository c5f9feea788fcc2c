"""Detections as COCO's JSON, and drawn over their images."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensorium import output
from sensorium.metrics.detection import as_coco
from sensorium.tasks.artifacts import Artifacts
from sensorium.tasks.image_writer import ImageWriter
from sensorium.tasks.object_detection.predict import DetectionPrediction
from sensorium.tasks.writers import Writer
from sensorium.vision.decode import displayed_image
from sensorium.vision.depth import PixelRange
from sensorium.vision.draw import draw_boxes
from sensorium.vision.palette import distinct_palette


class CocoWriter(Writer):
    """One JSON object of all predictions, at the end."""

    def __init__(self, class_names: Sequence[str], *, output_file: str | None) -> None:
        self._names, self._path = class_names, output_file
        self._predictions: list[DetectionPrediction] = []

    def write(self, prediction: DetectionPrediction) -> None:
        self._predictions.append(prediction)

    def close(self) -> None:
        with output.opened(self._path) as file:
            json.dump(as_coco_dataset(self._predictions, self._names), file, ensure_ascii=False)
            file.write("\n")


def as_coco_dataset(predictions: Sequence[DetectionPrediction], names: Sequence[str]) -> dict[str, Any]:
    """Images, categories and annotations with a score, numbered from 1, in COCO's format. Unreadable images
    are not among them.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, prediction in enumerate(
        (prediction for prediction in predictions if prediction.boxes is not None), start=1
    ):
        height, width = prediction.size
        images.append({"id": number, "file_name": prediction.input, "width": width, "height": height})
        assert prediction.boxes is not None
        for box, label, score in zip(*prediction.boxes, strict=True):
            bbox = [round(side, 2) for side in as_coco(box)]
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": int(label) + 1, "bbox": bbox}
            area = round(bbox[2] * bbox[3], 2)
            annotations.append(annotation | {"area": area, "iscrowd": 0, "score": float(f"{score:.6g}")})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    return {"images": images, "categories": categories, "annotations": annotations}


class Overlays(Artifacts):
    """Images with their bounding boxes drawn on them, a PNG for each, in a folder. pixel_range: as predicted with."""

    def __init__(self, folder: ImageWriter, names: Sequence[str], *, pixel_range: PixelRange | None) -> None:
        self._folder, self._names, self._range = folder, names, pixel_range
        palette = distinct_palette(len(names))
        self._colors = [palette[3 * number : 3 * number + 3] for number in range(len(names))]

    def targets(self) -> list[Path]:
        return self._folder.targets()

    def write(self, prediction: DetectionPrediction) -> DetectionPrediction:
        if prediction.boxes is not None:
            path = Path(prediction.input)
            image = displayed_image(path, image_size=prediction.size, pixel_range=self._range)
            _, labels, scores = prediction.boxes
            texts = [f"{self._names[label]} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
            drawn = draw_boxes(image, prediction.boxes.boxes, texts, [self._colors[n] for n in labels])
            self._folder.write(prediction.input, drawn)
        return prediction
