"""Raw images -> bounding boxes of the objects in them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sensorium.metrics.detection import DetectedBoxes
from sensorium.output import Record
from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions
from sensorium.tasks.image_inputs import ImagesPredictor, RawImage, stacked
from sensorium.tasks.object_detection.evaluate import DetectionInference
from sensorium.tasks.threshold_notes import ThresholdNotes
from sensorium.vision.decode import UnreadableImage

THRESHOLD = 0.3  # score from which a bounding box is given by default
SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class DetectionPrediction(Prediction):
    """size: (height, width) of the image as it is displayed, in whose pixels boxes are. boxes: highest score first;
    None with an error.
    """

    size: tuple[int, int] = (0, 0)
    boxes: DetectedBoxes | None = None
    class_names: Sequence[str] = ()

    def named(self) -> Iterator[tuple[str, float, list[float]]]:
        """Class, score, and left, top, right and bottom in pixels of each box."""
        assert self.boxes is not None
        for box, label, score in zip(*self.boxes, strict=True):
            yield self.class_names[label], float(f"{score:.6g}"), [round(float(side), 2) for side in box]

    def to_dict(self) -> Record:
        if self.boxes is None:
            return {"input": self.input, "boxes": [], "error": self.error}
        height, width = self.size
        boxes = [{"class": name, "score": score, "box": box} for name, score, box in self.named()]
        return {"input": self.input, "width": width, "height": height, "boxes": boxes}

    def rows(self) -> list[Record]:
        if self.boxes is None:
            return [{"input": self.input, **dict.fromkeys(("class", "score", *SIDES), ""), "error": self.error}]
        return [
            {"input": self.input, "class": name, "score": score, **dict(zip(SIDES, box, strict=True)), "error": ""}
            for name, score, box in self.named()
        ]

    def summary(self) -> Record:
        return {"input": self.input, "found": self.counted()}

    def counted(self) -> str:
        """ "3 RBC, 1 WBC", the most first; "nothing"."""
        assert self.boxes is not None
        counts = Counter(self.boxes.labels.tolist())
        return ", ".join(f"{count} {self.class_names[label]}" for label, count in counts.most_common()) or "nothing"


class DetectionPredictor(ImagesPredictor):
    """A detector ready to predict."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        super().__init__(model, options)
        self.spec: ObjectDetectionSpec = model.spec
        self.threshold = THRESHOLD if options.threshold is None else options.threshold
        self._below = ThresholdNotes(self.threshold, "box")
        self.detector = DetectionInference(spec=self.spec, **model.model_arguments)

    def notes(self) -> list[str]:
        return [*super().notes(), *self._below.lines()]

    def predict(self, inputs: Iterable[RawImage]) -> Iterator[DetectionPrediction]:
        class_names = self.spec.class_names
        for read in self.read_batches(inputs):
            images = stacked(read)
            detected = iter(self.detector.detect(*images) if images else ())
            for name, one in read:
                if isinstance(one, UnreadableImage):
                    yield DetectionPrediction(name, class_names=class_names, error=str(one))
                    continue
                found = next(detected)
                self._below.add(found.scores)
                kept = found.scores >= self.threshold
                boxes = DetectedBoxes(found.boxes[kept], found.labels[kept], found.scores[kept])
                yield DetectionPrediction(name, one.size, boxes, class_names)
