"""What goes wrong, said so that a person can act on it.

Two kinds, told apart by exit status: `RequestError` (2) when what was asked cannot be done as asked,
`RunError` (1) when a sound request failed on its way. Both print as one or two lines, never a stack trace.
"""

import difflib
from collections.abc import Iterable


class SensoriumError(Exception):
    """Base of every error that is meant to be read by a person."""

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


def missing_extra(package: str, extra: str) -> RequestError:
    """The error for an optional package that is not installed."""
    return RequestError(
        f"This needs the package {package!r}, which is not installed.\nType: pip install 'sensorium[{extra}]'"
    )
