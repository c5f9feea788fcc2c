"""Errors, worded so that the user can act on them.

Two kinds, distinguished by exit status: `RequestError` (2) when what was asked cannot be done as asked,
`RunError` (1) when a sound request failed on its way. Both print as one or two lines, never a stack trace.
"""

import difflib
import errno
import re
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 80  # characters of a value that are shown
_LONGEST_PATH = 400
# Control characters, line separators, marks that turn the direction of text around, halves of a character.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class SensoriumError(Exception):
    """Base of every error that is meant to be read by the user."""

    exit_status = 1


class RequestError(SensoriumError):
    """The request was wrong: a name, key, value, path or pairing that cannot work."""

    exit_status = 2


class RunError(SensoriumError):
    """The request was sound and the run failed: a loss that is not a number, a full disk."""

    exit_status = 1


def nearest(given: str, allowed: Iterable[str]) -> str | None:
    """The allowed name closest to the given one, or None when nothing is close."""
    choices = list(allowed)
    given = given[:_LONGEST]
    folded = {choice.lower().replace("-", "_"): choice for choice in choices}
    matches = difflib.get_close_matches(given.lower().replace("-", "_"), folded, n=1, cutoff=0.5)
    return folded[matches[0]] if matches else None


def listing(names: Iterable[str], limit: int = 60) -> str:
    """Names in one line: all of them, or the first `limit` and how many more there are."""
    names = list(names)
    more = f" ... and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def unknown(kind: str, given: str, allowed: Iterable[str]) -> RequestError:
    """The error for a name that does not exist: what was given, the nearest name, what is allowed."""
    choices = sorted(allowed)
    guess = nearest(given, choices)
    hint = f" Did you mean {guess}?" if guess else ""
    return RequestError(f"There is no {kind} {given!r}.{hint}\nAllowed: {listing(choices) or 'none'}.")


def as_typed(value: Any) -> str:
    """A value as it is written on the command line: null, true, [1,2]; on one line, and truncated when it is long."""
    if isinstance(value, list | tuple):
        text = f"[{','.join(as_typed(item) for item in value[:_LONGEST])}]"
    elif isinstance(value, Mapping):
        text = f"{{{','.join(f'{as_typed(key)}:{as_typed(inner)}' for key, inner in value.items())}}}"
    else:
        # An integer of thousands of digits: Python itself rejects to write more than 4,300.
        huge = isinstance(value, int) and value.bit_length() > 1000
        text = "null" if value is None else "a number of many digits" if huge else str(value)
    text = text.lower() if isinstance(value, bool) else " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


LAYOUT = "\n\t"  # control characters that a text of several lines may have


def printable(text: str, *, keep: str = "") -> str:
    """Untrusted text (of a file, its name, a class) as a terminal may show it: what would move the cursor,
    color or hide what follows is written out, as in \\x1b[31m. keep: such characters that stay, as line feeds do.
    """
    return _UNPRINTABLE.sub(lambda found: found.group() if found.group() in keep else _escape(found.group()), text)


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def cut(name: object) -> str:
    """A file name, or what was given as one by mistake: whole as far as it can be one, else cut."""
    text = str(name)
    return text if len(text) <= _LONGEST_PATH else f"{text[:_LONGEST]}..."


def not_possible(key: str, value: Any, allowed: str, choices: Iterable[str] = ()) -> RequestError:
    """The error for a value that a key cannot have. choices: words among which the nearest is named."""
    shown = as_typed(value)
    guess = nearest(shown, choices)
    hint = f" Did you mean {guess}?" if guess else ""
    return RequestError(f"{key}={shown} is not possible.{hint} Allowed: {allowed}.")


# A disk, quota or file size that is used up, or a disk that fails: no other request would have fared better.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def is_full(error: OSError) -> bool:
    """Whether writing failed for want of room, and not because of the place that was asked for."""
    return error.errno in _NO_ROOM


def unwritable(what: str, error: OSError, hint: str = "") -> SensoriumError:
    """The error for something that could not be written: a wrong request, unless the disk is full."""
    kind = RunError if is_full(error) else RequestError
    return kind(f"{what} cannot be written: {error.strerror or error}.{hint and ' '}{hint}")


def missing_extra(package: str, extra: str) -> RequestError:
    """The error for an optional package that is not installed."""
    return RequestError(
        f"This needs the package {package!r}, which is not installed.\nType: pip install 'sensorium[{extra}]'"
    )
