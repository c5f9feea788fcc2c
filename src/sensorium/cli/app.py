"""Hydra as people know it (overrides, -m, --cfg, --config-dir), with errors that help."""

import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from sensorium.cli import configs, overwriting, schema, sections
from sensorium.cli.arguments import check_arguments, check_choices
from sensorium.cli.best_trial import check_checkpoints
from sensorium.cli.composition import (
    as_chosen,
    compose,
    compose_alone,
    compose_with_choices,
    given_folders,
    load_plugins,
    option_values,
    search_path,
    sweep_folder,
)
from sensorium.cli.literal import literal
from sensorium.cli.no_search import check_no_search, wrong_sweep
from sensorium.cli.unknown_key import unknown_key
from sensorium.errors import RequestError, SensoriumError, listing, missing_extra, unknown

Config = dict[str, Any]


class _Failed(BaseException):
    """Carries a job's error past Hydra, which would print a line about it and, in a sweep, lose its kind."""


def run_hydra(verb: str, arguments: list[str], job: Callable[[Config], None]) -> None:
    """Composes the config of a verb and hands it, resolved and as plain types, to `job`; several times with -m."""
    check_arguments(verb, arguments)
    arguments = literal(arguments)
    if _folder(verb):
        check_choices(arguments)
    # Hydra prints and exits on an error unless told to raise it.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    load_plugins()
    folder = _folder(verb)
    if folder and "job" in option_values(arguments, "--cfg", "-c"):
        return _show(verb, arguments)
    searched = search_path(arguments) if folder else []  # the user's own groups must not hide a verb's keys either
    overrides = [*searched, *(_declared(argument) for argument in arguments)]

    def call(config: DictConfig) -> None:
        try:
            job(plain(_as_chosen(config, verb, arguments), verb))
        except Exception as error:
            raise _Failed(error) from error

    try:
        with explained(verb, arguments), sweep_folder(verb, arguments) as more:
            sys.argv = ["sensorium", *_flags_first([*overrides, *more])]
            hydra.main(version_base="1.3", config_path=folder, config_name=verb)(call)()
    except _Failed as failed:
        raise failed.args[0] from None


@contextmanager
def command_line() -> Iterator[None]:
    """For the Python API: Hydra reads sys.argv, whose arguments are the script's and are put back afterwards."""
    arguments, sys.argv = sys.argv, ["sensorium"]
    try:
        yield
    finally:
        sys.argv = arguments


@contextmanager
def explained(verb: str, arguments: list[str]) -> Iterator[None]:
    """Hydra's and OmegaConf's errors as ours; of an override that it cannot carry out Hydra raises a ValueError."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise explain(error, verb, arguments) from error


def _as_chosen(config: DictConfig, verb: str, arguments: list[str]) -> DictConfig:
    """The config of a job without what its experiment meant for another model, optimizer and so on; says so."""
    hydra_job = HydraConfig.get()
    choices = hydra_job.runtime.choices
    with explained(verb, arguments):
        name = hydra_job.job.config_name or verb
        found, left_out = as_chosen(config, choices, name, hydra_job.overrides.task, arguments=arguments)
    if left_out and os.environ.get("RANK", "0") == "0":
        print(f"experiment={choices['experiment']}: not applied because of your overrides: {listing(left_out)}")
    return found


def _show(verb: str, arguments: list[str]) -> None:
    """`--cfg job`: the config as it would be used, which Hydra alone does not know; `-p NAME` a part of it."""
    overrides = _overrides(arguments)
    with explained(verb, arguments):
        name = next(iter(option_values(arguments, "--config-name", "-cn")), verb)
        config = compose(name, overrides, arguments=arguments)
    if "--resolve" in arguments:
        OmegaConf.resolve(config)
    for part in option_values(arguments, "--package", "-p"):
        if part != "_global_":
            config = OmegaConf.select(config, part)
        if not OmegaConf.is_config(config):
            raise unknown_key(part, verb, keys_of(verb, arguments))
    print(OmegaConf.to_yaml(config), end="")


def _flags_first(arguments: list[str]) -> list[str]:
    """-m may stand anywhere; Hydra's parser wants all overrides on one side of it."""
    flags = [argument for argument in arguments if argument in ("-m", "--multirun")]
    return [*flags, *(argument for argument in arguments if argument not in flags)]


