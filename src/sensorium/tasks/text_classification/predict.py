"""Raw texts -> class names with probabilities."""

from collections.abc import Iterable, Iterator

from sensorium.specs import TextClassificationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions, Predictor
from sensorium.tasks.classification.evaluate import Classifier
from sensorium.tasks.classification.predict import ClassPrediction, ClassPredictions, Row
from sensorium.tasks.text_inputs import READ_AHEAD, TextEncoder, by_length, groups, padded


class TextPredictor(Predictor):
    """A text classifier ready to predict. A text without any token is one unknown word."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.spec: TextClassificationSpec = model.spec
        self.maker = ClassPredictions(model, options)
        self.batch_size = options.batch_size
        self.classifier = Classifier(spec=self.spec, **model.model_arguments)
        self.encoder = TextEncoder(self.spec.tokenizer, self.spec.max_length)

    def predict(self, inputs: Iterable[str | bytes]) -> Iterator[ClassPrediction]:
        spec = self.spec
        for group in groups(inputs, self.batch_size * READ_AHEAD):
            found: dict[int, Row] = {}
            tokens = self.encoder.encode([text for text, _ in group])
            for rows in by_length(tokens, self.batch_size):
                batch, lengths = padded([tokens[row] for row in rows], spec.pad_id)
                result = self.classifier.flagged(self.classifier.probabilities, batch, lengths)
                found |= zip(rows, self.maker.rows(*result), strict=True)
            for row, (text, error) in enumerate(group):
                yield self.maker.prediction(text, found[row], error)

    def notes(self) -> list[str]:
        return self.encoder.notes()
