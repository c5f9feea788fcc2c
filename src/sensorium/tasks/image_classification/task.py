"""Image classification: one class for each image."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data
from sensorium.inspection.contents import Contents
from sensorium.report_sections import ReportExample
from sensorium.specs import ImageClassificationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.classification.certainty import CERTAINTY
from sensorium.tasks.classification.task import ClassificationTask
from sensorium.tasks.contents import image_contents
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.graphs import Graph, fitted_images, image_inputs
from sensorium.tasks.image_classification.explain import ImageClassificationExplainer
from sensorium.tasks.image_classification.predict import ImagePredictor
from sensorium.tasks.image_explanations import METHODS, image_examples
from sensorium.tasks.raw_inputs import image_files
from sensorium.tasks.report_looks import image_looks, names_of, seen_images
from sensorium.tasks.reported import Seen
from sensorium.vision.normalise import Normalise

# What learning.strong=auto adds to the run's own augmentation.
STRONG_VIEW: dict[str, Any] = {
    "_target_": "sensorium.vision.augment.Augment",
    "transforms": {
        "rand": {"_target_": "sensorium.vision.automatic.RandAugment", "operations": 2, "magnitude": 10},
        "cutout": {"_target_": "sensorium.vision.boxes.Cutout", "size": 0.5, "fill": 0.5},
    },
    "mix": None,
}


class ImageClassification(ClassificationTask[ImageClassificationSpec]):
    """Images (B, C, H, W) -> logits (B, K)."""

    name = "image_classification"
    options = ("top_k", "pixel_range", *CERTAINTY)
    explain_methods, explain_options = METHODS, ("target", "top_k")
    augmentation, fitting_augmentations = "images", "crop or none"
    strong_view = STRONG_VIEW
    self_supervised = True
    traceable = True
    uses_memory_format = True

    def preprocessing(
        self, spec: ImageClassificationSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return Normalise(mean=spec.mean, std=spec.std, memory_format=memory_format)

    def eval_precision(self, precision: str) -> str:
        return precision

    def worst_examples(self, split: Any) -> dict[str, Any]:
        return {"read_images": split.displayed}

    def looks(self, split: Any, rows: np.ndarray, spec: ImageClassificationSpec) -> list[dict[str, Any]]:
        return image_looks(split, rows)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: ImageClassificationSpec) -> list[ReportExample]:
        return seen_images(seen, self.labels_of(batch, spec, seen.targets), names_of(batch, split), spec)

    def contents(self, data: Data) -> Contents:
        return image_contents(data, **self.labeled(data))

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Path]:
        return image_files(given["input"])

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return self.classes_graph(
            model, prepare=fitted_images(model.spec, self.preprocessing(model.spec)), **image_inputs(model.spec)
        )

    def predictor(self, model: LoadedModel, options: PredictOptions) -> ImagePredictor:
        return ImagePredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> ImageClassificationExplainer:
        return ImageClassificationExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: ImageClassificationSpec) -> list[Example]:
        right = [(spec.class_names[split.labels[row]],) for row in rows]
        return image_examples(split, rows, right)