def _folder(verb: str) -> str | None:
    """Where Hydra looks for the verb's config; None for a config without groups.

    Such a config may have a key of the same name as a group (`list model=lenet`), which Hydra would take for a choice
    of that group if it saw the folder.
    """
    config = _primary(verb)
    if any(isinstance(item, Mapping) and "override" not in str(item) for item in config["defaults"]):
        return str(configs.FOLDER)
    ConfigStore.instance().store(name=verb, node=config)
    return None


@functools.cache
def _primary(verb: str) -> Any:
    """The verb's own yaml, before its defaults list is followed; to be read only."""
    return OmegaConf.to_container(OmegaConf.load(configs.FOLDER / f"{verb}.yaml"))


def _declared(argument: str) -> str:
    """trainer.* takes every argument of Lightning's Trainer, also those that train.yaml does not list."""
    return f"++{argument}" if re.match(r"trainer\.\w+(\.\w+)*=", argument) else argument


def typed(overrides: Iterable[str]) -> list[str]:
    """Overrides as the user typed them, without what `_declared` put before them."""
    plain_forms = ((item, item.removeprefix("++")) for item in overrides)
    return [short if item == _declared(short) else item for item, short in plain_forms]


def _overrides(arguments: list[str]) -> list[str]:
    """Those of a command line that are no options."""
    return [_declared(argument) for argument in arguments if re.match(r"[^-].*=|~", argument)]


def plain(config: DictConfig, verb: str) -> Config:
    """Plain dicts, lists, numbers and strings, with every interpolation resolved."""
    try:
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except MissingMandatoryValue as error:
        key = error.full_key or str(error).rpartition(" ")[2]
        raise RequestError(f"sensorium {verb} needs {key}=... See: sensorium {verb} --help") from error
    except OmegaConfBaseException as error:  # an interpolation without end, of a name or a kind that there is not
        match = re.match(r"Interpolation key '(.+)' not found", str(error))
        if match and match[1] in (*needed_keys(verb), "optimizer.lr"):
            raise schema.removed(match[1]) from error
        raise RequestError(str(error).splitlines()[0]) from error


def composed(verb: str, arguments: list[str]) -> Config:
    """The config that `run_hydra` hands to its job, without running Hydra's; RequestError for one that cannot be."""
    load_plugins()
    check_arguments(verb, arguments)
    arguments = literal(arguments)
    overrides = _overrides(arguments)
    with explained(verb, arguments):
        if _folder(verb) is None:
            return plain(compose_alone(verb, overrides), verb)
        check_choices(arguments)
        name = next(iter(option_values(arguments, "--config-name", "-cn")), verb)
        return plain(compose(name, overrides, arguments=arguments), verb)


def composed_training(overrides: list[str], options: list[str]) -> tuple[Config, Mapping[str, str | None]]:
    """The config of one training, checked as `run_hydra` and its job check it, and the member of each group in it.

    options: of Hydra, such as --config-dir.
    """
    arguments = literal([*options, *overrides])
    with explained("train", arguments):
        check_choices(arguments)
        name = next(iter(option_values(arguments, "--config-name", "-cn")), "train")
        found, choices = compose_with_choices(name, _overrides(arguments), arguments=arguments)
        config = plain(found, "train")
    check("train", config)
    return config, choices


# -- what is rejected of a config

NEEDED_GROUPS = ("dataset", "model", "augment", "optimizer", "scheduler")
GROUP_KEYS = ("launcher.engine", "trainer.accelerator", "trainer.devices", "trainer.strategy")  # that all members have


def check(verb: str, config: Config) -> None:
    """Rejects a key that was added (`+NAME=`) where nothing reads it, a key or group that was taken away (`~NAME`), and
    values that cannot be.
    """
    primary = _primary(verb)
    known = [*(key for key in primary if key not in ("defaults", "hydra")), *configs.groups()]
    for key in (key for key in config if key not in known):
        raise unknown_key(str(key), verb, known)
    for item in primary["defaults"]:
        for group in item if isinstance(item, Mapping) else ():
            section = config.get(group)
            if group in NEEDED_GROUPS and not (isinstance(section, Mapping) and "_target_" in section):
                article = "an" if group[0] in "aeiou" else "a"
                raise RequestError(
                    f"sensorium {verb} needs {article} {group}. "
                    f"Set {group}=NAME; sensorium list what={group} has the names."
                )
    schema.check(verb, config, needed=needed_keys(verb))
    check_checkpoints(config.get("ckpt"))
    if verb == "train":
        sections.check(config)
        check_no_search(config)
    dataset: Config | None = None if verb == "eval" else {}  # eval's is the checkpoint's, not read yet
    overwriting.check(config, dataset=dataset, drawn=verb == "explain")


