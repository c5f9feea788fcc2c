"""Raw images or texts -> numbers by the names of the targets."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sensorium.output import Record
from sensorium.specs import ImageRegressionSpec, TextRegressionSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, Predictor, not_finite
from sensorium.tasks.image_inputs import ImagesPredictor, RawImage, stacked
from sensorium.tasks.regression.evaluate import Regressor
from sensorium.tasks.text_inputs import READ_AHEAD, TextEncoder, by_length, groups, padded
from sensorium.vision.decode import UnreadableImage

_WIDEST = 100  # characters of an input that a table shows


@dataclass(frozen=True)
class RegressionPrediction(Prediction):
    """values: (K) numbers in the targets' own units; empty with an error. target_names: K."""

    values: tuple[float, ...] = ()
    target_names: tuple[str, ...] = ()

    @property
    def by_name(self) -> dict[str, float]:
        """The numbers by the names of their targets."""
        return dict(zip(self.target_names, self.values, strict=True)) if self.values else {}

    def to_dict(self) -> Record:
        return {"input": self.input, "prediction": self.by_name} | ({"error": self.error} if self.error else {})

    def rows(self) -> list[Record]:
        return [{"input": self.input, **self._columns(), "error": self.error or ""}]

    def summary(self) -> Record:
        text = self.input if len(self.input) <= _WIDEST else f"{self.input[: _WIDEST - 3]}..."
        return {"input": text, **self._columns()}

    def _columns(self) -> Record:
        """One for each target, by a name that no other column has."""
        values = self.values or ("",) * len(self.target_names)
        return {f"prediction_{name}": value for name, value in zip(self.target_names, values, strict=True)}


def _prediction(
    name: str, values: tuple[float, ...], names: tuple[str, ...], error: str | None
) -> RegressionPrediction:
    """Of one input; an error where the values are no numbers."""
    if error is None and not all(map(math.isfinite, values)):
        error = not_finite(f"{name:.100}")
    return RegressionPrediction(name, () if error else values, names, error=error)


class ImageRegressionPredictor(ImagesPredictor):
    """A regressor of images ready to predict."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        super().__init__(model, options)
        self.spec: ImageRegressionSpec = model.spec
        self.regressor = Regressor(spec=self.spec, **model.model_arguments)

    def predict(self, inputs: Iterable[RawImage]) -> Iterator[RegressionPrediction]:
        names = self.spec.target_names
        for read in self.read_batches(inputs):
            images = stacked(read)
            rows = iter(self.regressor.predictions(images[0]).tolist() if images else ())
            for name, one in read:
                if isinstance(one, UnreadableImage):
                    yield RegressionPrediction(name, target_names=names, error=str(one))
                else:
                    yield _prediction(name, tuple(next(rows)), names, None)


class TextRegressionPredictor(Predictor):
    """A regressor of texts ready to predict. A text without any token is one unknown word."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.spec: TextRegressionSpec = model.spec
        self.batch_size = options.batch_size
        self.regressor = Regressor(spec=self.spec, **model.model_arguments)
        self.encoder = TextEncoder(self.spec.tokenizer, self.spec.max_length)

    def predict(self, inputs: Iterable[str | bytes]) -> Iterator[RegressionPrediction]:
        spec = self.spec
        for group in groups(inputs, self.batch_size * READ_AHEAD):
            tokens = self.encoder.encode([text for text, _ in group])
            values = np.empty((len(group), spec.num_classes))
            for rows in by_length(tokens, self.batch_size):
                batch, lengths = padded([tokens[row] for row in rows], spec.pad_id)
                values[rows] = self.regressor.predictions(batch, lengths)
            for (text, error), row in zip(group, values.tolist(), strict=True):
                yield _prediction(text, tuple(row), spec.target_names, error)

    def notes(self) -> list[str]:
        return self.encoder.notes()
