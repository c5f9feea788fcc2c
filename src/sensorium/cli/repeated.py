"""One key several times in a row, which a shell makes of braces without quotes. No Hydra: every verb is checked."""

import os
from collections.abc import Sequence
from itertools import groupby

from sensorium.errors import RequestError, cut, listing

_FEW = 5  # values that a message repeats


def check_once(verb: str, arguments: Sequence[str]) -> None:
    """Rejects one key in several arguments in a row, which a shell makes of braces without quotes.

    Elsewhere a later value counts, as in Hydra: what follows a command that is stored, or "$@" in a script, changes it.
    """
    for key, group in groupby(arguments, key=_key):
        values = [argument.partition("=")[2] for argument in group]
        if key and len(values) > 1:
            times = "twice" if len(values) == 2 else f"{len(values)} times"
            raise RequestError(
                f"{key}= is given {times} in a row, and one value counts: {listing(map(cut, values), limit=3)}.\n"
                f"{_meant_once(verb, key, values)}"
            )


def _key(argument: str) -> str:
    """Of key=value; "" for others, which may repeat."""
    key, equals, _ = argument.lstrip("+").partition("=")
    return "" if not equals or key.startswith(("-", "~")) else key


def _meant_once(verb: str, key: str, values: Sequence[str]) -> str:
    """What to write instead."""
    if key == "dataset.root" and (pattern := _before_the_shell(values)):
        return f"Quote the braces, or the shell writes them out: '{key}=\"{pattern}\"'"
    if verb == "train" and len(values) <= _FEW:
        return f"Give it once; for a training with each value: sensorium train -m {key}={','.join(values)}"
    return "Give it once. Braces that are not meant for the shell need quotes."


def _before_the_shell(values: Sequence[str]) -> str:
    """The pattern with braces that a shell makes these values of; "" for values that share no part."""
    common = os.path.commonprefix  # of texts, letter by letter
    start = common(values).rstrip("0123456789")
    end = common([value[len(start) :][::-1] for value in values])[::-1].lstrip("0123456789")
    inner = [value[len(start) : len(value) - len(end)] for value in values]
    if not start and not end:
        return ""
    first, last = inner[0], inner[-1]
    if first.isdecimal() and inner == [str(int(first) + place).zfill(len(first)) for place in range(len(inner))]:
        return f"{start}{{{first}..{last}}}{end}"
    return f"{start}{{{','.join(inner)}}}{end}" if len(inner) <= _FEW else ""
