"""Write configs/model/_catalog.json: the tasks and parameters of every model, as `sensorium list models` shows them.

The list has to answer at once, and counting parameters needs torch and every model built; a test compares the file
with what this script finds.
"""

import json
from typing import Any, cast

from omegaconf import OmegaConf

from sensorium.build import build_model, fits
from sensorium.cli import configs
from sensorium.errors import RequestError
from sensorium.nn.flops import count_parameters
from sensorium.specs import Spec
from sensorium.specs.examples import example_specs

SIZES = {"image_size": 32, "in_channels": 3, "vocab_size": 10000, "num_classes": 10}  # the defaults of `sensorium list`
FILE = configs.FOLDER / "model" / "_catalog.json"


def section_of(name: str) -> dict[str, Any]:
    """A model's yaml."""
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(configs.path_of("model", name))))


def tasks_of(name: str) -> list[str]:
    """The tasks whose data a model takes, by its constructor and its forward."""
    section = section_of(name)
    return [_chosen_as(spec) for spec in example_specs(**SIZES) if fits(section, spec)]


def _chosen_as(spec: Spec) -> str:
    """The choice of the group `task`, which has one for each kind of input where defaults differ."""
    own = f"{spec.modality}_{spec.task}"
    return own if own in configs.options("task") else spec.task


def parameters_of(name: str) -> int | None:
    """All parameters on an example of the first task's data; None for a model that has a data set of its own."""
    section = section_of(name)
    spec = next(spec for spec in example_specs(**SIZES) if fits(section, spec))
    try:
        return count_parameters(build_model(section | {"pretrained": False}, spec, seed=0, name=name))
    except RequestError:
        return None


def main() -> None:
    rows = (
        f'  "{name}": {json.dumps({"tasks": tasks_of(name), "parameters": parameters_of(name)})}'
        for name in configs.options("model")
    )
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
