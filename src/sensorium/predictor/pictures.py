"""Raw pictures -> class names with probabilities. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from sensorium.predictor.classes import Prediction, check_top_k, top_classes
from sensorium.predictor.opened import Opened
from sensorium.specs import ImageSpec
from sensorium.vision.decode import UnreadableImage, decode_image


class PicturePredictor:
    """A picture classifier, ready to answer."""

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, ImageSpec)
        self.spec = opened.spec
        self.classifier = opened.classifier(opened.spec)

    def predict(self, paths: Iterable[Path], *, top_k: int = 5, batch_size: int = 64) -> Iterator[Prediction]:
        """Answers in the order of the paths, a batch at a time: memory stays flat however many there are."""
        check_top_k(top_k)
        waiting: list[Path] = []
        for path in paths:
            waiting.append(path)
            if len(waiting) == batch_size:
                yield from self._answer(waiting, top_k)
                waiting = []
        if waiting:
            yield from self._answer(waiting, top_k)

    def _answer(self, paths: list[Path], top_k: int) -> Iterator[Prediction]:
        pictures: list[np.ndarray] = []
        errors: dict[int, str] = {}
        for number, path in enumerate(paths):
            try:
                pictures.append(self._decode(path))
            except UnreadableImage as error:
                errors[number] = str(error)
        if pictures:
            probabilities = self.classifier.probabilities(torch.from_numpy(np.stack(pictures)))
            answers = iter(top_classes(probabilities, self.spec.class_names, top_k))
        for number, path in enumerate(paths):
            if number in errors:
                yield Prediction(str(path), (), errors[number])
            else:
                yield Prediction(str(path), next(answers))

    def _decode(self, path: Path) -> np.ndarray:
        """(C, H, W) uint8, prepared as the training pictures were."""
        spec = self.spec
        return decode_image(path, image_size=spec.image_size, in_channels=spec.in_channels, resize=spec.resize)
