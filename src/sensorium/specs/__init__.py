"""What the data told us: everything a model or a prediction needs to know about a dataset, without the dataset.

A spec names the constructor arguments it has for a model (`offers`), the settings that make other data like this
(`dataset_settings`), and an example of what the model is called with, so that a pairing of data and model is tried
before training.
"""

from collections.abc import Mapping
from typing import Any

from sensorium.specs.pictures import DetectionSpec, ImageSpec, ImageTaggingSpec, PictureSpec, Resize, SegmentationSpec
from sensorium.specs.sounds import SoundSpec, SpeechSpec
from sensorium.specs.texts import LanguageSpec, TextSpec, TranslationSpec

__all__ = [
    "INPUTS",
    "OFFERED",
    "DetectionSpec",
    "ImageSpec",
    "ImageTaggingSpec",
    "LanguageSpec",
    "PictureSpec",
    "Resize",
    "SegmentationSpec",
    "SoundSpec",
    "Spec",
    "SpeechSpec",
    "TextSpec",
    "TranslationSpec",
    "spec_from_dict",
]

Spec = (
    ImageSpec
    | ImageTaggingSpec
    | DetectionSpec
    | SegmentationSpec
    | TextSpec
    | LanguageSpec
    | TranslationSpec
    | SoundSpec
    | SpeechSpec
)

# Every word the spec of any task may have for a constructor, and every name of an input.
OFFERED = frozenset({"in_channels", "num_classes", "image_size", "vocab_size", "pad_id", "context"}) | frozenset(
    {"source_vocab_size", "target_vocab_size", "num_features"}
)
INPUTS = frozenset({"images", "tokens", "lengths", "source", "target_in", "features"})
_SPECS: dict[str, type[Spec]] = {
    spec.task: spec
    for spec in (
        ImageSpec,
        ImageTaggingSpec,
        DetectionSpec,
        SegmentationSpec,
        TextSpec,
        LanguageSpec,
        TranslationSpec,
        SoundSpec,
        SpeechSpec,
    )
}


def spec_from_dict(values: Mapping[str, Any]) -> Spec:
    """The inverse of `to_dict`. An unknown task is a KeyError, an unknown key a TypeError."""
    arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return _SPECS[arguments.pop("task")](**arguments)
