"""Where things of a chart are: from numbers to places in an SVG of fixed size, which the templates write."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.report_sections import Chart, Series

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 40
_MOST_POINTS = 1500  # that are drawn of one series


@dataclass(frozen=True)
class Tick:
    """A place along an axis, and the number there."""

    at: float
    label: str


@dataclass(frozen=True)
class Shape:
    """A series in places: path for lines, circles (x, y) for points, bars (x, y, width, height). place: its color."""

    name: str
    kind: str
    place: int
    path: str = ""
    circles: Sequence[tuple[float, float]] = ()
    bars: Sequence[tuple[float, float, float, float]] = ()


@dataclass(frozen=True)
class Drawing:
    """A chart ready to be written. description: for those who do not see it."""

    chart: Chart
    shapes: Sequence[Shape]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    marked: float | None
    description: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM
    top: int = TOP
    right: int = WIDTH - RIGHT


def draw(chart: Chart) -> Drawing | None:
    """None for a chart without a finite point."""
    series = [_finite(one) for one in chart.series]
    points = [point for one in series for point in one.points]
    if not points:
        return None
    bars = any(one.kind == "bars" for one in series)
    low_x, high_x = _range([x for x, _ in points], chart.x_range)
    low_y, high_y = _range([y for _, y in points] + ([0.0] if bars else []), chart.y_range, padded=not bars)
    x_ticks, y_ticks = ticks(low_x, high_x, whole=_whole(points)), ticks(low_y, high_y)

    def x_of(value: float) -> float:
        return round(LEFT + (value - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT), 1)

    def y_of(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low_y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM), 1)

    shapes = []
    for place, one in enumerate(series):
        places = [(x_of(x), y_of(y)) for x, y in one.points]
        path = _path(places, one.kind) if one.kind in ("line", "dashed", "steps") else ""
        few = one.kind == "line" and len(places) <= 30
        drawn = [(x, y, *_bar(x, y, places, y_of(max(low_y, 0.0)))) for x, y in places] if one.kind == "bars" else []
        rectangles = [(x - width / 2, y, width, height) for x, y, width, height in drawn]
        circles = places if one.kind == "points" or few else ()
        shapes.append(Shape(one.name, one.kind, place, path, circles, rectangles))
    return Drawing(
        chart,
        shapes,
        [Tick(x_of(value), label) for value, label in x_ticks],
        [Tick(y_of(value), label) for value, label in y_ticks],
        None if chart.marked is None else x_of(chart.marked),
        _described(chart, series),
    )


def _path(places: Sequence[tuple[float, float]], kind: str) -> str:
    if kind == "steps":
        first, *later = places or [(0.0, 0.0)]
        return f"M{first[0]} {first[1]}" + "".join(f"H{x}V{y}" for x, y in later) if places else ""
    return "M" + "L".join(f"{x} {y}" for x, y in places) if places else ""


def ticks(low: float, high: float, *, whole: bool = False) -> list[tuple[float, str]]:
    """About five round numbers from low to high, with their labels."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 5.5:
            step *= factor
            break
    if whole:
        step = max(1.0, step)
    first, count = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    large = max(abs(low), abs(high)) >= 1e5 or digits > 5
    return [(n * step, f"{n * step:.3g}" if large else f"{n * step + 0.0:.{digits}f}") for n in range(first, count + 1)]


def _range(values: Sequence[float], given: Sequence[float] | None, *, padded: bool = False) -> tuple[float, float]:
    """Never empty."""
    low, high = (min(values), max(values)) if given is None else (float(given[0]), float(given[1]))
    if high <= low:
        spread = abs(low) * 0.1 or 0.5
        return low - spread, high + spread
    margin = 0.04 * (high - low) if padded and given is None else 0.0
    return low - margin, high + margin


def _whole(points: Sequence[Sequence[float]]) -> bool:
    return all(float(x).is_integer() for x, _ in points)


def _bar(x: float, y: float, places: Sequence[tuple[float, float]], zero: float) -> tuple[float, float]:
    """Width and height of a bar; as wide as the closest two are apart."""
    steps = [b[0] - a[0] for a, b in itertools.pairwise(places) if b[0] > a[0]]
    return max(2.0, min(steps, default=24.0) - 2), max(0.5, round(zero - y, 1))


def _finite(series: Series) -> Series:
    """Without points that are no numbers, and of many points evenly spaced ones."""
    points = [(float(x), float(y)) for x, y in series.points if math.isfinite(x) and math.isfinite(y)]
    if len(points) > _MOST_POINTS:
        points = [points[len(points) * place // _MOST_POINTS] for place in range(_MOST_POINTS)]
    return Series(name=series.name, points=points, kind=series.kind)


def _described(chart: Chart, series: Sequence[Series]) -> str:
    parts = [f"{chart.y_label} by {chart.x_label}."]
    for one in series:
        if one.points and one.kind != "dashed":
            (x, y), values = one.points[-1], [value for _, value in one.points]
            parts.append(
                f"{one.name}: {len(one.points)} values from {min(values):.4g} to {max(values):.4g}, "
                f"the last {y:.4g} at {x:.4g}."
            )
    return " ".join(parts)
