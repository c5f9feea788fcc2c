"""A checkpoint and raw pictures -> class names with probabilities. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sensorium import checkpoint
from sensorium.build import device_of, model_of
from sensorium.errors import RequestError
from sensorium.evaluator import Classifier
from sensorium.vision.decode import UnreadableImage, decode_image


@dataclass(frozen=True)
class Prediction:
    """One picture's answer. classes: (name, probability) pairs, the most probable first; empty when error says why."""

    input: str
    classes: tuple[tuple[str, float], ...]
    error: str | None = None


class Predictor:
    """Everything a checkpoint knows, ready to answer.

    path: of the checkpoint. accelerator: cpu, gpu, mps or auto. trust: build targets that are not Sensorium's own.
    """

    def __init__(self, *, path: Path, accelerator: str = "auto", trust: bool = False) -> None:
        loaded = checkpoint.read(path)
        self.spec = loaded.spec
        self.classifier = Classifier(
            model=model_of(loaded, trust=trust),
            spec=loaded.spec,
            device=device_of(accelerator),
            precision=loaded.config["trainer"]["precision"],
            memory_format=loaded.config["memory_format"],
        )

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
            probabilities = self.classifier.probabilities(torch.from_numpy(np.stack(pictures))).cpu()
            best = probabilities.topk(min(top_k, self.spec.num_classes))
            answers = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        for number, path in enumerate(paths):
            if number in errors:
                yield Prediction(str(path), (), errors[number])
            else:
                values, classes = next(answers)
                names = (self.spec.class_names[index] for index in classes)
                yield Prediction(str(path), tuple(zip(names, values, strict=True)))

    def _decode(self, path: Path) -> np.ndarray:
        """(C, H, W) uint8, prepared as the training pictures were."""
        spec = self.spec
        return decode_image(path, image_size=spec.image_size, in_channels=spec.in_channels, resize=spec.resize)


def check_top_k(top_k: object) -> int:
    """The number of classes to name, if it can be one; else a RequestError."""
    if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1:
        raise RequestError(f"top_k={top_k} is not possible: it is a number of classes, 1 or more.")
    return top_k
