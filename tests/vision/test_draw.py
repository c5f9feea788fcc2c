"""Boxes on an image."""

import numpy as np

from sensorium.vision.draw import draw_boxes

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_a_box_has_its_colour_and_its_place() -> None:
    picture = np.full((3, 60, 80), 200, dtype=np.uint8)
    boxes = np.array([[20.2, 30.4, 50.0, 55.0], [-3.0, 0.0, 80.0, 60.0]])
    drawn = np.asarray(draw_boxes(picture, boxes, ["", ""], [RED, BLUE]))
    assert drawn.shape == (60, 80, 3)
    assert picture.min() == 200
    inside = np.zeros((60, 80), dtype=bool)
    inside[30:55, 20:50] = True
    red = (drawn == RED).all(axis=2)
    assert red[30, 20:50].all()
    assert red[54, 20:50].all()
    assert red[30:55, [20, 49]].all()
    assert not red[31:54, 21:49].any()
    assert (drawn[59, 5:75] == BLUE).all()
    assert (drawn[40, 30] == 200).all()


def test_a_text_stays_in_the_picture() -> None:
    picture = np.zeros((3, 40, 60), dtype=np.uint8)
    drawn = np.asarray(draw_boxes(picture, np.array([[55.0, 0, 60, 5]]), ["platelet"], [RED]))
    label = (drawn[:, :50] == RED).all(axis=2)  # all of it lies to the left of the box
    assert label.any()
    assert (drawn[:14, :50] == 255).all(axis=2).sum() + label.sum() > 200
