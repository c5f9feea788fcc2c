"""Hydra as people know it (overrides, -m, --cfg, --config-dir), with errors that help."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

from sensorium.cli import configs
from sensorium.errors import RequestError, SensoriumError, listing, nearest, unknown

Config = dict[str, Any]


def run_hydra(verb: str, arguments: list[str], job: Callable[[Config], None]) -> None:
    """Composes the config of a verb and hands it, resolved and as plain types, to `job`; several times with -m."""
    _check_arguments(arguments)
    # Hydra prints and exits on an error unless told to raise it.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a person's own modules, by dotted name
    own = configs.own_folder()
    search = [f"hydra.searchpath=[file://{own}]"] if own and not any("hydra.searchpath" in a for a in arguments) else []
    sys.argv = ["sensorium", *search, *(_declared(argument) for argument in arguments)]

    def call(config: DictConfig) -> None:
        job(plain(config, verb))

    try:
        hydra.main(version_base="1.3", config_path=str(configs.FOLDER), config_name=verb)(call)()
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, verb, arguments) from error
    except SystemExit as stop:  # argparse, on an option it does not know
        if stop.code:
            raise RequestError(f"sensorium {verb} does not take these options. See: sensorium {verb} --help") from stop


def _declared(argument: str) -> str:
    """trainer.* takes every argument of Lightning's Trainer, also those that train.yaml does not list."""
    return f"++{argument}" if re.match(r"trainer\.\w+(\.\w+)*=", argument) else argument


def _check_arguments(arguments: list[str]) -> None:
    """Refuses what is not key=value before Hydra's parser does, in words."""
    expects_value = False
    for argument in arguments:
        if expects_value:
            expects_value = False
        elif argument.startswith("-"):
            expects_value = argument in (
                "-cd",
                "--config-dir",
                "-cn",
                "--config-name",
                "-cp",
                "--config-path",
                "-c",
                "--cfg",
                "-p",
                "--package",
            )
        elif "=" not in argument and not argument.startswith("~"):
            raise RequestError(f"{argument!r} is not key=value. For example: sensorium train seed=1 model=lenet")


def plain(config: DictConfig, verb: str) -> Config:
    """Plain dicts, lists, numbers and strings, with every interpolation resolved."""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except MissingMandatoryValue as error:
        key = error.full_key or str(error).rpartition(" ")[2]
        raise RequestError(f"sensorium {verb} needs {key}=... See: sensorium {verb} --help") from error
    except InterpolationKeyError as error:
        raise RequestError(str(error).splitlines()[0]) from error


# -- errors


def explain(error: Exception, verb: str, arguments: list[str]) -> SensoriumError:
    """Hydra's and OmegaConf's errors in one or two lines."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, SensoriumError):
        cause = cause.__cause__
    if isinstance(cause, SensoriumError):
        return cause
    text = str(error) + "\n" + str(cause)
    if isinstance(error, OverrideParseException) or isinstance(cause, OverrideParseException):
        return RequestError(
            f"This override cannot be read: {str(error).splitlines()[-1].strip()}\nWrite key=value; quote lists: 'callbacks=[a,b]'."
        )
    if match := re.search(r"In '[^']*': Could not (?:find|load) '([^'/]+)/([^']+)'", text) or re.search(
        r"Could not find '([^'/]+)/([^']+)'", text
    ):
        return unknown(match[1], match[2], configs.options(match[1]))
    if match := re.search(r"Could not override '([^']+)'", text):
        return unknown_key(match[1], keys_of(verb, arguments))
    if match := re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", text):
        return unknown_key(match[2], keys_of(verb, arguments))
    return RequestError(_sentence(str(cause) or str(error)))


def _sentence(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(line for line in lines[:2] if "full_key" not in line and "object_type" not in line)


def unknown_key(key: str, known: list[str]) -> RequestError:
    """The error for a dotted key that no config has: the nearest one, or what its section holds."""
    section, _, name = key.rpartition(".")
    beside = [other for other in known if other.rpartition(".")[0] == section]
    guess = nearest(key, known) or next((other for other in known if other.rpartition(".")[2] == name), None)
    hint = f" Did you mean {guess}?" if guess else ""
    where = (
        f"{section} has: {listing(n.rpartition('.')[2] for n in beside)}." if beside else "See: sensorium VERB --help"
    )
    return RequestError(f"There is no key {key!r}.{hint}\n{where}")


def keys_of(verb: str, arguments: list[str]) -> list[str]:
    """Every dotted key of a verb's config, composed with the group choices that do exist; and the group names."""
    groups = configs.groups()
    choices = [
        a
        for a in arguments
        if "=" in a and (name := a.partition("=")[0]) in groups and a.partition("=")[2] in configs.options(name)
    ]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(configs.FOLDER)):
        config = hydra.compose(verb, overrides=choices)
    return [*_flatten(OmegaConf.to_container(config)), *groups]


def _flatten(config: Any, prefix: str = "") -> list[str]:
    if not isinstance(config, Mapping):
        return [prefix]
    inner = [
        name for key, value in config.items() for name in _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    ]
    return [prefix, *inner] if prefix else inner


# -- overrides of a config that is already there


def override(config: Config, overrides: list[str]) -> Config:
    """A copy of a stored config with key=value overrides, each of which must name an existing key.

    Raises RequestError for an unknown key, or for a config group: what was chosen is part of what is stored.
    """
    changed = OmegaConf.create(config)
    known = _flatten(config)
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except (OverrideParseException, HydraException) as error:
        raise explain(error, "train", overrides) from error
    for item in parsed:
        key = item.key_or_group
        if isinstance(config.get(key), dict):
            raise RequestError(
                f"{key} was chosen when this was trained and cannot be exchanged; its values can: {key}.KEY=..."
            )
        if key not in known and not key.startswith("trainer."):
            raise unknown_key(key, known)
        OmegaConf.update(changed, key, item.value(), force_add=True)
    return OmegaConf.to_container(changed, resolve=True)  # type: ignore[return-value]
