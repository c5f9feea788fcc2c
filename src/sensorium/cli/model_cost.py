"""A model's size and cost, for `sensorium list model=NAME`: the part of the verb that needs torch."""

from typing import Any

from omegaconf import OmegaConf

from sensorium.build import build_model, fits
from sensorium.cli import configs, output
from sensorium.cli.app import Config
from sensorium.nn.flops import count_flops, count_parameters
from sensorium.specs import (
    DetectionSpec,
    ImageSpec,
    LanguageSpec,
    PictureSpec,
    SegmentationSpec,
    SoundSpec,
    Spec,
    SpeechSpec,
    TextSpec,
    TranslationSpec,
)

LENGTH = 32  # tokens of the text, or frames of the sound, whose cost is counted
_FEATURES = {"sample_rate": 16000, "num_mels": 40}


def measure(name: str, config: Config) -> output.Record:
    """A model's size and cost on an example of the data it is for. config: of the verb, with the sizes asked about."""
    path = configs.path_of("model", name)
    section: Config = OmegaConf.to_container(OmegaConf.load(path))  # type: ignore[assignment]
    spec = next(spec for spec in _examples(config) if fits(section, spec))
    model = build_model({"model": section | {"pretrained": False}, "model_name": name, "seed": 0}, spec)
    size = config["image_size"]
    shown = f"{LENGTH} tokens"
    if isinstance(spec, PictureSpec):
        shown = f"{config['in_channels']}x{size}x{size}"
    elif isinstance(spec, SoundSpec | SpeechSpec):
        shown = f"{LENGTH} frames"
    return {
        "model": name,
        "what": configs.first_comment(path),
        "input": shown,
        "parameters": count_parameters(model),
        "FLOPs": count_flops(model, *spec.example(LENGTH)),
    }


def _examples(config: Config) -> tuple[Spec, ...]:
    """Data of each kind, of the size asked about."""
    size, channels, words = config["image_size"], config["in_channels"], config["vocab_size"]
    names = tuple(str(number) for number in range(config["num_classes"]))
    grey = (0.5,) * channels
    pictures: dict[str, Any] = {"class_names": names, "in_channels": channels, "image_size": (size, size)}
    pictures |= {"mean": grey, "std": grey}
    return (
        ImageSpec(**pictures),
        DetectionSpec(**pictures),
        SegmentationSpec(**pictures, palette=(0,) * 3 * len(names)),
        TextSpec(class_names=names, tokenizer={}, vocab_size=words, pad_id=0, max_length=LENGTH),
        LanguageSpec(tokenizer={}, vocab_size=words, context=256),
        TranslationSpec(
            source_tokenizer={},
            target_tokenizer={},
            source_vocab_size=words,
            target_vocab_size=words,
            pad_id=0,
            max_length=LENGTH,
        ),
        SoundSpec(class_names=names, features=_FEATURES, num_features=_FEATURES["num_mels"]),
        SpeechSpec(features=_FEATURES, num_features=_FEATURES["num_mels"], tokenizer={}, vocab_size=words),
    )
