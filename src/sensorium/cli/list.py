"""sensorium list: what there is to choose from, with a line each; for a model its size and cost."""

import torch
from omegaconf import OmegaConf

from sensorium.build import instantiate
from sensorium.cli import configs, output
from sensorium.cli.app import Config, check, run_hydra
from sensorium.errors import unknown
from sensorium.nn.flops import count_flops, count_parameters

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
    name = str(config["model"])
    if name not in configs.options("model"):
        raise unknown("model", name, configs.options("model"))
    path = next(
        folder / "model" / f"{name}.yaml"
        for folder in configs.folders()
        if (folder / "model" / f"{name}.yaml").exists()
    )
    section = OmegaConf.to_container(OmegaConf.load(path))
    size, channels = config["image_size"], config["in_channels"]
    offered = {"in_channels": channels, "num_classes": config["num_classes"], "image_size": (size, size)}
    model = instantiate("model", section, **offered)  # type: ignore[arg-type]
    flops = count_flops(model, torch.zeros(1, channels, size, size))
    return {
        "model": name,
        "what": configs.first_comment(path),
        "picture": f"{channels}x{size}x{size}",
        "parameters": count_parameters(model),
        "FLOPs": flops,
    }
