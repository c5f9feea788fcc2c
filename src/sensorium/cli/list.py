"""sensorium list: what there is to choose from, with a line each; for a model its size and cost."""

from typing import Any

from omegaconf import OmegaConf

from sensorium.build import build_model, fits
from sensorium.cli import configs, output
from sensorium.cli.app import Config, check, run_hydra
from sensorium.errors import unknown
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
PLURALS = {"datasets": "dataset", "models": "model", "experiments": "experiment", "optimizers": "optimizer"}


def run(arguments: list[str]) -> int:
    """Lists one group or all, or says what one model costs."""
    run_hydra("list", arguments, _job)
    return 0


def _job(config: Config) -> None:
    check("list", config)
    if config["model"] is not None:
        records = [_model(config)]
    else:
        what = PLURALS.get(str(config["what"]), str(config["what"]))
        if what != "all" and what not in configs.groups():
            raise unknown("group", what, ["all", *configs.groups()])
        records = [
            {"group": group, "name": name, "what": line}
            for group in configs.groups()
            if what in ("all", group)
            for name, line in configs.options(group).items()
        ]
    output.write_records(records, format=config["format"], output=config["output"])


def _model(config: Config) -> output.Record:
    """A model's size and cost on an example of the data it is for."""
    name = str(config["model"])
    if name not in configs.options("model"):
        raise unknown("model", name, configs.options("model"))
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
