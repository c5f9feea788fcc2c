"""Scenes of digits: what is said of them is what is in them, and no digit is in two parts."""

import functools
import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sensorium.data.vision import digit_scenes
from sensorium.data.vision.digit_scenes import DigitSceneMasks, DigitScenes
from sensorium.errors import RequestError
from sensorium.synthetic import scenes as draw_scenes

SETTINGS = {
    "num_train": 40,
    "num_val": 3,
    "num_test": 5,
    "max_digits": 6,
    "image_size": None,
    "resize": "stretch",
    "channels": "auto",
    "split_seed": 0,
}


@functools.cache
def load(kind=DigitScenes, **changes):
    return kind(**(SETTINGS | changes)).load(on_bad="fail")


def test_boxes_lie_tight_around_the_ink():
    boxes, masks = load().train.read(np.arange(40)), load(DigitSceneMasks).train.read(np.arange(40))
    assert np.array_equal(boxes.images, masks.images)
    alone = 0
    for number in range(40):
        there = boxes.labels[number] >= 0
        labels, corners = boxes.labels[number][there], boxes.boxes[number][there].numpy()
        for label, box in zip(labels.tolist(), corners, strict=True):
            left, top, right, bottom = box.astype(int)
            ink = masks.masks[number].numpy() == label + 1
            assert ink[top:bottom, left:right].any()
            if (overlaps(box, corners) > 0).sum() == 1 and (labels == label).sum() == 1:
                rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
                assert [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] == [left, top, right, bottom]
                alone += 1
            assert 0 <= left < right <= 128
            assert 0 <= top < bottom <= 128
        # Whatever is no digit's ink is background.
        assert set(np.unique(masks.masks[number])) <= {0, *(labels + 1).tolist()}
    assert alone > 40


def overlaps(box, others):
    """What others (n, 4) share with a box, as a share of the smaller one."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(1)
    return sides.clip(0).prod(1) / np.minimum(area, areas)


def test_digits_hide_each_other_a_little_at_most():
    split = load().train
    counts = [len(labels) for labels in split.labels]
    assert (min(counts), max(counts)) == (1, 6)
    shared = [overlaps(box, np.delete(of, i, 0)) for of in split.boxes for i, box in enumerate(of)]
    assert 0 < np.concatenate(shared).max() <= 0.3
    sides = np.concatenate([of[:, 3] - of[:, 1] for of in split.boxes])
    assert sides.min() < 16
    assert sides.max() > 45


def test_no_digit_is_in_two_parts(monkeypatch):
    given = []

    def draw(digits, labels, **settings):
        given.append({image.tobytes() for image in digits})
        return draw_scenes.draw_scene(digits, labels, **settings)

    monkeypatch.setattr(digit_scenes, "draw_scene", draw)
    DigitScenes(**(SETTINGS | {"num_train": 1, "num_val": 1, "num_test": 1})).load(on_bad="fail")
    train, val, test = given
    assert train.isdisjoint(val | test)
    assert val.isdisjoint(test)
    assert len(train | val | test) == len({image.tobytes() for image in load_digits().images})
    assert len(test) == pytest.approx(0.2 * 1797, abs=10)


def test_a_scene_is_the_same_however_many_there_are():
    few, other = load(num_train=2).train, load(num_train=2, split_seed=1).train
    assert np.array_equal(few.images.read(np.arange(2)), load().train.images.read(np.arange(2)))
    assert np.array_equal(few.boxes[1], load().train.boxes[1])
    assert not np.array_equal(few.images.read(np.arange(2)), other.images.read(np.arange(2)))


def test_the_form():
    data = load()
    assert [len(part) for part in (data.train, data.val, data.test)] == [40, 3, 5]
    assert (data.spec.task, data.spec.class_names, data.spec.image_size) == (
        "object_detection",
        tuple("0123456789"),
        (128, 128),
    )
    assert data.test.names[4] == "digit_scenes/test[4]"
    masks = load(DigitSceneMasks).spec
    assert (masks.task, masks.class_names, len(masks.palette)) == (
        "semantic_segmentation",
        ("background", *"0123456789"),
        33,
    )
    assert (DigitScenes.task, DigitSceneMasks.task) == ("detection", "segmentation")
    pixels = data.train.images.read(np.arange(40)) / 255
    np.testing.assert_allclose([data.spec.mean[0], data.spec.std[0]], [pixels.mean(), pixels.std()])


def test_another_size_and_number_of_channels():
    small, whole = load(num_train=1, image_size=64, channels=3), load(num_train=1)
    assert (small.spec.image_size, small.spec.in_channels) == ((64, 64), 3)
    half, full = (data.train.read(np.array([0])) for data in (small, whole))
    assert np.array_equal(half.boxes, full.boxes / 2)
    assert small.train.sizes.tolist() == [[128, 128]]
    assert np.array_equal(small.train.boxes[0], whole.train.boxes[0])


@pytest.mark.parametrize(("key", "value"), [("num_train", 0), ("max_digits", 1.5), ("num_test", -1)])
def test_counts_are_checked(key, value):
    with pytest.raises(RequestError, match=re.escape(f"dataset.{key}={value}: give a whole number, 1 or more.")):
        DigitScenes(**(SETTINGS | {key: value}))
