"""Charts: places of points and round numbers along the axes."""

import math

import pytest

from sensorium.report_sections import Chart, Series
from sensorium.reports.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw, ticks


def chart(*series: Series, **more) -> Chart:
    return Chart(title="t", series=series, x_label="x", y_label="y", **more)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 0.001, ["0.0000", "0.0002", "0.0004", "0.0006", "0.0008", "0.0010"]),
        (0, 250_000, ["0", "5e+04", "1e+05", "1.5e+05", "2e+05", "2.5e+05"]),
        (3, 17, ["5", "10", "15"]),
    ],
)
def test_ticks_are_round(low, high, labels):
    assert [label for _, label in ticks(low, high)] == labels


def test_epochs_have_whole_numbers():
    assert [label for _, label in ticks(1, 2, whole=True)] == ["1", "2"]


def test_points_are_where_they_belong():
    drawing = draw(chart(Series(name="a", points=[[0, 0], [1, 1]]), x_range=[0, 1], y_range=[0, 1]))
    assert drawing is not None
    assert drawing.shapes[0].path == f"M{float(LEFT)} {float(HEIGHT - BOTTOM)}L{float(WIDTH - RIGHT)} {float(TOP)}"


def test_what_is_no_number_is_not_drawn():
    drawing = draw(chart(Series(name="a", points=[[1, math.nan], [2, 5.0], [3, math.inf]])))
    assert drawing is not None
    assert len(drawing.shapes[0].circles) == 1
    assert draw(chart(Series(name="a", points=[[1, math.nan]]))) is None
    assert draw(chart()) is None


def test_bars_stand_on_zero():
    drawing = draw(chart(Series(name="a", kind="bars", points=[[0.25, 2], [0.75, 4]]), y_range=[0, 4]))
    assert drawing is not None
    (_, y, _, height), (_, top, _, whole) = drawing.shapes[0].bars
    assert (y + height, top, whole) == (HEIGHT - BOTTOM, TOP, HEIGHT - TOP - BOTTOM)
    assert height == whole / 2
