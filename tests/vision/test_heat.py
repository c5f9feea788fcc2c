"""Heat maps drawn over images: colors by hand, and sizes."""

import numpy as np

from sensorium.vision.heat import Panel, overlay, side_by_side


def test_colors_of_an_overlay():
    """Ground 0.8 * gray + 25; three quarters of the color where the map is strongest."""
    pixels = np.full((1, 4, 3), 100, np.uint8)
    drawn = overlay(pixels, np.array([[1.0, -1.0, 0.0, 0.5]]))
    ground = 105
    assert drawn[0, 2].tolist() == [ground] * 3
    assert drawn[0, 0].tolist() == [round(0.25 * ground + 0.75 * color) for color in (255, 40, 20)]
    assert drawn[0, 1].tolist() == [round(0.25 * ground + 0.75 * color) for color in (30, 90, 255)]
    assert ground < drawn[0, 3, 0] < drawn[0, 0, 0]


def test_a_map_of_nothing_shows_the_image_alone():
    drawn = overlay(np.full((2, 2, 3), 100, np.uint8), np.zeros((2, 2)))
    assert np.unique(drawn).tolist() == [105]


def test_panels_stand_in_rows_and_are_enlarged_without_smoothing():
    panel = Panel(np.full((8, 8, 3), 7, np.uint8), ("title", "a line that is far too long for the panel it stands on"))
    one = side_by_side([panel])
    assert one.size == (224 + 16, 224 + 8 + 36)
    assert one.getpixel((8, 36)) == one.getpixel((8 + 223, 36 + 223)) == (7, 7, 7)
    assert side_by_side([panel] * 6).size == (5 * 232 + 8, 2 * (224 + 8 + 36))
    boxed = side_by_side([panel._replace(box=(2, 2, 4, 4))])
    assert boxed.getpixel((8 + 2 * 28, 36 + 2 * 28)) == (0, 160, 70)
