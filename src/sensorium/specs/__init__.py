"""What is known about the data: everything a model or a prediction needs to know about a dataset, without the dataset.

A spec names the constructor arguments it has for a model (`offers`), the settings that make other data like this
(`dataset_settings`), and an example of what the model is called with, so that a pairing of data and model is tried
before training.
"""

from collections.abc import Mapping
from typing import Any

from sensorium.specs.audio import AudioClassificationSpec, SpeechRecognitionSpec
from sensorium.specs.image import (
    ImageClassesSpec,
    ImageClassificationSpec,
    ImageInputSpec,
    ImageTaggingSpec,
    ObjectDetectionSpec,
    Resize,
    SemanticSegmentationSpec,
)
from sensorium.specs.regression import ImageRegressionSpec, RegressionSpec, TextRegressionSpec
from sensorium.specs.text import LanguageModelingSpec, TextClassificationSpec, TextInputSpec, TranslationSpec

__all__ = [
    "INPUTS",
    "OFFERED",
    "AudioClassificationSpec",
    "ImageClassesSpec",
    "ImageClassificationSpec",
    "ImageInputSpec",
    "ImageRegressionSpec",
    "ImageTaggingSpec",
    "LanguageModelingSpec",
    "ObjectDetectionSpec",
    "RegressionSpec",
    "Resize",
    "SemanticSegmentationSpec",
    "Spec",
    "SpeechRecognitionSpec",
    "TextClassificationSpec",
    "TextInputSpec",
    "TextRegressionSpec",
    "TranslationSpec",
    "spec_from_dict",
]

Spec = (
    ImageClassificationSpec
    | ImageTaggingSpec
    | ImageRegressionSpec
    | ObjectDetectionSpec
    | SemanticSegmentationSpec
    | TextClassificationSpec
    | TextRegressionSpec
    | LanguageModelingSpec
    | TranslationSpec
    | AudioClassificationSpec
    | SpeechRecognitionSpec
)

# Every word the spec of any task may have for a constructor, and every name of an input.
OFFERED = frozenset({"in_channels", "num_classes", "image_size", "vocab_size", "pad_id", "context"}) | frozenset(
    {"source_vocab_size", "target_vocab_size", "num_features", "target_std"}
)
INPUTS = frozenset({"images", "tokens", "lengths", "source", "target_in", "features"})
_SPECS: dict[tuple[str, str | None], type[Spec]] = {
    (spec.task, spec.modality): spec
    for spec in (
        ImageClassificationSpec,
        ImageTaggingSpec,
        ImageRegressionSpec,
        ObjectDetectionSpec,
        SemanticSegmentationSpec,
        TextClassificationSpec,
        TextRegressionSpec,
        LanguageModelingSpec,
        TranslationSpec,
        AudioClassificationSpec,
        SpeechRecognitionSpec,
    )
}


def spec_from_dict(values: Mapping[str, Any]) -> Spec:
    """The inverse of `to_dict`. An unknown task is a KeyError, an unknown key a TypeError."""
    arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return _SPECS[arguments.pop("task"), arguments.pop("modality", None)](**arguments)
