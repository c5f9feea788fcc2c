"""Raw pictures, read a batch at a time, and their classes. No dataset, no Lightning."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluator.classification import Classifier
from sensorium.predictor.classes import Prediction, check_top_k, top_classes
from sensorium.predictor.opened import Opened
from sensorium.specs import ImageSpec, PictureSpec
from sensorium.vision.decode import UnreadableImage, decode_image, probe_size, read_bytes


class Read(NamedTuple):
    """A picture, prepared as those of training were. pixels: (C, H, W) uint8. size: (height, width) it had before."""

    pixels: np.ndarray
    size: tuple[int, int]


def read_batches(
    paths: Iterable[Path], spec: PictureSpec, *, batch_size: int
) -> Iterator[list[tuple[Path, Read | UnreadableImage]]]:
    """So many paths at a time, each with its picture, or with why it has none: memory stays flat."""
    remaining = iter(paths)
    while batch := list(islice(remaining, batch_size)):
        yield [(path, _read(path, spec)) for path in batch]


def stacked(read: list[tuple[Path, Read | UnreadableImage]]) -> tuple[Tensor, list[tuple[int, int]]] | None:
    """The pictures (B, C, H, W) among them, and their sizes; None where there are none."""
    good = [one for _, one in read if isinstance(one, Read)]
    return (torch.from_numpy(np.stack([one.pixels for one in good])), [one.size for one in good]) if good else None


def _read(path: Path, spec: PictureSpec) -> Read | UnreadableImage:
    try:
        file = BytesIO(read_bytes(path))  # once, for its head and for the rest
        file.name = str(path)
        size = probe_size(file)
        pixels = decode_image(file, image_size=spec.image_size, in_channels=spec.in_channels, resize=spec.resize)
    except UnreadableImage as error:
        return error
    return Read(pixels, size)


class PicturePredictor:
    """A picture classifier, ready to answer."""

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, ImageSpec)
        self.spec = opened.spec
        self.classifier = Classifier(spec=opened.spec, **opened.model_arguments)

    def predict(self, paths: Iterable[Path], *, top_k: int = 5, batch_size: int = 64) -> Iterator[Prediction]:
        """Answers in the order of the paths, a batch at a time."""
        check_top_k(top_k)
        for read in read_batches(paths, self.spec, batch_size=batch_size):
            answers = iter(self._classes(read, top_k))
            for path, one in read:
                if isinstance(one, UnreadableImage):
                    yield Prediction(str(path), (), str(one))
                else:
                    yield Prediction(str(path), next(answers))

    def _classes(
        self, read: list[tuple[Path, Read | UnreadableImage]], top_k: int
    ) -> list[tuple[tuple[str, float], ...]]:
        pictures = stacked(read)
        if pictures is None:
            return []
        return top_classes(self.classifier.probabilities(pictures[0]), self.spec.class_names, top_k)
