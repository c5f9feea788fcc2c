"""Raw images -> the tags of each, with probabilities."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sensorium.errors import RequestError
from sensorium.output import Record
from sensorium.specs import ImageTaggingSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, no_flag, not_finite
from sensorium.tasks.image_inputs import ImagesPredictor, RawImage, stacked
from sensorium.tasks.image_tagging.evaluate import THRESHOLD, Tagger
from sensorium.tasks.threshold_notes import ThresholdNotes
from sensorium.vision.decode import UnreadableImage

SEPARATOR = "|"  # between the tags in a cell


@dataclass(frozen=True)
class TagPrediction(Prediction):
    """probabilities: (K) of every tag in the order of class_names; empty with an error. threshold: from which an
    image has a tag.
    """

    probabilities: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()
    threshold: float = THRESHOLD

    @property
    def tags(self) -> tuple[tuple[str, float], ...]:
        """(name, probability) of each tag the image has, the most probable first."""
        named = zip(self.class_names, self.probabilities, strict=False)
        kept = [(name, value) for name, value in named if value >= self.threshold]
        return tuple(sorted(kept, key=lambda pair: -pair[1]))

    def to_dict(self) -> Record:
        tags = [{"tag": name, "probability": value} for name, value in self.tags]
        return {"input": self.input, "tags": tags} | ({"error": self.error} if self.error else self.flag())

    def rows(self) -> list[Record]:
        """One row: the tags in one cell, then the probability of every tag that there is."""
        values = self.probabilities or ("",) * len(self.class_names)
        columns = {f"probability_{name}": value for name, value in zip(self.class_names, values, strict=True)}
        tags = SEPARATOR.join(name for name, _ in self.tags)
        return [{"input": self.input, "tags": tags, **columns, **self.flag(), "error": self.error or ""}]

    def summary(self) -> Record:
        tags = "  ".join(f"{name} {value:.3f}" for name, value in self.tags)
        return {"input": self.input, **self.shown_flag(), "tags": tags}


class TagPredictor(ImagesPredictor):
    """An image tagger ready to predict. Raises RequestError for a threshold that is no probability."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        super().__init__(model, options)
        self.spec: ImageTaggingSpec = model.spec
        self.threshold = THRESHOLD if options.threshold is None else options.threshold
        if not 0 <= self.threshold <= 1:
            raise RequestError(f"threshold={self.threshold} is not possible: it is a probability, from 0 to 1.")
        self.no_flag = no_flag(model)
        self._below = ThresholdNotes(self.threshold, "tag")
        self.tagger = Tagger(spec=self.spec, **model.model_arguments)

    def notes(self) -> list[str]:
        return [*super().notes(), *self._below.lines()]

    def predict(self, inputs: Iterable[RawImage]) -> Iterator[TagPrediction]:
        names = self.spec.class_names
        for read in self.read_batches(inputs):
            images = stacked(read)
            probabilities_of, flags = self.tagger.flagged(self.tagger.probabilities, images[0]) if images else ((), ())
            rows = iter(zip(map(tuple, np.asarray(probabilities_of).tolist()), flags, strict=True))
            for name, one in read:
                error = str(one) if isinstance(one, UnreadableImage) else None
                probabilities, flag = ((), self.no_flag) if error else next(rows)
                if not all(map(math.isfinite, probabilities)):
                    error, probabilities = not_finite(name), ()
                if error is None:
                    self._below.add(probabilities)
                yield TagPrediction(name, probabilities, names, self.threshold, error=error, out_of_distribution=flag)
