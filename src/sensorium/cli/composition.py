"""A verb's config from its yamls and the command line, by Hydra and one more rule.

The rule: what an experiment sets inside a group is meant for the member it chose there. Where another one is chosen
(`experiment=digits_cnn model=lenet`), that comes with its own values (docs/decisions/0013).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf, open_dict

from sensorium.cli import configs
from sensorium.cli.literal import quoted
from sensorium.import_path import without_working_directory

Choices = Mapping[str, str | None]  # the member of each group, by group


def compose(verb: str, overrides: Sequence[str], *, arguments: Sequence[str] = ()) -> DictConfig:
    """A verb's config with these overrides, beside whatever Hydra is running. arguments: may hold --config-dir."""
    return compose_with_choices(verb, overrides, arguments=arguments)[0]


def compose_with_choices(
    verb: str, overrides: Sequence[str], *, arguments: Sequence[str] = ()
) -> tuple[DictConfig, Choices]:
    """As `compose`, with the member of each group in it."""
    config, choices = _composed(verb, overrides, arguments)
    return as_chosen(config, choices, verb, overrides, arguments=arguments)[0], choices


def compose_alone(verb: str, overrides: Sequence[str]) -> DictConfig:
    """The config of a verb without groups, which is in Hydra's store under the verb's name."""
    with _beside(lambda: hydra.initialize(version_base="1.3", config_path=None)):
        return hydra.compose(verb, overrides=list(overrides))


def as_chosen(
    config: DictConfig, choices: Choices, verb: str, overrides: Sequence[str], *, arguments: Sequence[str] = ()
) -> tuple[DictConfig, list[str]]:
    """What Hydra composed, without the values that an experiment sets in groups that are chosen again.

    choices: the member of each group in `config`. Returns the config, and what was omitted as key=value.
    """
    groups = [group for group in configs.groups() if group != "experiment"]
    experiment = [override for override in overrides if _key(override) == "experiment"]
    if not experiment or all(_key(override) not in groups for override in overrides):
        return config, []
    _, written = _composed(verb, experiment, arguments)
    anew = [group for group in groups if choices.get(group) and choices[group] != written.get(group)]
    if not anew:
        return config, []
    chosen = [f"{group}={choices[group]}" for group in groups if choices.get(group)]
    values = [override for override in overrides if _key(override) not in (*groups, "experiment")]
    own, _ = _composed(verb, [*chosen, *values], arguments)
    left_out = []
    with open_dict(config):
        for group in anew:
            after = dict(_values(own.get(group), group))
            before = _values(config.get(group), group)
            left_out += [f"{key}={value}" for key, value in before if after.get(key) != value]
            config[group] = own.get(group)
    return config, left_out


def _key(override: str) -> str:
    """What an override is about, without Hydra's marks: `~model` and `+model=x` are about model. What goes elsewhere
    (`+augment@learning.strong=x`) is about that place.
    """
    return override.lstrip("+~").partition("=")[0]


def _values(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every value by its dotted key, as written."""
    plain = OmegaConf.to_container(config) if OmegaConf.is_config(config) else config
    if not isinstance(plain, Mapping):
        yield prefix, plain
        return
    for name, value in plain.items():
        yield from _values(value, f"{prefix}.{name!s}")


def _composed(verb: str, overrides: Sequence[str], arguments: Sequence[str]) -> tuple[DictConfig, Choices]:
    """Hydra's own composition, and the member of each group in it."""
    searched = search_path([*arguments, *overrides], given=True)
    with _beside(lambda: hydra.initialize_config_dir(version_base="1.3", config_dir=str(configs.FOLDER))):
        config = hydra.compose(verb, overrides=[*searched, *overrides], return_hydra_config=True)
    choices = dict(config.hydra.runtime.choices)
    with open_dict(config):
        del config["hydra"]
    return config, choices


def load_plugins() -> None:
    """Hydra's installed plugins, before it searches for them itself and runs what lies in a hydra_plugins/ anywhere on
    the import path, the working directory included.
    """
    with without_working_directory():
        Plugins.instance()


@contextmanager
def _beside(initialize: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Hydra initialized for one composition; what it is running meanwhile is put back."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize():
            yield
    finally:
        GlobalHydra.instance().hydra = running


@contextmanager
def sweep_folder(verb: str, arguments: Sequence[str]) -> Iterator[list[str]]:
    """The override that keeps what Hydra notes of a sweep out of the working directory; of `train` the sweep's folder
    is the place for it.
    """
    if verb == "train" or not {"-m", "--multirun"} & set(arguments):
        yield []
        return
    with TemporaryDirectory() as folder:
        yield [f"hydra.sweep.dir={quoted(folder)}"]


def search_path(arguments: Sequence[str], *, given: bool = False) -> list[str]:
    """The override that makes Hydra search the user's own configs/ too.

    given: also what --config-dir names, for callers without a command line to parse it from.
    """
    if any(argument.startswith("hydra.searchpath=") for argument in arguments):
        return []
    folders = [own] if (own := configs.own_folder()) else []
    if given:
        folders += given_folders(arguments)
    places = ",".join(quoted(f"file://{folder}") for folder in folders)
    return [f"hydra.searchpath=[{places}]"] if folders else []


def given_folders(arguments: Sequence[str]) -> list[Path]:
    """What --config-dir names."""
    return [Path(folder).resolve() for folder in option_values(arguments, "--config-dir", "-cd")]


def option_values(arguments: Sequence[str], *names: str) -> list[str]:
    """What an option is given, behind a space or an equals sign."""
    spaced = [argument for before, argument in pairwise(arguments) if before in names]
    parts = [argument.partition("=") for argument in arguments]
    return [*spaced, *(value for name, equals, value in parts if equals and name in names)]
