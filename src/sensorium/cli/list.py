"""sensorium list: what there is to choose from, with a line each; for a model its size and cost."""

from typing import Any, cast

from omegaconf import OmegaConf

from sensorium import output
from sensorium.build import build_model, fits
from sensorium.cli import configs
from sensorium.cli.app import Config, check, run_hydra
from sensorium.errors import unknown
from sensorium.nn.flops import count_flops, count_parameters
from sensorium.specs.examples import example_specs

LENGTH = 32  # tokens of the text, or frames of the sound, whose cost is counted
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
    section = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(path)))
    sizes = {key: config[key] for key in ("image_size", "in_channels", "vocab_size", "num_classes")}
    spec = next(spec for spec in example_specs(**sizes) if fits(section, spec))
    model = build_model(section | {"pretrained": False}, spec, seed=0, name=name)
    return {
        "model": name,
        "what": configs.first_comment(path),
        "input": spec.example_size(LENGTH),
        "parameters": count_parameters(model),
        "FLOPs": count_flops(model, *spec.example(LENGTH)),
    }
