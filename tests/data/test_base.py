"""Stores, statistics and the report of problems."""

from dataclasses import dataclass

import numpy as np
import pytest

from sensorium.data.base import Problem, refuse
from sensorium.data.settings import HoldOut
from sensorium.data.vision.image_settings import ImageSettings, parse_size
from sensorium.data.vision.store import ArrayStore, channel_statistics
from sensorium.errors import RequestError

SETTINGS = {
    "resize": "crop",
    "channels": "auto",
    "image_size": None,
    "val_fraction": 0.1,
    "test_fraction": 0.1,
    "split_seed": 0,
}


@dataclass(frozen=True, kw_only=True)
class Held(ImageSettings, HoldOut):
    """Two groups of settings together: each checks its own."""


PIXELS = np.random.default_rng(0).integers(0, 256, (20, 1, 4, 6), dtype=np.uint8)


def store(pixels=PIXELS, image_size=None, channels="auto"):
    return ArrayStore(pixels, image_size=image_size, channels=channels, resize="crop")


def test_a_store_gives_the_rows_asked_for():
    rows = np.array([3, 3, 19, 0])
    read = store().read(rows)
    np.testing.assert_array_equal(read, PIXELS[rows])
    assert store().shape == (1, 4, 6)
    read[:] = 0
    assert PIXELS[rows].any()


def test_a_store_changes_size_and_channels_as_it_reads():
    grown = store(image_size=(8, 8), channels=3)
    assert grown.shape == (3, 8, 8)
    read = grown.read(np.arange(5))
    assert read.shape == (5, 3, 8, 8)
    np.testing.assert_array_equal(read[:, 0], read[:, 2])
    assert 0 < abs(read.mean() - PIXELS[:5].mean()) < 12
    np.testing.assert_array_equal(store(channels=3).read(np.arange(2)), PIXELS[:2].repeat(3, axis=1))


def test_a_subset_counts_its_own_rows():
    part = store().subset(np.array([5, 7, 2]))
    assert (len(part), part.shape) == (3, (1, 4, 6))
    np.testing.assert_array_equal(part.read(np.array([2, 0])), PIXELS[[2, 5]])


def test_mean_and_deviation_by_hand():
    pixels = np.zeros((2, 2, 1, 2), dtype=np.uint8)
    pixels[:, 0] = [[[0, 255]], [[0, 255]]]
    pixels[:, 1] = 51
    mean, std = channel_statistics(store(pixels))
    assert mean == pytest.approx((0.5, 0.2))
    assert std == pytest.approx((0.5, 1.0))  # a channel that never changes is divided by 1


def test_statistics_of_many_pictures_come_from_ten_thousand(monkeypatch):
    pixels = np.random.default_rng(1).integers(0, 256, (10_500, 3, 2, 2), dtype=np.uint8)
    counted = []
    whole = store(pixels)
    monkeypatch.setattr(whole, "read", lambda rows: (counted.extend(rows), pixels[rows])[1])
    mean, std = channel_statistics(whole)
    assert len(set(counted)) == len(counted) == 10_000
    assert channel_statistics(whole) == (mean, std)
    exact = pixels / 255
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 2, 3)), atol=0.005)
    np.testing.assert_allclose(std, exact.std(axis=(0, 2, 3)), atol=0.005)


def test_problems_stop_the_run_and_the_first_ten_are_told():
    problems = [Problem(f"file{i}.png", "broken" if i < 9 else f"broken at {i}") for i in range(12)]
    with pytest.raises(RequestError) as caught:
        refuse(problems, on_bad="fail")
    lines = str(caught.value).splitlines()
    assert lines[0] == "The data has 12 problems; on_bad=skip skips and lists the bad ones:"
    assert lines[1:] == [
        f"  {', '.join(f'file{i}.png' for i in range(9))}: broken",
        "  file9.png: broken at 9 ... and 2 more",
    ]
    refuse(problems, on_bad="skip")
    refuse([], on_bad="fail")
    with pytest.raises(RequestError, match="The data has 1 problem;"):
        refuse(problems[:1], on_bad="fail")
    with pytest.raises(RequestError, match=r"no on_bad 'skipp'. Did you mean skip"):
        refuse([], on_bad="skipp")


def test_sizes():
    assert (parse_size(None), parse_size(32), parse_size([4, 6])) == (None, (32, 32), (4, 6))
    for wrong in (0, -1, [1, 2, 3], [0, 5], 1.5, "big"):
        with pytest.raises(RequestError, match="give a side in pixels such as 32"):
            parse_size(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize": "crup"}, "no resize 'crup'. Did you mean crop"),
        ({"channels": 4}, "no number of channels '4'.\nAllowed: 1, 3, auto"),
        ({"val_fraction": 0}, "dataset.val_fraction=0 leaves a split empty"),
        ({"val_fraction": 1.0}, "dataset.val_fraction=1.0 leaves a split empty"),
    ],
)
def test_settings_that_cannot_be(change, message):
    with pytest.raises(RequestError, match=message):
        Held(**SETTINGS | change)
