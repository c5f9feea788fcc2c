"""What only a search reads, which a single training and plain -m refuse."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sensorium.cli import configs
from sensorium.errors import RequestError, listing

# Keys of a search, and what they are without one.
NO_SEARCH: dict[str, Any] = {"trials": None, "budget": None, "jobs": 1, "fail_fast": False}


def check_no_search(config: Mapping[str, Any]) -> None:
    """Rejects, of a single training and of plain -m, what only a search reads."""
    section: Mapping[str, Any] = config.get("search", {})
    if section.get("sampler", "none") != "none":
        raise RequestError(
            "search=NAME needs -m and something that varies, such as:\n"
            "sensorium train -m search=random model=lenet,resnet8 'lr=tag(log,interval(1e-4,1e-1))'"
        )
    given = [key for key, value in NO_SEARCH.items() if config.get(key, value) != value]
    given += [f"search.{key}" for key, value in _settings().items() if section.get(key, value) != value]
    if given:
        raise RequestError(
            f"{given[0]} is for a search. Add search=NAME and -m; sensorium list what=search has the names."
        )


def check_no_search_keys(run: Path, arguments: Sequence[str]) -> None:
    """Rejects what only a search is resumed with, of a single run."""
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        if key in NO_SEARCH or key.partition(".")[0] == "search":
            raise RequestError(f"{argument}: {key} belongs to a search, and {run} is a single run. Leave it out.")


def _settings() -> dict[str, Any]:
    """What every search has, as its yaml sets it."""
    found = OmegaConf.to_container(OmegaConf.load(configs.FOLDER / "search" / "_settings.yaml"))
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items() if key != "sampler"}  # which is ??? there


def wrong_sweep(text: str, verb: str, arguments: Sequence[str]) -> str | None:
    """What to say to Hydra's message about several values where one is wanted, or values that cannot be counted."""
    if match := re.search(r"Sweep parameters '(.+)' requires --multirun", text):
        return f"{match[1]} stands for several values. With -m each of them is tried: sensorium {verb} -m ..."
    if "does not support sweep type" in text:
        intervals = [argument for argument in arguments if "interval(" in argument]
        return (
            f"{listing(intervals)}: -m alone tries every value, and an interval has no end of them.\n"
            "Add search=random or another search (sensorium list what=search), or give values: KEY=a,b,c."
        )
    return None
