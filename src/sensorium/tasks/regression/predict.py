"""Raw images or texts -> numbers by the names of the targets."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.output import Record
from sensorium.specs import ImageRegressionSpec, TextRegressionSpec
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, Predictor, no_flag, not_finite
from sensorium.tasks.calibration import needed
from sensorium.tasks.image_inputs import ImagesPredictor, RawImage, stacked
from sensorium.tasks.regression.evaluate import Regressor
from sensorium.tasks.text_inputs import READ_AHEAD, TextEncoder, by_length, groups, padded
from sensorium.vision.decode import UnreadableImage

_WIDEST = 100  # characters of an input that a table shows


@dataclass(frozen=True)
class RegressionPrediction(Prediction):
    """values: (K) numbers in the targets' own units; empty with an error. target_names: K. margins: (K) how far the
    interval of coverage= reaches to each side of a value; () where it was not asked for.
    """

    values: tuple[float, ...] = ()
    target_names: tuple[str, ...] = ()
    margins: tuple[float, ...] = ()

    @property
    def by_name(self) -> dict[str, float]:
        """The numbers by the names of their targets."""
        return dict(zip(self.target_names, self.values, strict=True)) if self.values else {}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Low and high end by the names of the targets, each of which holds the true value with the stated coverage."""
        ends = [(value - m, value + m) for value, m in zip(self.values, self.margins, strict=False)]
        return dict(zip(self.target_names, ends, strict=False))

    def to_dict(self) -> Record:
        record: Record = {"input": self.input, "prediction": self.by_name}
        if self.error:
            return record | {"error": self.error}
        intervals = {"interval": {name: list(ends) for name, ends in self.intervals.items()}} if self.margins else {}
        return record | intervals | self.flag()

    def tensors(self) -> dict[str, Any]:
        return {"values": list(self.values)}

    def rows(self) -> list[Record]:
        return [{"input": self.input, **self._columns(), **self.flag(), "error": self.error or ""}]

    def summary(self) -> Record:
        text = self.input if len(self.input) <= _WIDEST else f"{self.input[: _WIDEST - 3]}..."
        return {"input": text, **self._columns(), **self.shown_flag()}

    def _columns(self) -> Record:
        """One for each target, by a name that no other column has."""
        values = self.values or ("",) * len(self.target_names)
        columns: Record = {}
        for name, value in zip(self.target_names, values, strict=True):
            columns[f"prediction_{name}"] = value
            if self.margins:
                columns[f"low_{name}"], columns[f"high_{name}"] = self.intervals.get(name, ("", ""))
        return columns


class _Maker:
    """Makes predictions of numbers, with intervals where coverage= asks for them.

    Raises RequestError for a checkpoint without calibration, or with too few examples.
    """

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.names: tuple[str, ...] = model.spec.target_names
        self.no_flag = no_flag(model)
        self.margins: tuple[float, ...] = ()
        if options.coverage is not None:
            self.margins = tuple(needed(model.calibration, "coverage").set_threshold(options.coverage).tolist())

    def prediction(
        self, name: str, values: tuple[float, ...], flag: bool | None, error: str | None
    ) -> RegressionPrediction:
        """Of one input; an error where the values are no numbers."""
        if error is None and not all(map(math.isfinite, values)):
            error = not_finite(f"{name:.100}")
        return RegressionPrediction(
            name, () if error else values, self.names, self.margins, error=error, out_of_distribution=flag
        )


class ImageRegressionPredictor(ImagesPredictor):
    """A regressor of images ready to predict."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        super().__init__(model, options)
        self.spec: ImageRegressionSpec = model.spec
        self.maker = _Maker(model, options)
        self.regressor = Regressor(spec=self.spec, **model.model_arguments)

    def predict(self, inputs: Iterable[RawImage]) -> Iterator[RegressionPrediction]:
        for read in self.read_batches(inputs):
            images = stacked(read)
            values, flags = self.regressor.flagged(self.regressor.predictions, images[0]) if images else ((), ())
            rows = iter(zip(map(tuple, values), flags, strict=True))
            for name, one in read:
                if isinstance(one, UnreadableImage):
                    yield self.maker.prediction(name, (), self.maker.no_flag, str(one))
                else:
                    yield self.maker.prediction(name, *next(rows), None)


class TextRegressionPredictor(Predictor):
    """A regressor of texts ready to predict. A text without any token is one unknown word."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.spec: TextRegressionSpec = model.spec
        self.batch_size = options.batch_size
        self.maker = _Maker(model, options)
        self.regressor = Regressor(spec=self.spec, **model.model_arguments)
        self.encoder = TextEncoder(self.spec.tokenizer, self.spec.max_length)

    def predict(self, inputs: Iterable[str | bytes]) -> Iterator[RegressionPrediction]:
        spec = self.spec
        for group in groups(inputs, self.batch_size * READ_AHEAD):
            tokens = self.encoder.encode([text for text, _ in group])
            values = np.empty((len(group), spec.num_classes))
            flags: dict[int, bool | None] = {}
            for rows in by_length(tokens, self.batch_size):
                batch, lengths = padded([tokens[row] for row in rows], spec.pad_id)
                values[rows], found = self.regressor.flagged(self.regressor.predictions, batch, lengths)
                flags |= zip(rows, found, strict=True)
            for number, (text, error) in enumerate(group):
                yield self.maker.prediction(text, tuple(values[number].tolist()), flags[number], error)

    def notes(self) -> list[str]:
        return self.encoder.notes()
