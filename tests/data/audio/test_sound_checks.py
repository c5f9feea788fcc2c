"""What is found before training: each kind of bad recording by name, and what is only told."""

import numpy as np
import pytest
from tones import (
    RATE,
    SOUND,
    SPEECH,
    LabeledSettings,
    TranscribedSettings,
    labeled,
    tone,
    transcribed,
    write,
)

from sensorium.audio.features import Features
from sensorium.data.audio.listing import AudioListing
from sensorium.errors import RequestError


def good(folder, labels=("high", "low"), count=6) -> AudioListing:
    """Files without a problem."""
    found = AudioListing(folder)
    for n in range(count):
        for k, label in enumerate(labels):
            found.add(write(folder / label / f"{n}.wav", tone(200 + 500 * k + 10 * n)), target=label)
    return found


def told(found, load=labeled, on_bad="fail", **changes) -> str:
    base = SOUND if load is labeled else SPEECH
    with pytest.raises(RequestError) as error:
        load(found, on_bad, **base | changes)
    return str(error.value)


def noise(seconds=0.2) -> np.ndarray:
    steps = np.random.default_rng(0).integers(-16000, 16000, round(seconds * RATE))
    return (steps / 32768).astype(np.float32)


def spoilt(name, path):
    """Writes a bad recording; returns what is said of it."""
    with_nan = noise()
    with_nan[800] = np.nan
    samples = {
        "empty": (np.empty(0, np.float32), "empty: it has no samples"),
        "silent": (np.zeros(1600, np.float32), "silent: all samples are zero"),
        "NaN": (with_nan, "1 sample is not a number or infinite, the first at 0.100 s"),
        "short": (tone(300, 0.04), "too short: 0.040 s; dataset.min_seconds is 0.05"),
        "long": (tone(300, 2.5), "too long: 2.50 s; dataset.max_seconds is 2"),
    }
    if name in samples:
        write(path, samples[name][0], subtype="FLOAT")
        return samples[name][1]
    if name == "corrupt":
        path.write_bytes(b"RIFF this is no sound at all")
        return "not readable audio"
    if name == "cut off":
        path.write_bytes(write(path, tone(300)).read_bytes()[:-1000])
        return "truncated: 2,200 of 3,200 bytes present"
    return "no such file or directory"


@pytest.mark.parametrize("name", ["empty", "silent", "NaN", "short", "long", "corrupt", "cut off", "missing"])
def test_bad_recordings_are_named_or_left_out(tmp_path, name):
    found = good(tmp_path)
    said = spoilt(name, tmp_path / "bad.wav")
    found.add(tmp_path / "bad.wav", target="high", source="list.csv", line=7)
    message = told(found)
    assert message.startswith("The data has 1 problem; on_bad=skip skips")
    assert f"list.csv:7: {tmp_path / 'bad.wav'}: {said}" in message
    data = labeled(found, "skip", **SOUND)
    assert len(data.problems) == 1
    assert len(data.train) + len(data.val) + len(data.test) == 12


def test_limits_can_be_lifted(tmp_path):
    found = good(tmp_path)
    found.add(write(tmp_path / "short.wav", tone(333, 0.04)), target="high")
    found.add(write(tmp_path / "long.wav", tone(333, 2.5)), target="high")
    data = labeled(found, "fail", **SOUND | {"min_seconds": None, "max_seconds": None})
    assert len(data.train) + len(data.val) + len(data.test) == 14


def test_a_recording_needs_a_text(tmp_path):
    found = good(tmp_path)
    found.add(write(tmp_path / "a.wav", noise()), target="  ")
    assert f"{tmp_path / 'a.wav'}: no label" in told(found)
    assert f"{tmp_path / 'a.wav'}: no transcript" in told(found, transcribed)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (-1.0, 0.1, "a segment from -1 s to 0.1 s is impossible"),
        (0.1, 0.1, "a segment from 0.1 s to 0.1 s is impossible"),
        (0.5, None, "begins at 0.5 s, but the file ends at 0.20 s"),
        (0.1, 0.35, "ends at 0.35 s, but the file ends at 0.20 s"),
    ],
)
def test_pieces_that_are_not_there(tmp_path, start, end, said):
    found = good(tmp_path)
    found.add(write(tmp_path / "a.wav", noise()), target="high", start=start, end=end)
    assert f"a.wav[{start:g}-{'' if end is None else f'{end:g}'}]: {said}" in told(found)


def test_a_piece_may_end_a_little_late(tmp_path):
    found = good(tmp_path)
    found.add(write(tmp_path / "a.wav", noise()), target="high", start=0.1, end=0.25, split="val")
    data = labeled(found, "fail", **SOUND)
    assert data.val.durations.tolist() == [0.1]
    assert data.val.names == [f"{tmp_path / 'a.wav'}[0.1-0.25]"]


