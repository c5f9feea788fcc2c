"""A spec of each task, of a size that is asked about: what `sensorium list model=NAME` measures models on."""

from typing import Any

from sensorium.specs import (
    AudioClassificationSpec,
    ImageClassificationSpec,
    ImageRegressionSpec,
    ImageTaggingSpec,
    LanguageModelingSpec,
    ObjectDetectionSpec,
    SemanticSegmentationSpec,
    Spec,
    SpeechRecognitionSpec,
    TextClassificationSpec,
    TextRegressionSpec,
    TranslationSpec,
)

_LENGTH = 32  # tokens
_FEATURES = {"sample_rate": 16000, "num_mels": 40}


def example_specs(*, image_size: int, in_channels: int, vocab_size: int, num_classes: int) -> tuple[Spec, ...]:
    """One of each task; image_size: of both sides, in pixels."""
    gray = (0.5,) * in_channels
    names = tuple(str(number) for number in range(num_classes))
    images: dict[str, Any] = {"class_names": names, "in_channels": in_channels, "image_size": (image_size, image_size)}
    images |= {"mean": gray, "std": gray}
    texts: dict[str, Any] = {"tokenizer": {}, "vocab_size": vocab_size, "pad_id": 0, "max_length": _LENGTH}
    zeros, ones = (0.0,) * num_classes, (1.0,) * num_classes
    numbers: dict[str, Any] = {"target_names": names, "target_mean": zeros, "target_std": ones}
    return (
        ImageClassificationSpec(**images),
        ImageTaggingSpec(**images),
        ImageRegressionSpec(**{key: value for key, value in images.items() if key != "class_names"}, **numbers),
        ObjectDetectionSpec(**images),
        SemanticSegmentationSpec(**images, palette=(0,) * 3 * len(names)),
        TextClassificationSpec(class_names=names, **texts),
        TextRegressionSpec(**texts, **numbers),
        LanguageModelingSpec(tokenizer={}, vocab_size=vocab_size, context=256),
        TranslationSpec(
            source_tokenizer={},
            target_tokenizer={},
            source_vocab_size=vocab_size,
            target_vocab_size=vocab_size,
            pad_id=0,
            max_length=_LENGTH,
        ),
        AudioClassificationSpec(class_names=names, features=_FEATURES, num_features=_FEATURES["num_mels"]),
        SpeechRecognitionSpec(
            features=_FEATURES, num_features=_FEATURES["num_mels"], tokenizer={}, vocab_size=vocab_size
        ),
    )
