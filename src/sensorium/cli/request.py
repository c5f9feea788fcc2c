"""A request checked before torch is imported, so that a wrong one is answered at once.

What is checked here is checked again by the verb itself, on the config that it is going to use.
"""

import re
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from sensorium.cli import engines, guess, schema
from sensorium.cli.app import Config, check, composed, override, run_hydra
from sensorium.cli.arguments import OPTIONS, check_choices
from sensorium.cli.composition import load_plugins
from sensorium.cli.literal import typed_path
from sensorium.cli.no_search import check_no_search_keys
from sensorium.cli.search_request import as_search, asks_for_search, resumed_request, search_request, sweep_folder
from sensorium.errors import RequestError, not_possible
from sensorium.files import exists
from sensorium.run_folder import check_unlocked, is_spawned

WORDS = ("text", "prompt")  # of predict: taken as they are, without Hydra
EXPLAIN_WORDS = ("text", "target")
_SEVERAL = ("row", "pixel")  # of explain: 3,12 is the list it means
_ANSWERED = ("--cfg", "-c", "--info", "--hydra-help")  # by the config alone
_FROM_START = "resume_from_start"
_OTHER_CONFIG = ("--config-path", "-cp")


def answer(verb: str, arguments: list[str]) -> bool:
    """Raises RequestError for a request that cannot be. Returns whether it was answered: by its config."""
    typed = own_arguments(verb, arguments)
    if verb == "train":
        typed = as_search(typed)
    options = [argument.partition("=")[0] for argument in typed]
    if any(option in _ANSWERED for option in options):
        run_hydra(verb, typed, _nothing)
        return True
    if any(option in _OTHER_CONFIG for option in options):
        return False
    load_plugins()
    if verb == "check" and not any(argument.startswith("ckpt=") for argument in arguments):
        dataset_section(arguments)
    resumed, _, rest = resume_request(typed)
    if verb == "train" and resumed != "null":
        _check_resumed(typed_path(resumed), rest)
        return False
    if verb == "train" and asks_for_search(typed):
        search_request(typed)
        return False
    if verb == "train" and ("-m" in typed or "--multirun" in typed):
        return False  # each job of a sweep is a request of its own: what is wrong with one keeps no other from running
    config = composed(verb, typed)
    check(verb, config)
    if verb == "train":
        engines.engine_of(config["launcher"])
    return False


def _nothing(config: Config) -> None:
    """The job of a request that Hydra answers from the config."""


def resume_request(arguments: list[str]) -> tuple[str, bool, list[str]]:
    """Of a training's arguments the run that resume= names ("null" for none), whether it may start from its beginning
    where its checkpoints cannot be read, and the others.
    """
    given = {"resume": "null", _FROM_START: "false"}
    rest = []
    for argument in arguments:
        key, equals, value = argument.lstrip("+").partition("=")
        if equals and key in given:
            given[key] = value
        else:
            rest.append(argument)
    if given[_FROM_START] not in ("true", "false"):
        raise not_possible(_FROM_START, given[_FROM_START], "true or false")
    if given[_FROM_START] == "true" and given["resume"] == "null":
        raise RequestError(f"{_FROM_START}=true is about a run that is gone on with: name it with resume=RUN.")
    if given["resume"] != "null":
        rest = [_of_trainer(argument) for argument in rest]
    return given["resume"], given[_FROM_START] == "true", rest


def _of_trainer(argument: str) -> str:
    """accelerator=NAME and strategy=NAME choose what the config of a run has as a key of the trainer."""
    return f"trainer.{argument}" if argument.partition("=")[0] in ("accelerator", "strategy") else argument


def _check_resumed(run: Path, arguments: list[str]) -> None:
    """That no process trains in the folder, and the values that a run resumes with. A folder that is no run is
    explained by the caller.
    """
    found = engines.job_folder(run)
    if (sweep := sweep_folder(run)) is not None:
        check_unlocked(found)
        resumed_request(sweep, arguments)
        return
    check_no_search_keys(run, arguments)
    own, arguments = engines.split(arguments)
    if not is_spawned(found):
        engines.check_no_job(found, engines.engine_of(engines.section_of(own)) if own else None)
        check_unlocked(found)
    stored: Any = None
    with suppress(OSError, ValueError, yaml.YAMLError):
        stored = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    if isinstance(stored, dict) and "-m" not in arguments and "--multirun" not in arguments:
        schema.check("train", override(stored, arguments))


def own_arguments(verb: str, arguments: list[str]) -> list[str]:
    """A verb's arguments as Hydra is given them: of eval those about the data belong to the checkpoint's config."""
    if verb == "predict":
        return [a for a in arguments if a.partition("=")[0] not in WORDS]
    if verb == "explain":
        return [_row_list(a) for a in arguments if a.partition("=")[0] not in EXPLAIN_WORDS]
    if verb == "eval":
        check_choices([a for a in arguments if a.startswith("dataset=")])
        return [_listed(a) for a in arguments if not a.startswith(("dataset=", "dataset."))]
    if verb == "check":
        return [a for a in guess.expanded(arguments, verb=verb)[0] if not a.startswith(("dataset=", "dataset."))]
    return guess.expanded(arguments)[0] if verb == "train" else arguments


def dataset_section(arguments: list[str]) -> Config:
    """The section `dataset` that a training with the same arguments about data would read, checked as there."""
    expanded = guess.expanded(arguments, verb="check")[0]
    options = {one for pair in pairwise(expanded) for one in pair if pair[0] in OPTIONS}
    about_data = [one for one in expanded if one.startswith(("dataset=", "dataset."))]
    config = composed("train", [*about_data, *(one for one in expanded if one in options)])
    check("train", config)
    section: Config = config["dataset"]
    return section


def _listed(argument: str) -> str:
    """ckpt=a,b,c as the list it means, unless a file has that name; Hydra would take it for a sweep."""
    key, _, value = argument.partition("=")
    several = key == "ckpt" and "," in value and value[0] not in "['\"" and not exists(Path(value))
    return f"ckpt=[{value}]" if several else argument


def _row_list(argument: str) -> str:
    """row=3,12 and pixel=40,17 as lists."""
    key, _, value = argument.partition("=")
    return f"{key}=[{value}]" if key in _SEVERAL and re.fullmatch(r"\d+(,\d+)+", value) else argument
