"""Words and numbers as a report writes them."""

import math
from typing import Any

from sensorium.metric_titles import TITLES

# Metrics whose values are shares, which people read as percent.
_PERCENT = ("accuracy", "balanced_accuracy", "top5_accuracy", "pixel_accuracy", "wer", "cer", "exact")
_POINTS = ("bleu", "chrf")  # from 0 to 100
_LONGEST_NAME = 30  # characters of a file's name
_COUNTS = ("substitutions", "insertions", "deletions")  # metrics that are whole numbers


def cell(value: Any) -> str:
    """A cell of a table: four digits, thousands separated; a dash for what is undefined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.1f}"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) <= 1 else f"{value:.4g}"


def written_number(value: Any) -> float | None:
    """A number, or what a text that is one stands for; None for anything else, and for what is not finite."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def named(metric: str) -> str:
    """A metric as people write it: test/macro_f1 -> macro F1."""
    name = metric.rpartition("/")[2]
    return TITLES.get(name, name.replace("_", " "))


def valued(metric: str, value: float) -> str:
    """A metric's value; a share in percent."""
    if math.isfinite(value) and metric.rpartition("/")[2] in _PERCENT:
        return f"{100 * value:.2f}%"
    if math.isfinite(value) and metric.rpartition("/")[2] in _POINTS:
        return f"{value:.2f}"
    return cell(int(value) if metric.rpartition("/")[2] in _COUNTS and math.isfinite(value) else value)


def count(number: int, word: str) -> str:
    """1 example, 2,000 examples."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """12.3 s, 4 min 5 s, 2 h 3 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def ending(name: str) -> str:
    """The end of a long name, by which files differ."""
    return name if len(name) <= _LONGEST_NAME else f"\N{HORIZONTAL ELLIPSIS}{name[1 - _LONGEST_NAME :]}"
