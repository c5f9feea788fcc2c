"""Image files -> class names with probabilities."""

from collections.abc import Iterable, Iterator

from sensorium.specs import ImageClassificationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.classification.evaluate import Classifier
from sensorium.tasks.classification.predict import ClassPrediction, ClassPredictions, class_predictions
from sensorium.tasks.image_inputs import ImagesPredictor, RawImage, stacked
from sensorium.vision.decode import UnreadableImage


class ImagePredictor(ImagesPredictor):
    """An image classifier ready to predict."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        super().__init__(model, options)
        self.spec: ImageClassificationSpec = model.spec
        self.maker = ClassPredictions(model, options)
        self.classifier = Classifier(spec=self.spec, **model.model_arguments)

    def predict(self, inputs: Iterable[RawImage]) -> Iterator[ClassPrediction]:
        for read in self.read_batches(inputs):
            images = stacked(read)
            found = self.classifier.flagged(self.classifier.probabilities, images[0]) if images else None
            named = [(name, str(one) if isinstance(one, UnreadableImage) else None) for name, one in read]
            yield from class_predictions(named, found, self.maker)
