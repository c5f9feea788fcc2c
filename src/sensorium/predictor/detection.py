"""Raw pictures -> boxes around what is in them. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sensorium.evaluator.detection import Detector
from sensorium.metrics.detection import Found
from sensorium.predictor.opened import Opened
from sensorium.predictor.pictures import read_batches, stacked
from sensorium.specs import DetectionSpec
from sensorium.vision.decode import UnreadableImage

THRESHOLD = 0.3  # score from which a box is shown unless told otherwise


@dataclass(frozen=True)
class Scene:
    """One picture's answer. size: (height, width) of the picture as it is shown, in whose pixels boxes are. found: the
    best first; None when error says why.
    """

    input: str
    size: tuple[int, int]
    found: Found | None
    error: str | None = None


class BoxPredictor:
    """A detector, ready to answer."""

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, DetectionSpec)
        self.spec = opened.spec
        self.detector = Detector(spec=opened.spec, **opened.model_arguments)

    def predict(self, paths: Iterable[Path], *, threshold: float = THRESHOLD, batch_size: int = 64) -> Iterator[Scene]:
        """Answers in the order of the paths, a batch at a time: memory stays flat however many there are.

        threshold: score from which a box counts.
        """
        for read in read_batches(paths, self.spec, batch_size=batch_size):
            pictures = stacked(read)
            answers = iter(self.detector.detect(*pictures) if pictures else ())
            for path, one in read:
                if isinstance(one, UnreadableImage):
                    yield Scene(str(path), (0, 0), None, str(one))
                    continue
                found = next(answers)
                shown = found.scores >= threshold
                yield Scene(str(path), one.size, Found(found.boxes[shown], found.labels[shown], found.scores[shown]))
