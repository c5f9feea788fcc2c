"""Recordings -> class names with probabilities."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from sensorium.audio.read import UnreadableAudio
from sensorium.data.audio.store import padded
from sensorium.specs import AudioClassificationSpec
from sensorium.tasks.audio_inputs import AudioReader, RawAudio, sources
from sensorium.tasks.base import LoadedModel, PredictOptions, Predictor
from sensorium.tasks.classification.evaluate import Classifier
from sensorium.tasks.classification.predict import ClassPrediction, ClassPredictions, class_predictions


class AudioPredictor(Predictor):
    """An audio classifier ready to predict."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.spec: AudioClassificationSpec = model.spec
        self.maker, self.batch_size = ClassPredictions(model, options), options.batch_size
        self.reader = AudioReader(sample_rate=self.spec.features["sample_rate"])
        self.classifier = Classifier(spec=self.spec, **model.model_arguments)

    def predict(self, inputs: Iterable[RawAudio]) -> Iterator[ClassPrediction]:
        for read in self.reader.batches(sources(inputs), batch_size=self.batch_size):
            waveforms = [one for _, one in read if isinstance(one, np.ndarray)]
            found = None
            if waveforms:
                samples, lengths = map(torch.from_numpy, padded(waveforms))
                found = self.classifier.flagged(self.classifier.probabilities, samples, lengths)
            named = [(name, f"{name}: {one}" if isinstance(one, UnreadableAudio) else None) for name, one in read]
            yield from class_predictions(named, found, self.maker)

    def notes(self) -> list[str]:
        return self.reader.notes()
