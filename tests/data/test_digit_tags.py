"""Canvases of digits: the tags are the digits there, and no digit is in two parts."""

import functools
import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sensorium.data.vision import digit_tags
from sensorium.data.vision.digit_tags import DigitTags
from sensorium.errors import RequestError
from sensorium.specs import ImageTaggingSpec
from sensorium.synthetic.canvases import draw_canvas

SETTINGS = {
    "num_train": 60,
    "num_val": 3,
    "num_test": 5,
    "max_digits": 4,
    "image_size": None,
    "resize": "crop",
    "channels": "auto",
    "split_seed": 0,
}


@functools.cache
def load(**changes):
    return DigitTags(**(SETTINGS | changes)).load(on_bad="fail")


class Quiet(np.random.Generator):
    """A generator whose noise is nothing."""

    def normal(self, loc=0.0, scale=1.0, size=None):
        return np.zeros(size)


def test_the_tags_are_the_digits_on_the_canvas():
    digits = load_digits()
    for seed in range(30):
        canvas, tags = draw_canvas(digits.images, digits.target, max_digits=4, random=Quiet(np.random.PCG64(seed)))
        cells = canvas.reshape(2, 12, 2, 12).transpose(0, 2, 1, 3).reshape(4, 12, 12)
        found = sorted(label_of(cell, digits) for cell in cells if cell.any())
        assert found == tags.tolist()
        assert len(set(found)) == len(found)


def label_of(cell, digits):
    """The digit whose image lies somewhere in the cell (12, 12), at some brightness."""
    windows = np.lib.stride_tricks.sliding_window_view(cell, (8, 8)).reshape(-1, 64).astype(float)
    images = digits.images.reshape(-1, 64)
    likeness = (windows @ images.T) / np.linalg.norm(images, axis=1) / np.linalg.norm(cell)
    place, row = np.unravel_index(likeness.argmax(), likeness.shape)
    assert likeness[place, row] > 0.999
    return digits.target[row]


def test_no_digit_is_in_two_parts(monkeypatch):
    given = []

    def draw(digits, labels, **settings):
        given.append({image.tobytes() for image in digits})
        return draw_canvas(digits, labels, **settings)

    monkeypatch.setattr(digit_tags, "draw_canvas", draw)
    DigitTags(**(SETTINGS | {"num_train": 1, "num_val": 1, "num_test": 1})).load(on_bad="fail")
    train, val, test = given
    assert train.isdisjoint(val | test)
    assert val.isdisjoint(test)
    assert len(train | val | test) == len({image.tobytes() for image in load_digits().images})


def test_the_form():
    data = load()
    assert [len(part) for part in (data.train, data.val, data.test)] == [60, 3, 5]
    assert isinstance(data.spec, ImageTaggingSpec)
    assert (data.spec.class_names, data.spec.image_size) == (tuple("0123456789"), (24, 24))
    assert str(data.spec).endswith("24x24 with 1 channel, 10 tags")
    assert (data.test.names[4], DigitTags.task) == ("digit_tags/test[4]", "image_tagging")
    per_canvas = data.train.targets.sum(1)
    assert set(per_canvas.tolist()) == {0, 1, 2, 3, 4}
    pixels = data.train.images.read(np.arange(60)) / 255
    np.testing.assert_allclose([data.spec.mean[0], data.spec.std[0]], [pixels.mean(), pixels.std()])


def test_batches_subsets_and_joined_splits():
    data = load()
    batch = data.train.read(np.array([5, 2]))
    assert batch.images.shape == (2, 1, 24, 24)
    assert batch.targets.tolist() == data.train.targets[[5, 2]].tolist()
    assert batch.indices.tolist() == [5, 2]
    joined = data.val.joined([data.test.subset(np.array([3, 1]))])
    assert joined.names == [*data.val.names, "digit_tags/test[3]", "digit_tags/test[1]"]
    assert np.array_equal(joined.targets[3:], data.test.targets[[3, 1]])
    assert np.array_equal(joined.images.read(np.array([4]))[0], data.test.images.read(np.array([1]))[0])


def test_a_canvas_is_the_same_however_many_there_are():
    few, other = load(num_train=2).train, load(num_train=2, split_seed=1).train
    assert np.array_equal(few.images.read(np.arange(2)), load().train.images.read(np.arange(2)))
    assert np.array_equal(few.targets, load().train.targets[:2])
    assert not np.array_equal(few.images.read(np.arange(2)), other.images.read(np.arange(2)))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("num_train", 0, "dataset.num_train=0: give a whole number, 1 or more."),
        ("max_digits", 5, "dataset.max_digits=5: a canvas has room for 4."),
        ("max_digits", 1.5, "dataset.max_digits=1.5: give a whole number, 1 or more."),
    ],
)
def test_counts_are_checked(key, value, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        DigitTags(**(SETTINGS | {key: value}))
