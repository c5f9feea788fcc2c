"""Speech made by eSpeak NG: the same every time, in the voice that was asked for, and without it in words."""

import sys

import numpy as np
import pytest

from sensorium.audio.espeak import SAMPLE_RATE, Utterance, speak
from sensorium.errors import RequestError, RunError

BREATHY = "en-us+f2"  # draws random numbers


@pytest.fixture(autouse=True)
def espeak():
    pytest.importorskip("espeakng_loader")


def test_the_same_utterances_give_the_same_samples():
    asked = [Utterance("seven", BREATHY), Utterance("seven", "en+m3", 140, 70), Utterance("three one", BREATHY)] * 2
    first, again = list(speak(asked)), list(speak(asked))
    assert len(first) == 6
    for one, other in zip(first, again, strict=True):
        assert one.dtype == np.int16
        assert np.array_equal(one, other)
    # What was said before lingers: alike is only what comes at the same place.
    assert not np.array_equal(first[0][:2000], first[3][:2000])


def test_speed_pitch_and_voice_are_heard():
    text = "seven hundred"
    usual, fast, high, other = speak(
        [Utterance(text), Utterance(text, speed=350), Utterance(text, pitch=99), Utterance(text, "en-gb-scotland+f3")]
    )
    assert 0.4 < len(usual) / SAMPLE_RATE < 1.2
    assert len(fast) < 0.7 * len(usual)
    assert pitch(high) > 1.3 * pitch(usual) > 1.3 * 60
    assert pitch(other) > 1.3 * pitch(usual)


def pitch(samples):
    """The hertz in which a recording repeats itself: the shortest period that is about as good as the best."""
    spectrum = np.abs(np.fft.rfft(samples.astype(float), 2 * len(samples))) ** 2
    shortest, longest = SAMPLE_RATE // 400, SAMPLE_RATE // 60
    again = np.fft.irfft(spectrum)[shortest:longest]
    return SAMPLE_RATE / (shortest + np.flatnonzero(again > 0.8 * again.max())[0])


def test_who_stops_listening_is_not_kept_waiting():
    sounds = speak([Utterance("one")] * 1000)
    assert len(next(sounds))
    sounds.close()
    assert list(speak([])) == []


@pytest.mark.parametrize("voice", ["en-gb", "en+nobody", "nonsense"])
def test_a_voice_that_does_not_exist(voice):
    sounds = speak([Utterance("one"), Utterance("one", voice)])
    assert len(next(sounds))
    with pytest.raises(RunError, match=f"status 1: there is no voice '{voice}'".replace("+", r"\+")):
        next(sounds)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(RequestError, match=r"pip install 'sensorium\[audio\]'"):
        next(speak([Utterance("one")]))
