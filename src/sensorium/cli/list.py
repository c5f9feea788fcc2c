"""sensorium list: what there is to choose from, with a line each; for a model its size and cost."""

import importlib

from sensorium import output
from sensorium.cli import configs
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.loading import loading
from sensorium.errors import unknown

PLURALS = {"datasets": "dataset", "models": "model", "experiments": "experiment", "optimizers": "optimizer"}


def run(arguments: list[str]) -> int:
    """Lists one group or all, or says what one model costs."""
    run_hydra("list", arguments, _job)
    return 0


def _job(config: Config) -> None:
    check("list", config)
    if config["model"] is not None:
        records = [_cost(str(config["model"]), config)]
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


def _cost(name: str, config: Config) -> output.Record:
    if name not in configs.options("model"):
        raise unknown("model", name, configs.options("model"))
    with loading():
        model_cost = importlib.import_module("sensorium.cli.model_cost")
    return model_cost.measure(name, config)
