"""The three kinds of cache give the same; what is kept is found again, and built anew when something changes."""

import mmap
import os

import numpy as np
import pytest
import soundfile
import torch
from tones import FEATURES, RATE, SOUND, labeled, tone, write

from sensorium.audio.features import Features
from sensorium.data.audio import cache, scan
from sensorium.data.audio.cache import decode_all
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.store import padded
from sensorium.data.order import BatchPlan
from sensorium.errors import RunError

HOW = {"sample_rate": RATE, **FEATURES}


@pytest.fixture
def listed(tmp_path):
    """Files of 16 bits, of floating point, of another rate and two channels, a piece of one, and samples at hand."""
    found = AudioListing(tmp_path)
    found.add(write(tmp_path / "a.wav", tone(300, 0.31)), target="a")
    found.add(write(tmp_path / "b.wav", 0.1 * tone(500, 0.2), subtype="FLOAT"), target="b")
    stereo = np.stack([tone(300, rate=16000), tone(700, rate=16000)], axis=1)
    found.add(write(tmp_path / "c.flac", stereo, rate=16000), target="a")
    found.add(tmp_path / "a.wav", target="b", start=0.1, end=0.2)
    found.add(tone(900, 0.15), target="a")
    found.add(tmp_path / "missing.wav", target="b")
    return found


def heard(found, kind, **changes):
    return decode_all(found, features=HOW | changes, cache=kind, max_seconds=10)


def entries(cache_home):
    return [path for path in (cache_home / "sounds").iterdir() if path.is_dir()]


def test_files_are_brought_to_one_rate_and_one_channel(listed):
    found = heard(listed, "samples")
    assert found.facts.samples.tolist() == [2480, 1600, 1600, 800, 1200, 0]
    assert found.facts.rates.tolist() == [8000, 8000, 16000, 8000, 0, 0]
    assert list(found.facts.wrong) == [5]
    assert np.array_equal(found.source.at(0), tone(300, 0.31))
    assert np.array_equal(found.source.at(3), tone(300, 0.31)[800:1600])
    assert np.array_equal(found.source.at(4), tone(900, 0.15))
    mean = (tone(300) + tone(700)) / 2  # below 4 kHz, so that resampling changes little in the middle
    assert np.abs(found.source.at(2) - mean)[50:-50].max() < 2e-3


def test_the_three_kinds_are_equal(listed, cache_home):
    rows = np.array([3, 0, 2, 1, 4])
    stores = {kind: heard(listed, kind).source.subset(rows) for kind in ("samples", "features", "none")}
    everything = np.arange(len(rows))
    samples, lengths = padded(stores["samples"].read(everything))
    again, again_lengths = padded(stores["none"].read(everything))
    assert np.array_equal(samples, again)
    assert np.array_equal(lengths, again_lengths)
    features, frames = padded(stores["features"].read(everything))
    extractor = Features(**HOW)
    expected, expected_frames = extractor(torch.from_numpy(samples), torch.from_numpy(lengths))
    assert frames.tolist() == expected_frames.tolist() == extractor.frames(torch.from_numpy(lengths)).tolist()
    found, _ = extractor(torch.from_numpy(features), torch.from_numpy(frames))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert len(entries(cache_home)) == 2


def test_batches_are_the_same_whatever_is_kept(tmp_path):
    def batches(kind):
        found = AudioListing(tmp_path)
        for n in range(12):
            found.add(tone(100 + 10 * n, 0.1 + 0.02 * n), target="ab"[n % 2])
        data = labeled(found, "fail", **SOUND | {"sample_rate": RATE, "cache": kind})
        order = data.train.order(BatchPlan(size=4, tokens=60, shuffle=True, seed=0))
        assert sorted(data.train.durations.tolist() + data.val.durations.tolist() + data.test.durations.tolist()) == (
            [round(RATE * (0.1 + 0.02 * n)) / RATE for n in range(12)]
        )
        return [data.train.read(rows) for rows in order.batches()]

    for one, other in zip(batches("samples"), batches("features"), strict=True):
        assert one.signal.ndim == 2
        assert other.signal.ndim == 3
        assert other.signal.shape[0] * other.signal.shape[1] <= 60
        assert torch.equal(one.indices, other.indices)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(Features(**HOW).frames(one.lengths), other.lengths)


