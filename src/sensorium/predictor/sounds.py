"""Recordings -> class names with probabilities."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from sensorium.audio.read import UnreadableSound, read
from sensorium.data.audio.store import padded
from sensorium.evaluator.classification import Classifier
from sensorium.predictor.classes import Prediction, check_top_k, top_classes
from sensorium.predictor.opened import Opened
from sensorium.specs import SoundSpec


class SoundPredictor:
    """A classifier of recordings, ready to answer."""

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, SoundSpec)
        self.spec = opened.spec
        self.classifier = Classifier(spec=opened.spec, **opened.model_arguments)

    def predict(self, paths: Iterable[Path], *, top_k: int = 5, batch_size: int = 64) -> Iterator[Prediction]:
        """Answers in the order of the paths, a batch at a time."""
        check_top_k(top_k)
        for found in read_batches(paths, sample_rate=self.spec.features["sample_rate"], batch_size=batch_size):
            sounds = [sound for _, sound in found if isinstance(sound, np.ndarray)]
            rows = iter(self._classes(sounds, top_k) if sounds else ())
            for path, sound in found:
                if isinstance(sound, UnreadableSound):
                    yield Prediction(str(path), (), f"{path}: {sound}")
                else:
                    yield Prediction(str(path), next(rows))

    def _classes(self, sounds: list[np.ndarray], top_k: int) -> list[tuple[tuple[str, float], ...]]:
        signal, lengths = padded(sounds)
        probabilities = self.classifier.probabilities(torch.from_numpy(signal), torch.from_numpy(lengths))
        return top_classes(probabilities, self.spec.class_names, top_k)


def read_batches(
    paths: Iterable[Path], *, sample_rate: int, batch_size: int
) -> Iterator[list[tuple[Path, np.ndarray | UnreadableSound]]]:
    """So many paths at a time, each with its samples (N,) float32, or with why it has none."""
    waiting: list[tuple[Path, np.ndarray | UnreadableSound]] = []
    for path in paths:
        waiting.append((path, samples_of(path, sample_rate=sample_rate)))
        if len(waiting) == batch_size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def samples_of(path: Path, *, sample_rate: int) -> np.ndarray | UnreadableSound:
    """(N,) float32, or why there are none."""
    try:
        samples = read(path, sample_rate=sample_rate)
    except UnreadableSound as error:
        return error
    return samples if len(samples) else UnreadableSound("no samples")
