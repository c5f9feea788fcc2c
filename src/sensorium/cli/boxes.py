"""sensorium predict for detectors: a line a picture, a row a box, COCO's JSON, and boxes drawn on the pictures."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sensorium.cli import inputs, output
from sensorium.cli.app import Config
from sensorium.cli.drawn import PictureFolder
from sensorium.metrics.detection import as_coco
from sensorium.predictor.detection import THRESHOLD, BoxPredictor, Scene
from sensorium.predictor.opened import Opened
from sensorium.vision.decode import decode_image
from sensorium.vision.draw import draw_boxes
from sensorium.vision.palette import distinct_palette


def scenes(config: Config, opened: Opened) -> int:
    """Writes answers as they come where the format allows it; returns how many pictures could not be read."""
    predictor = BoxPredictor(opened)
    names, kind = predictor.spec.class_names, config["format"]
    threshold = THRESHOLD if config["threshold"] is None else config["threshold"]
    paths = list(inputs.picture_files(config["input"]))
    answers = predictor.predict(paths, threshold=threshold, batch_size=config["batch_size"])
    overlays = None
    if config["overlay"] is not None:
        overlays = Overlays(PictureFolder("overlay", Path(str(config["overlay"])).expanduser(), paths), names)
    streamed = config["output"] is None and kind in ("csv", "json")
    kept: list[Scene] = []
    failures, header = 0, True
    for answer in answers:
        if answer.error is not None:
            failures += 1
            print(f"sensorium: {answer.error}", file=sys.stderr)
        elif overlays is not None:
            overlays.write(answer)
        if not streamed:
            kept.append(answer)
        elif kind == "csv" and (rows := _rows(answer, names)):
            sys.stdout.write(output.as_csv(rows, header=header))
            header = False
        elif kind == "json":
            sys.stdout.write(output.as_json(_line(answer, names)))
    if kind == "coco":
        with output.opened(config["output"]) as file:
            json.dump(as_coco_dataset(kept, names), file, ensure_ascii=False)
            file.write("\n")
    elif not streamed and (kept or config["output"]):
        output.write_records(list(_records(kept, names, config)), format=kind, output=config["output"])
    return failures


def _records(answers: Sequence[Scene], names: Sequence[str], config: Config) -> Iterator[output.Record]:
    """What a table on the screen shows is short; a file gets all."""
    file = str(config["output"] or "")
    if config["format"] == "csv" or (config["format"] == "table" and file.endswith(".csv")):
        for answer in answers:
            yield from _rows(answer, names)
    elif config["format"] == "json" or file:
        yield from (_line(answer, names) for answer in answers)
    else:
        yield from ({"input": one.input, "found": counted(one, names)} for one in answers if one.found is not None)


def counted(answer: Scene, names: Sequence[str]) -> str:
    """ "3 RBC, 1 WBC", the most first; "nothing"."""
    assert answer.found is not None
    counts = Counter(answer.found.labels.tolist())
    return ", ".join(f"{count} {names[label]}" for label, count in counts.most_common()) or "nothing"


def _rows(answer: Scene, names: Sequence[str]) -> list[output.Record]:
    """One for each box; one with the error for a picture that cannot be read."""
    sides = ("left", "top", "right", "bottom")
    if answer.found is None:
        return [{"input": answer.input, **dict.fromkeys(("class", "score", *sides), ""), "error": answer.error}]
    return [
        {"input": answer.input, "class": name, "score": score, **dict(zip(sides, box, strict=True)), "error": ""}
        for name, score, box in _found(answer, names)
    ]


def _line(answer: Scene, names: Sequence[str]) -> output.Record:
    if answer.found is None:
        return {"input": answer.input, "boxes": [], "error": answer.error}
    height, width = answer.size
    boxes = [{"class": name, "score": score, "box": box} for name, score, box in _found(answer, names)]
    return {"input": answer.input, "width": width, "height": height, "boxes": boxes}


def _found(answer: Scene, names: Sequence[str]) -> Iterator[tuple[str, float, list[float]]]:
    """Class, score and left, top, right and bottom of each box, the best first."""
    assert answer.found is not None
    for box, label, score in zip(*answer.found, strict=True):
        yield names[label], float(f"{score:.6g}"), [round(float(side), 2) for side in box]


def as_coco_dataset(answers: Sequence[Scene], names: Sequence[str]) -> dict[str, Any]:
    """Pictures, categories and annotations with a score, numbered from 1, as COCO writes them down. Pictures that
    cannot be read are not among them.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, answer in enumerate((answer for answer in answers if answer.found is not None), start=1):
        height, width = answer.size
        images.append({"id": number, "file_name": answer.input, "width": width, "height": height})
        assert answer.found is not None
        for box, label, score in zip(*answer.found, strict=True):
            bbox = [round(side, 2) for side in as_coco(box)]
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": int(label) + 1, "bbox": bbox}
            area = round(bbox[2] * bbox[3], 2)
            annotations.append(annotation | {"area": area, "iscrowd": 0, "score": float(f"{score:.6g}")})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    return {"images": images, "categories": categories, "annotations": annotations}


class Overlays:
    """Pictures with boxes drawn on them, a PNG for each, in a folder."""

    def __init__(self, folder: PictureFolder, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names
        palette = distinct_palette(len(names))
        self._colours = [palette[3 * number : 3 * number + 3] for number in range(len(names))]

    def write(self, answer: Scene) -> Path:
        """The file it was written to."""
        assert answer.found is not None
        picture = decode_image(Path(answer.input), image_size=answer.size, in_channels=3, resize="stretch")
        texts = [f"{self._names[label]} {score:.2f}" for label, score in zip(*answer.found[1:], strict=True)]
        image = draw_boxes(picture, answer.found.boxes, texts, [self._colours[n] for n in answer.found.labels])
        return self._folder.write(answer.input, image)