@pytest.mark.parametrize("kind", ["samples", "features"])
def test_a_second_load_decodes_nothing(listed, monkeypatch, kind):
    first = heard(listed, kind)
    monkeypatch.setattr(scan.Decoder, "scan", lambda *_, **__: pytest.fail("built anew"))
    second = heard(listed, kind)
    assert isinstance(second.source.data.base.obj, mmap.mmap)
    assert second.facts.wrong == first.facts.wrong
    for name in ("samples", "rates", "digests", "clipped"):
        assert np.array_equal(getattr(second.facts, name), getattr(first.facts, name))
    for row in range(5):
        assert np.array_equal(second.source.at(row), first.source.at(row))
    if kind == "features":  # normalisation comes after
        heard(listed, kind, normalise="none")


def test_what_changes_is_decoded_again(listed, tmp_path, cache_home):
    heard(listed, "samples")
    heard(listed, "samples", num_mels=5)  # which samples do not depend on
    assert len(entries(cache_home)) == 1
    write(tmp_path / "a.wav", tone(350, 0.31))
    os.utime(tmp_path / "a.wav", (1, 1))
    assert np.array_equal(heard(listed, "samples").source.at(0), tone(350, 0.31))
    slower = heard(listed, "samples", sample_rate=4000)
    assert slower.facts.samples[:4].tolist() == [1240, 800, 800, 400]
    assert len(entries(cache_home)) == 3


def test_another_piece_of_a_file_is_another_entry(tmp_path):
    write(tmp_path / "a.wav", tone(300))
    for start, end in ((0.0, 0.1), (0.05, 0.1), (0.05, None)):
        found = AudioListing(tmp_path)
        found.add(tmp_path / "a.wav", target="a", start=start, end=end)
        expected = tone(300)[round(start * RATE) : end and round(end * RATE)]
        assert np.array_equal(heard(found, "samples").source.at(0), expected)


def test_an_entry_that_was_cut_off_is_built_anew(listed, cache_home):
    first = heard(listed, "samples").source.at(2).copy()  # the mapping is about to lose its file
    (entry,) = entries(cache_home)
    os.truncate(entry / "rows", 100)
    assert np.array_equal(heard(listed, "samples").source.at(2), first)


def test_samples_at_hand_need_no_entry(cache_home):
    found = AudioListing("made")
    found.add(tone(100), target="a")
    assert heard(found, "samples").source is found.samples
    assert heard(found, "none").source is found.samples
    assert not (cache_home / "sounds").exists()


def test_the_longest_unused_entry_makes_room(listed, cache_home, monkeypatch):
    heard(listed, "samples")
    (entry,) = entries(cache_home)
    size = sum(path.stat().st_size for path in entry.iterdir())
    monkeypatch.setattr(cache, "_LIMIT", 2 * size - 1)
    heard(listed, "samples", sample_rate=8001)
    assert not entry.exists()
    assert len(entries(cache_home)) == 1


def test_long_recordings_are_not_decoded(listed, monkeypatch):
    monkeypatch.setattr(scan, "read", lambda *_, **__: pytest.fail("decoded"))
    found = decode_all(listed, features=HOW, cache="none", max_seconds=0.05)
    assert found.facts.wrong[0] == "too long: 0.31 s; dataset.max_seconds is 0.05"
    assert found.facts.wrong[4] == "too long: 0.15 s; dataset.max_seconds is 0.05"


def test_more_recordings_than_a_thread_takes_keep_their_order(tmp_path):
    found = AudioListing(tmp_path)
    for n in range(50):
        found.add(write(tmp_path / f"{n}.wav", tone(100 + n, 0.05 + 0.001 * (n * 7 % 50))), target="a")
    store = heard(found, "samples").source
    for n in range(50):
        assert np.array_equal(store.at(n), soundfile.read(tmp_path / f"{n}.wav", dtype="float32")[0])


def test_a_cache_that_cannot_be_written(listed, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"Cannot keep audio in .*\n.*dataset\.cache=none"):
        heard(listed, "samples")
