"""A model's size and cost, for `sensorium list model=NAME`: the part of the verb that needs torch."""

from collections.abc import Mapping
from typing import Any, cast

from omegaconf import OmegaConf

from sensorium import output
from sensorium.build import build_model, fits
from sensorium.cli import configs
from sensorium.cli.app import Config
from sensorium.nn.flops import count_flops, count_parameters
from sensorium.specs import Spec
from sensorium.specs.examples import example_specs

LENGTH = 32  # tokens of the text, or frames of the audio, whose cost is counted


def _assumed(spec: Spec, sizes: Mapping[str, int]) -> str:
    """The sizes that the numbers are for, as they can be given; a model of images has no vocabulary."""
    offers = spec.offers
    return " ".join(f"{key}={size}" for key, size in sizes.items() if key in offers or f"source_{key}" in offers)


def measure(name: str, config: Config) -> output.Record:
    """A model's size and cost on an example of the data it is for. config: of the verb, with the sizes asked about."""
    path = configs.path_of("model", name)
    section = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(path)))
    sizes = {key: config[key] for key in ("image_size", "in_channels", "vocab_size", "num_classes")}
    spec = next(spec for spec in example_specs(**sizes) if fits(section, spec))
    model = build_model(section | {"pretrained": False}, spec, seed=0, name=name)
    return {
        "model": name,
        "what": configs.first_comment(path),
        "input": spec.example_size(LENGTH),
        "assuming": _assumed(spec, sizes),
        "parameters": count_parameters(model),
        "FLOPs": count_flops(model, *spec.example(LENGTH)),
    }
