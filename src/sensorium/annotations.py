"""Values of a config against the annotations of a constructor's parameters: what is allowed, in words. No torch.

Understood are bool, int, float, str, None, Literal, Path, unions, and lists, tuples and mappings of these. A parameter
for an object of some class takes no plain value. Whatever else an annotation says (a callable, a type variable, a name
that exists for the type checker alone) is left to the constructor.
"""

import collections.abc
import math
import os
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union

_SEQUENCES = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
_MAPPINGS = (dict, collections.abc.Mapping)
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    None: "null",
    types.NoneType: "null",
}
# Modules with classes that a plain value may well stand for: names of an enum, seconds of a timedelta.
_STAND_INS = ("collections", "datetime", "decimal", "enum", "fractions", "numbers", "os", "typing", "builtins")
_DEEPEST = 20  # unions inside unions that are put into words


def is_whole(value: Any) -> bool:
    """Whether a value is an integer; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is an integer or float, and not nan; true and false are none."""
    return is_whole(value) or (isinstance(value, float) and not math.isnan(value))


def fits(annotation: Any, value: Any) -> bool:
    """Whether a parameter with this annotation takes the value.

    A float takes an integer; a str takes an integer, for so a name made of digits is read from a config (`as_asked`
    turns it back); a tuple takes a list. A mapping with a `_target_` is an object that is yet to be built.
    """
    if isinstance(value, Mapping) and "_target_" in value:
        return annotation not in (bool, int, float, str, None, types.NoneType)
    if annotation in (None, types.NoneType):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is int:
        return is_whole(value)
    if annotation is float:
        return is_number(value)
    if annotation is str:
        return isinstance(value, str) or is_whole(value)
    if annotation is Path:
        return isinstance(value, str | Path)
    return _fits_compound(annotation, value)


def _fits_compound(annotation: Any, value: Any) -> bool:
    """As `fits`, for literals, unions and collections."""
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is Literal:
        return any(type(choice) is type(value) and choice == value for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(fits(inner, value) for inner in arguments)
    if origin in _SEQUENCES:
        if not isinstance(value, list | tuple):
            # Not what a config can say: an object that was built.
            return not isinstance(value, bool | int | float | str | Mapping | None)
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            return len(value) == len(arguments) and all(map(fits, arguments, value))
        return not arguments or all(fits(arguments[0], item) for item in value)
    if origin in _MAPPINGS:
        if not isinstance(value, Mapping):
            return not isinstance(value, bool | int | float | str | list | tuple | None)
        inner = arguments or (Any, Any)
        return all(fits(inner[0], key) and fits(inner[1], item) for key, item in value.items())
    return not (_is_object(annotation) and isinstance(value, bool | int | float | str | None))


def _is_object(annotation: Any) -> bool:
    """Whether an annotation is a class whose objects no plain value can stand for."""
    if not isinstance(annotation, type) or annotation.__module__.partition(".")[0] in _STAND_INS:
        return False
    return not issubclass(annotation, bool | int | float | str | os.PathLike | Enum)


def as_asked(annotation: Any, value: Any) -> Any:
    """A value that fits, with an integer written out where only text is asked for (`dataset.text_column=0`)."""
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if is_whole(value):
        options = arguments if origin in (Union, types.UnionType) else (annotation,)
        known = all(option in (str, None, types.NoneType) for option in options)
        return str(value) if str in options and known else value
    if origin in _SEQUENCES and isinstance(value, list) and arguments:
        return [as_asked(arguments[0], item) for item in value]
    return value


def described(annotation: Any, depth: int = 0) -> str:
    """What an annotation allows, in words: "a whole number or null"."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is Literal:
        return ", ".join(str(choice) for choice in arguments)
    if origin in (Union, types.UnionType) and depth < _DEEPEST:
        return " or ".join(dict.fromkeys(described(inner, depth + 1) for inner in arguments if inner is not Any))
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return f"[{', '.join(described(inner, depth + 1) for inner in arguments)}]"
    if origin in _SEQUENCES:
        return f"a list, each {described(arguments[0], depth + 1)}" if arguments else "a list"
    if origin in _MAPPINGS:
        return "keys with values"
    return "an object: a section with a _target_" if _is_object(annotation) else "another value"


def choices(annotation: Any) -> tuple[str, ...]:
    """The words that an annotation allows, for the nearest one to be guessed."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return tuple(choice for choice in arguments if isinstance(choice, str))
    return tuple(word for inner in arguments for word in choices(inner) if origin in (Union, types.UnionType))
