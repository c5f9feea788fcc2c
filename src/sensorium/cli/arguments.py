"""What is rejected before Hydra sees it: what is no key=value, no option, or no choice of a group. Imports no torch."""

import re
from collections.abc import Iterator
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sensorium.cli import configs
from sensorium.cli import help as help_pages
from sensorium.errors import RequestError, as_typed, listing, nearest, unknown
from sensorium.files import meant

SEVERAL = ("callbacks", "debug")  # groups whose choices can be put together: callbacks=[ema,early_stopping]
_FLAGS = ("-m", "--multirun", "-r", "--run", "--resolve", "--hydra-help", "--version")
OPTIONS: dict[str, tuple[str, ...]] = {
    "--cfg": ("job", "hydra", "all"),
    "-c": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": (),
    "-p": (),
    "--config-dir": (),
    "-cd": (),
    "--config-name": (),
    "-cn": (),
    "--config-path": (),
    "-cp": (),
}


BY_PATH = ("train", "check")  # verbs that take the path of the data alone


def check_arguments(verb: str, arguments: list[str]) -> None:
    """Rejects what is neither key=value nor an option of Hydra before its parser does, in words."""
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith("-"):
            _check_option(verb, argument, rest)
        elif "=" not in argument and not argument.startswith("~"):
            path = "" if verb not in BY_PATH else f", and no file or folder.{meant(Path(argument))}"
            raise RequestError(
                f"{argument!r} is not key=value{path or '.'} For example: {help_pages.EXAMPLES[verb][1]}"
            )


def _check_option(verb: str, argument: str, rest: Iterator[str]) -> None:
    option, equals, value = argument.partition("=")
    if option in _FLAGS:
        return
    if option not in OPTIONS:
        guess = nearest(option, [*_FLAGS, *OPTIONS])
        hint = f" Did you mean {guess}?" if guess else " Values are given as key=value, without dashes."
        raise RequestError(f"There is no option {option!r}.{hint} See: sensorium {verb} --help")
    given = value if equals else next(rest, "")
    if not given:
        raise RequestError(f"{option} needs a value after it. See: sensorium {verb} --help")
    if OPTIONS[option] and given not in OPTIONS[option]:
        raise unknown(f"{option} of", given, OPTIONS[option])


def check_choices(arguments: list[str]) -> None:
    """Rejects what a config group cannot be: null, a number, several where there is one."""
    groups = configs.groups()
    for argument in arguments:
        key = argument.lstrip("+").partition("=")[0]
        if key.partition("@")[0] in groups and "=" in argument:
            for item in _parsed(argument):
                _check_choice(key, item)


def _parsed(argument: str) -> list[Override]:
    """Nothing where the grammar rejects it: Hydra says so itself."""
    try:
        return OverridesParser.create().parse_overrides([argument])
    except (HydraException, ValueError):
        return []


def _check_choice(key: str, item: Override) -> None:
    group = key.partition("@")[0]
    if item.is_sweep_override():
        return
    value = item.value()
    if isinstance(value, list) and group in SEVERAL and all(isinstance(name, str) for name in value):
        return
    if not isinstance(value, str):
        what = "one of these alone" if isinstance(value, list) else "one of these"
        names = listing(configs.options(group))
        raise RequestError(f"{key}={as_typed(value)} is not possible; choose {what}.\nAllowed: {names}.")
    if not re.fullmatch(r"[\w./@:-]*", value) or value.startswith("_"):  # _NAME is a block that yamls include
        raise unknown(group, value, configs.options(group))
