"""Settings of features and transforms, checked when they are built."""

from collections.abc import Sequence

from sensorium.errors import RequestError


def number(name: str, value: float, low: float, high: float = float("inf")) -> float:
    """The value; RequestError when it lies outside [low, high]."""
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}, which is not between {low} and {high}.")
    return value


def whole(name: str, value: int, low: int) -> int:
    """The value; RequestError when it is no whole number, or below `low`."""
    if value != int(value) or value < low:
        raise RequestError(f"{name} is {value}: give a whole number from {low} on.")
    return int(value)


def interval(name: str, values: Sequence[float], low: float, high: float = float("inf")) -> tuple[float, float]:
    """Two numbers, the smaller first; RequestError when they are not two, in order, inside [low, high]."""
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        given = ", ".join(str(value) for value in values)
        raise RequestError(f"{name} is [{given}]: give two numbers between {low} and {high}, the smaller first.")
    return values[0], values[1]
