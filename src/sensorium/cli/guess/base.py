"""A guess, the equivalent overrides, and the choice among several."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sensorium.cli.literal import quoted
from sensorium.errors import RequestError


class Guess(NamedTuple):
    """what: a folder or file was taken for. overrides: that say the same."""

    what: str
    overrides: tuple[str, ...]


def one_of(path: Path, guesses: Sequence[Guess], rest: Sequence[str], *, otherwise: str, verb: str = "train") -> Guess:
    """The only guess. Raises RequestError for none, with `otherwise`, and for several, with the command of the first
    two and the other arguments, `rest`.
    """
    if not guesses:
        raise RequestError(f"The kind of data in {path} is not recognized: {otherwise}")
    if len(guesses) > 1:
        first, second = (
            f"{guess.what}: {command((*of_verb(guess.overrides, verb), *rest), verb)}" for guess in guesses[:2]
        )
        raise RequestError(f"{path} may hold {first}\nor {second}")
    return guesses[0]


def of_verb(overrides: Sequence[str], verb: str) -> list[str]:
    """Those that a verb takes: all of them for a training, those about data for the others."""
    return [one for one in overrides if verb == "train" or one.startswith("dataset")]


def command(overrides: Iterable[str], verb: str = "train") -> str:
    """The line that the user types."""
    return " ".join([f"sensorium {verb}", *(shown(argument) for argument in overrides)])


def shown(argument: str) -> str:
    """An override as a line in a shell has it."""
    return argument if re.fullmatch(r"[\w@%+=:,./-]+", argument) else "'" + argument.replace("'", "'\\''") + "'"


def override(key: str, value: Path | str | Sequence[str]) -> str:
    """dataset.KEY=VALUE, quoted for Hydra's grammar where it needs to be."""
    if isinstance(value, Path | str):
        return f"dataset.{key}={_quoted(str(value))}"
    return f"dataset.{key}=[{','.join(_quoted(item) for item in value)}]"


def _quoted(text: str) -> str:
    plain = bool(re.fullmatch(r"[\w./-]+", text)) and text.lower() not in ("null", "true", "false")
    with suppress(ValueError):
        float(text)
        plain = False  # Hydra would make a number of it
    return text if plain else quoted(text)


def with_columns(dataset: str, path: Path, **columns: tuple[str, str]) -> tuple[str, ...]:
    """Overrides for a table. columns: its name and the dataset's own name for it, by key; equal ones need no word."""
    chosen = [override(key, name) for key, (name, usual) in columns.items() if name != usual]
    return (f"dataset={dataset}", override("path", path), *chosen)
