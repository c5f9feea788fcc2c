"""Arguments as the user types them, for Hydra's grammar: names of files and texts are taken as they are.

Hydra would read brackets, commas, quotes, `$` and `=` in a value as syntax: `input=it's.wav`, `output=talk (1).srt` and
`dataset.path=a, b.csv` are no values to it. What is Hydra's stays so: lists in brackets, quoted values, `${...}`,
`null`, functions such as `choice(a,b)`, and with -m the commas of a sweep. A file that is there by the whole name comes
first.
"""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from sensorium.cli.rules import PATH, PATHS
from sensorium.cli.schema import RULES
from sensorium.files import exists, user_path

_PATH_KEYS = {
    key for rules in RULES.values() for key, rule in rules.items() if rule.allows in (PATH.allows, PATHS.allows)
}
# Files, folders and columns of a dataset.
_DATA_KEY = re.compile(r"column|dataset\.(root|path|train|val|test|\w+_(path|root|json|images|column))")
_PLAIN = re.compile(r"[\w./:@%+-]*")  # the same with quotes and without
_FUNCTION = re.compile(r"(choice|range|interval|glob|sort|shuffle|tag|extend_list|str|int|float|bool)\(.*\)")
# Sizes of synthetic data (dataset.train=200); of a key that names a file these are rejected, with what to write.
_CONSTANT = re.compile(r"(?i)[+-]?\d+|true|false")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
# Between commas: a quoted value, or whatever is there.
_ITEM = re.compile(rf"(?:^|,)\s*({_QUOTED.pattern}(?=\s*(?:,|$))|[^,]*)", re.DOTALL)


def literal(arguments: Sequence[str]) -> list[str]:
    """The same arguments, quoted where Hydra would read something else; once more changes nothing."""
    sweeps = "-m" in arguments or "--multirun" in arguments
    return [_literal(argument, sweeps=sweeps) for argument in arguments]


def quoted(text: str) -> str:
    """A text in quotes, as Hydra's grammar reads it back."""
    doubled = re.sub(r"(\\*)'", r"\1\1\\'", text)
    doubled = re.sub(r"(\\*)\$\{", r"\1\1\\${", doubled)
    return "'" + re.sub(r"(\\+)\Z", r"\1\1", doubled) + "'"


def typed_path(value: str) -> Path:
    """The path that a value names which never reaches Hydra, such as that of resume=."""
    if not exists(Path(value)) and _QUOTED.fullmatch(value):
        value = re.sub(r"\\+(?=['\"]|\Z)", lambda found: found.group()[: len(found.group()) // 2], value[1:-1])
    return user_path(value)


def _literal(argument: str, *, sweeps: bool) -> str:
    key, equals, value = argument.partition("=")
    name = key.lstrip("+")
    if not equals or argument.startswith(("-", "~")):
        return argument
    if name in _PATH_KEYS or _DATA_KEY.fullmatch(name):
        return f"{key}={_path(name, value, sweeps=sweeps)}"
    if value.startswith("~/") and "," not in value and "'" not in value:
        return f"{key}={quoted(_at_home(value))}"
    if _PLAIN.fullmatch(value) or value.startswith(("[", "{")) or _is_readable(argument):
        return argument
    return f"{key}={quoted(value)}"


def _path(name: str, value: str, *, sweeps: bool) -> str:
    """The value of a key that names files, folders or columns."""
    if value in ("", "null"):
        return value
    whole = _at_home(value)
    if exists(Path(whole)) and "\0" not in whole:
        return quoted(whole)
    if _QUOTED.fullmatch(value) or "${" in value or _FUNCTION.fullmatch(value):
        return value
    if value[0] == "[" and value[-1] == "]":
        return value if _is_readable(f"{name}={value}") else f"[{_each(value[1:-1])}]"
    if sweeps and "," in value:
        return _each(value)
    return value if _CONSTANT.fullmatch(value) else quoted(whole)


def _each(values: str) -> str:
    """Values between commas, each in quotes."""
    items = [item.strip() for item in _ITEM.findall(values)]
    return ",".join(item if _QUOTED.fullmatch(item) else quoted(_at_home(item)) for item in items)


def _at_home(value: str) -> str:
    """~/photos with the home folder in it: shells leave ~ alone behind an equals sign."""
    return os.path.expanduser(value)  # noqa: PTH111 (it would lose a slash at the end)


def _is_readable(argument: str) -> bool:
    with suppress(HydraException, ValueError, RecursionError):
        OverridesParser.create().parse_overrides([argument])
        return True
    return False