def test_clipped_recordings_are_told_and_used(tmp_path):
    found = good(tmp_path)
    found.add(write(tmp_path / "loud.wav", np.clip(4 * tone(300), -1, 1)), target="low", split="val")
    data = labeled(found, "fail", **SOUND)
    assert f"clipped: 1 recording, such as {tmp_path / 'loud.wav'}; used as they are" in data.notes
    assert len(data.val) == 1


def test_the_same_sound_in_two_parts(tmp_path):
    found = good(tmp_path)
    for name, part in (("a", "train"), ("b", "val"), ("c", "test"), ("d", "test")):
        # The same samples in another file format are the same sound.
        path = write(tmp_path / f"{name}.{'flac' if name == 'b' else 'wav'}", noise())
        found.add(path, target="high", split=part)
    found.add(write(tmp_path / "e.wav", tone(50)), target="high", split="val")
    assert f"{tmp_path / 'a.wav'}, {tmp_path / 'b.flac'}: same audio as {tmp_path / 'c.wav'}, which is in test" in (
        told(found)
    )
    data = labeled(found, "skip", **SOUND)
    assert (len(data.val), len(data.test)) == (1, 2)
    copies = f"{tmp_path / 'd.wav'} = {tmp_path / 'c.wav'}"
    assert (
        f"recordings that duplicate another of the same class and split: 1 ({copies}); kept in the same split"
        in data.notes
    )


def test_the_same_sound_with_two_texts(tmp_path):
    found = good(tmp_path)
    for n, text in enumerate(("high", "low")):
        found.add(write(tmp_path / f"{n}.wav", noise()), target=text)
    said = f"0.wav: labeled 'high'; {tmp_path / '1.wav'} has the same audio and label 'low'"
    assert said in told(found)
    assert said in told(found, transcribed)


def test_a_class_that_training_does_not_have(tmp_path):
    found = good(tmp_path)
    found.add(write(tmp_path / "a.wav", noise()), target="hihg", split="val")
    found.add(write(tmp_path / "b.wav", noise(0.3)), target="high", split="val")
    assert "class 'hihg' is in val but not in train; the nearest is 'high'" in told(found)
    data = labeled(found, "skip", **SOUND)
    assert "val has no recordings of: low" in data.notes


def test_one_class_is_no_task(tmp_path):
    assert "has only the class 'high' with usable training recordings" in told(good(tmp_path, labels=("high",)))


def test_a_transcript_longer_than_its_sound(tmp_path):
    found = good(tmp_path)
    frames = Features(sample_rate=RATE, num_mels=8).frames(1600)
    assert frames == 18
    found.add(write(tmp_path / "fits.wav", noise()), target="abcdefghi abcdefgh"[:frames])
    found.add(write(tmp_path / "pair.wav", 0.5 * noise()), target="aabcdefghi abcdefg"[:frames])
    assert told(found, transcribed) == (
        "The data has 1 problem; on_bad=skip skips and lists the bad ones:\n"
        f"  {tmp_path / 'pair.wav'}: 18 frames of audio for a transcript of 18 tokens; 19 are needed"
    )
    data = transcribed(found, "skip", **SPEECH)
    texts = [text for part in (data.train, data.val, data.test) for text in part.texts]
    assert "abcdefghi abcdefgh" in texts
    assert len(texts) == 13


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_rate": 0}, "dataset.sample_rate=0: give hertz"),
        ({"sample_rate": 8000.0}, "dataset.sample_rate=8000.0: give hertz"),
        ({"cache": "sample"}, "Did you mean samples?"),
        ({"min_seconds": -1}, "dataset.min_seconds=-1: give seconds"),
        ({"max_seconds": "long"}, "dataset.max_seconds=long: give seconds"),
        ({"min_seconds": 3.0}, "dataset.min_seconds=3.0 is not below dataset.max_seconds=2.0"),
        ({"val_fraction": 1.0}, "dataset.val_fraction=1.0 leaves a split empty"),
        ({"features": {"num_mel": 8}}, "Did you mean num_mels?"),
        ({"features": {"sample_rate": 8000}}, "no key in dataset.features 'sample_rate'"),
    ],
)
def test_settings_that_cannot_be(changes, said):
    for settings, base in ((LabeledSettings, SOUND), (TranscribedSettings, SPEECH)):
        with pytest.raises(RequestError) as error:
            settings(**base | changes)
        assert said in str(error.value)


def test_a_language_model_has_an_order():
    for order in (-1, 2.0, True):
        with pytest.raises(RequestError, match=r"dataset\.language_model="):
            TranscribedSettings(**SPEECH | {"language_model": order})