def needed_keys(verb: str) -> list[str]:
    """Keys that a verb's config has to have: those of its yaml, and of the groups that go into its sections."""
    own = _flatten({key: value for key, value in _primary(verb).items() if key not in ("defaults", "hydra")})
    return [*own, *(GROUP_KEYS if verb == "train" else ())]


# -- errors


def explain(error: Exception, verb: str, arguments: list[str]) -> SensoriumError:
    """Hydra's and OmegaConf's errors in one or two lines."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, SensoriumError):
        cause = cause.__cause__
    if isinstance(cause, SensoriumError):
        return cause
    text = f"{error}\n{cause}"
    if isinstance(cause, OverrideParseException):
        return RequestError(
            f"{cause.override!r} cannot be read: {str(cause).splitlines()[0]}\n"
            "Write key=value; quote what has brackets or spaces: 'callbacks=[a,b]'."
        )
    if match := re.search(r"Could not (?:find|load) '(.+)/([^/']*)'", text):
        return _unknown_choice(match[1], match[2], text)
    if match := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        if verb == "list":
            raise RequestError(f"{match[1]}={match[2]} are several values; {match[1]} has one.") from error
        return RequestError(
            f"{match[1]}={match[2]} are several values. With -m each is trained: "
            f"sensorium {verb} -m {match[1]}={match[2]}\nA list is written in brackets: '{match[1]}=[{match[2]}]'."
        )
    if said := wrong_sweep(text, verb, arguments):
        return RequestError(said)
    for pattern in (r"Could not (?:override|delete from config.) '([^']+)'", r"full_key: (\S+)"):
        if match := re.search(pattern, text):
            known = keys_of(verb, arguments)
            # Hydra says of a key whose value is null that it does not exist.
            taken_away = match[1] in known and f"~{match[1]}" in arguments
            return schema.removed(match[1]) if taken_away else unknown_key(match[1], verb, known)
    return RequestError(_sentence((str(cause) or str(error)).partition(" : Override(")[0]))


def _unknown_choice(group: str, choice: str, text: str) -> RequestError:
    """For a choice that its group does not have; Hydra's message lists the ones it found, and blocks (_NAME)."""
    if choice == "joblib":
        return missing_extra("hydra-joblib-launcher", "sweep")
    return unknown(group, choice, set(re.findall(r"^\t(?!_)(\S+)$", text, flags=re.MULTILINE)))


def _sentence(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(line for line in lines[:2] if "full_key" not in line and "object_type" not in line)


def keys_of(verb: str, arguments: list[str]) -> list[str]:
    """Every dotted key of a verb's config, composed with the group choices that do exist; and the group names."""
    if _folder(verb) is None:
        return [key for key in _primary(verb) if key not in ("defaults", "hydra")]
    folders = [*configs.folders(), *given_folders(arguments)]
    choices = [
        f"{group}={choice}"
        for group, _, choice in (argument.partition("=") for argument in arguments)
        if any((folder / group / f"{choice}.yaml").is_file() for folder in folders)
    ]
    config = compose(verb, choices, arguments=arguments)
    return list(dict.fromkeys([*_flatten(OmegaConf.to_container(config)), *configs.groups()]))


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
        parsed = OverridesParser.create().parse_overrides(literal(overrides))
    except (HydraException, ValueError) as error:
        raise explain(error, "train", overrides) from error
    for item in parsed:
        key = item.key_or_group
        if item.is_delete():
            raise RequestError(f"{item.input_line}: a key of a stored config cannot be removed. Set {key}=VALUE.")
        if item.is_sweep_override():
            raise RequestError(f"{item.input_line} are several values; here each key has one.")
        if isinstance(config.get(key), dict):
            raise RequestError(
                f"{key} is fixed by the checkpoint and cannot be replaced; its values can: {key}.KEY=..."
            )
        if key not in known and not key.startswith("trainer."):
            raise unknown_key(key, "train", known)
        OmegaConf.update(changed, key, item.value(), force_add=True)
    return cast(dict[str, Any], OmegaConf.to_container(changed, resolve=True))
