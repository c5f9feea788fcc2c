"""Settings of transforms, checked when they are built."""

from collections.abc import Sequence

from sensorium.errors import RequestError


def number(name: str, value: float, low: float, high: float = float("inf")) -> float:
    """The value; RequestError when it lies outside [low, high]."""
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}, which is not between {low} and {high}.")
    return value


def interval(name: str, values: Sequence[float], low: float, high: float = float("inf")) -> tuple[float, float]:
    """Two numbers, the smaller first; RequestError when they are not two, in order, inside [low, high]."""
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        given = ", ".join(str(value) for value in values)
        raise RequestError(f"{name} is [{given}]: give two numbers between {low} and {high}, the smaller first.")
    return values[0], values[1]


def length(name: str, value: float) -> float:
    """A length for `pixels`; RequestError when it is negative, or 1 or more and not whole."""
    if value < 0 or (value >= 1 and value != int(value)):
        raise RequestError(f"{name} is {value}: give a share of the side (0 to below 1) or whole pixels (1, 2, ...).")
    return value


def pixels(value: float, side: int) -> int:
    """A length below 1 is a share of the side, rounded to whole pixels with halves up; from 1 on it is in pixels."""
    return int(value * side + 0.5) if value < 1 else int(value)
