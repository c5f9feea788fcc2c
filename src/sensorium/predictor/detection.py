"""Raw pictures -> boxes around what is in them. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sensorium.evaluator.detection import Detector
from sensorium.metrics.detection import Found
from sensorium.predictor.opened import Opened
from sensorium.specs import DetectionSpec
from sensorium.vision.decode import UnreadableImage, decode_image, probe_size

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
        self.detector = Detector(
            model=opened.model,
            spec=opened.spec,
            device=opened.device,
            precision=opened.precision,
            memory_format=opened.memory_format,
        )

    def predict(self, paths: Iterable[Path], *, threshold: float = THRESHOLD, batch_size: int = 64) -> Iterator[Scene]:
        """Answers in the order of the paths, a batch at a time: memory stays flat however many there are.

        threshold: score from which a box counts.
        """
        waiting: list[Path] = []
        for path in paths:
            waiting.append(path)
            if len(waiting) == batch_size:
                yield from self._answer(waiting, threshold)
                waiting = []
        if waiting:
            yield from self._answer(waiting, threshold)

    def _answer(self, paths: list[Path], threshold: float) -> Iterator[Scene]:
        read = [self._read(path) for path in paths]
        good = [one for one in read if not isinstance(one, UnreadableImage)]
        answers: Iterator[Found] = iter(())
        if good:
            pictures = torch.from_numpy(np.stack([picture for picture, _ in good]))
            answers = iter(self.detector.detect(pictures, [size for _, size in good]))
        for path, one in zip(paths, read, strict=True):
            if isinstance(one, UnreadableImage):
                yield Scene(str(path), (0, 0), None, str(one))
                continue
            found = next(answers)
            shown = found.scores >= threshold
            yield Scene(str(path), one[1], Found(found.boxes[shown], found.labels[shown], found.scores[shown]))

    def _read(self, path: Path) -> tuple[np.ndarray, tuple[int, int]] | UnreadableImage:
        """(C, H, W) uint8, prepared as the training pictures were, and the size it had; or why there is none."""
        spec = self.spec
        try:
            size = probe_size(path)
            return (
                decode_image(path, image_size=spec.image_size, in_channels=spec.in_channels, resize=spec.resize),
                size,
            )
        except UnreadableImage as error:
            return error
