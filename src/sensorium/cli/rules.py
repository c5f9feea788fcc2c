"""The kinds of value that a key can have: each a rule that says what it allows, and how it is described."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sensorium.annotations import is_number, is_whole
from sensorium.errors import RequestError, listing, not_possible

MOST = 2**31 - 1  # of what is counted: examples, steps, epochs, layers
LARGEST = 1e300  # of what is measured: finite, and with room to compute


@dataclass(frozen=True)
class Rule:
    """What values a key can have.

    allows: whether a value can be. said: what can, in words. choices: words that are allowed as well. null: whether
    null is. limit: the largest number, which is stated only where it is exceeded.
    """

    allows: Callable[[Any], bool]
    said: str = ""
    choices: tuple[str, ...] = ()
    null: bool = False
    limit: float | None = None

    def check(self, key: str, value: Any) -> None:
        """Raises RequestError for a value that cannot be, with the nearest word and what can."""
        if value is None and self.null:
            return
        if isinstance(value, str) and value in self.choices:
            return
        if value == "" and not self.allows(value):
            raise RequestError(f"{key} is empty: give {self.said or listing(self.choices)}.")
        beyond = self.limit is not None and is_number(value) and value > self.limit
        if self.allows(value) and not beyond:
            return
        said = f"{self.said} to {self.limit:,.15g}" if beyond else self.said
        words = " or ".join(part for part in (said, listing(self.choices)) if part)
        raise not_possible(key, value, f"{words}, or null" if self.null else words, self.choices)


def or_null(rule: Rule) -> Rule:
    """The same, or null."""
    return replace(rule, null=True)


def one_of(*words: str) -> Rule:
    """One of these words."""
    return Rule(lambda value: False, choices=words)


def whole(least: int, *words: str, most: int = MOST) -> Rule:
    """A whole number in a range, or one of these words."""
    return Rule(lambda value: is_whole(value) and value >= least, f"a whole number from {least}", words, limit=most)


def number(least: float | None, said: str, *words: str, above: bool = False) -> Rule:
    """A finite number from `least`, or above it, or one of these words."""

    def allows(value: Any) -> bool:
        if not is_number(value) or not -LARGEST <= value <= LARGEST:
            return False
        return least is None or (value > least if above else value >= least)

    return Rule(allows, said, words)


def share(said: str, *, zero: bool = False, one: bool = True) -> Rule:
    """A number from 0 to 1, or with one or both ends excluded."""

    def allows(value: Any) -> bool:
        return is_number(value) and 0 <= value <= 1 and (zero or value > 0) and (one or value < 1)

    return Rule(allows, said)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _is_paths(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_path, value))


def _is_day(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return False
    try:
        return bool(date.fromisoformat(value))
    except ValueError:
        return False


DAY = Rule(_is_day, "a day as YYYY-MM-DD")
SWITCH = Rule(lambda value: isinstance(value, bool), "true or false")
SEED = Rule(lambda value: is_whole(value) and -(2**63) <= value < 2**63, "a whole number of at most 63 bits")
PATH = Rule(_is_path, "a path; ./5 for a file or folder named 5")
PATHS = Rule(lambda value: _is_path(value) or _is_paths(value), "a path, or several as [a,b]; ./5 for one named 5")
NAME = Rule(lambda value: _is_path(value) or (is_whole(value) and 0 <= value <= MOST), "a name, such as text or 0")
TEXT = Rule(lambda value: isinstance(value, str) and "\0" not in value, "text")
ONE_UP = whole(1)
POSITIVE = number(0, "a number above 0", above=True)
ACCELERATOR = one_of("auto", "cpu", "gpu", "mps")
