"""Recordings in a flat array: nothing is lost, padding is zero, and rows can be picked and joined."""

import mmap

import numpy as np
import pytest
from tones import tone

from sensorium.data import spill
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.store import AUDIO, Flat, FlatWriter, packed, padded
from sensorium.data.spill import Spill


def written(arrays, *, width=0) -> Flat:
    held = Spill(AUDIO)
    writer = FlatWriter(held.add)
    for values in arrays:
        writer.add(values if width else packed(values))
    return Flat(held.finish(), **writer.where(), width=width)


EXACT = np.array([-1.0, -0.5, 0.0, 1 / 32768, 32767 / 32768], np.float32)
OTHERS = [np.float32([0.1, 0.3]), np.float32([1.0]), np.float32([-1.5, 0.25, 1e-7]), np.float32([-40000.0])]


def test_sixteen_bits_are_kept_as_such_and_everything_else_as_it_is():
    assert packed(EXACT).tolist() == [-32768, -16384, 0, 1, 32767]
    assert packed(EXACT).dtype == np.int16
    for samples in OTHERS:
        assert packed(samples).dtype == np.float32
    kept = written([EXACT, *OTHERS, EXACT[:3]])
    for row, samples in enumerate([EXACT, *OTHERS, EXACT[:3]]):
        assert np.array_equal(kept.at(row), samples)
        assert kept.at(row).dtype == np.float32
        assert kept.at(row).flags.aligned


def test_a_batch_is_padded_with_zeros():
    kept = written([EXACT, np.float32([0.1, 0.3]), np.empty(0, np.float32)])
    signal, lengths = padded(kept.read(np.array([1, 0, 2])))
    assert signal.dtype == np.float32
    assert lengths.tolist() == [2, 5, 0]
    expected = np.zeros((3, 5), np.float32)
    expected[0, :2], expected[1] = [0.1, 0.3], EXACT
    assert np.array_equal(signal, expected)


def test_features_are_padded_by_frames():
    frames = [np.arange(6, dtype=np.float32).reshape(3, 2), np.ones((1, 2), np.float32)]
    signal, lengths = padded(written(frames, width=2).read(np.array([0, 1])))
    assert signal.shape == (2, 3, 2)
    assert lengths.tolist() == [3, 1]
    assert np.array_equal(signal[0], frames[0])
    assert signal[1].tolist() == [[1, 1], [0, 0], [0, 0]]


def test_many_samples_go_to_a_nameless_file(monkeypatch, cache_home):
    monkeypatch.setattr(spill, "IN_MEMORY", 1000)
    sounds = [tone(100 * n, 0.05 * n) for n in (1, 2, 3)] + [np.float32([0.1])]
    kept = written(sounds)
    assert list((cache_home / "sounds").iterdir()) == []
    assert isinstance(kept.data.base.obj, mmap.mmap)
    for row, samples in enumerate(sounds):
        assert np.array_equal(kept.at(row), samples)


def test_samples_at_hand_are_copied():
    found, samples = AudioListing("made"), tone(100)
    found.add(samples, target=" one ", split="val", speaker="a")
    samples[:] = 0
    assert (found.targets, found.splits.tolist(), found.places[0], found.names[0]) == (
        ["one"],
        [1],
        "made[0]",
        "made[0]",
    )
    assert np.array_equal(found.samples.at(0), tone(100))
    assert found.given == {"train", "val"}


@pytest.mark.parametrize("wrong", [{"start": 1.0}, {"end": 1.0}, {"split": "dev"}])
def test_what_cannot_be_listed(wrong):
    with pytest.raises(ValueError, match=r"one-dimensional|none of"):
        AudioListing("made").add(tone(100), target="one", **wrong)
    with pytest.raises(ValueError, match="one-dimensional"):
        AudioListing("made").add(np.zeros((2, 100), np.float32), target="one")
