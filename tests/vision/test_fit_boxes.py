"""Boxes and masks go where their images go, and come back."""

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import RequestError
from sensorium.vision.decode import fit_image
from sensorium.vision.fit_boxes import clip_boxes, fit_boxes, fit_mask, unfit_boxes, unfit_mask
from sensorium.vision.palette import distinct_palette, voc_palette

WAYS = ("stretch", "crop", "pad")


@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        ("stretch", [5, 20, 25, 60]),  # halved in width, doubled in height
        ("crop", [-130, 20, -50, 60]),  # doubled, 75 pixels of the original cut on either side
        ("pad", [5, 35, 25, 45]),  # halved, between bands of 30
    ],
)
def test_boxes_by_hand(resize, expected):
    boxes = np.array([[10, 10, 50, 30]], dtype=np.float32)
    fitted = fit_boxes(boxes, size=(40, 200), image_size=(80, 100), resize=resize)
    assert fitted.tolist() == [expected]
    assert fitted.dtype == np.float32


@pytest.mark.parametrize("resize", WAYS)
@pytest.mark.parametrize(("size", "image_size"), [((60, 90), (64, 48)), ((97, 41), (128, 128)), ((33, 33), (50, 77))])
def test_a_box_lies_around_what_it_lay_around(resize, size, image_size):
    box = (size[1] // 3, size[0] // 3, size[1] // 3 + 11, size[0] // 3 + 9)
    picture = np.zeros(size, dtype=np.uint8)
    picture[box[1] : box[3], box[0] : box[2]] = 255
    seen = np.asarray(fit_image(Image.fromarray(picture), image_size=image_size, resize=resize)) > 127
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    (fitted,) = clip_boxes(
        fit_boxes(np.array([box], dtype=np.float32), size=size, image_size=image_size, resize=resize), image_size
    )
    found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(fitted, found, atol=0.75)  # half a pixel for the threshold, and rounding
    mask = fit_mask(picture // 255, image_size=image_size, resize=resize)
    assert ((mask == 1) != seen).sum() <= seen.sum() * 0.1


@pytest.mark.parametrize("resize", WAYS)
def test_what_is_fitted_comes_back(resize):
    boxes = np.array([[50.5, 20, 70, 60], [61, 31, 62, 32]], dtype=np.float32)  # in the middle, which a crop keeps
    how = {"size": (80, 120), "image_size": (64, 64), "resize": resize}
    np.testing.assert_allclose(unfit_boxes(fit_boxes(boxes, **how), **how), boxes, atol=1e-4)
    everything = unfit_boxes(np.array([[0, 0, 64, 64]], dtype=np.float32), **how)
    assert everything.tolist() == [[20, 0, 100, 80] if resize == "crop" else [0, 0, 120, 80]]


def test_no_boxes_stay_none():
    assert fit_boxes(np.zeros((0, 4)), size=(4, 4), image_size=(8, 8), resize="pad").shape == (0, 4)
    with pytest.raises(RequestError, match="no resize 'squeeze'"):
        fit_boxes(np.zeros((0, 4)), size=(4, 4), image_size=(8, 8), resize="squeeze")


def test_masks_by_hand():
    mask = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.uint8)
    assert fit_mask(mask, image_size=(2, 4), resize="crop").tolist() == mask.tolist()
    assert fit_mask(mask, image_size=(2, 2), resize="stretch").tolist() == [[2, 4], [6, 8]]
    assert fit_mask(mask, image_size=(4, 4), resize="stretch")[:, 0].tolist() == [1, 1, 5, 5]
    assert fit_mask(mask, image_size=(2, 2), resize="crop").tolist() == [[2, 3], [6, 7]]
    padded = fit_mask(mask, image_size=(4, 4), resize="pad")
    assert padded.tolist() == [[255] * 4, *mask.tolist(), [255] * 4]
    assert unfit_mask(padded, size=(2, 4), resize="pad").tolist() == mask.tolist()
    cut = unfit_mask(np.array([[2, 3], [6, 7]], dtype=np.uint8), size=(2, 4), resize="crop")
    assert cut.tolist() == [[255, 2, 3, 255], [255, 6, 7, 255]]


def test_palettes():
    assert voc_palette(4) == (0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0)
    assert voc_palette(21)[-3:] == (0, 64, 128)
    colours = np.array(distinct_palette(40)).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == 40
    assert distinct_palette(3, background=True) == (0, 0, 0, *distinct_palette(2))
    assert distinct_palette(0, background=True) == ()
