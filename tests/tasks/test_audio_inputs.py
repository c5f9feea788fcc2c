"""Recordings on standard input: whole files are read as such, and never taken for raw samples."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sensorium.errors import RequestError
from sensorium.tasks.audio_inputs import AudioReader, audio_chunks, sources
from sensorium.tasks.raw_inputs import audio_files, image_files, piped_format, texts

RATE = 8000  # hertz
TONE = 0.5 * np.sin(np.arange(RATE) / 3)


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))


def recording(suffix: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, TONE, RATE, format=suffix)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_recording_on_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    pipe(monkeypatch, recording(suffix))
    (batch,) = AudioReader(sample_rate=RATE).batches(sources(audio_files("-")), batch_size=4)
    ((name, samples),) = batch
    assert name == "standard input"
    assert isinstance(samples, np.ndarray)
    assert len(samples) == RATE


@pytest.mark.parametrize("suffix", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_file_is_not_streamed_as_raw_samples(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    pipe(monkeypatch, recording(suffix))
    with pytest.raises(RequestError, match=rf"raw samples \(16 bits.* 8,000 Hz\), and this is a file \({suffix}\)"):
        audio_chunks("-", RATE)


def test_raw_samples_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first of them looks like a frame of MP3."""
    pipe(monkeypatch, b"\xff\xfb" + np.zeros(999, "<i2").tobytes())
    (first, *_) = found = list(audio_chunks("-", RATE))
    assert [len(chunk) for chunk in found] == [800, 200]
    assert first[0] == -1025 / 32768


def test_paths_are_still_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, b"ID3/a.wav\n\nRIFF.wav\r\n")
    assert list(audio_files("-")) == [Path("ID3/a.wav"), Path("RIFF.wav")]


def test_a_recording_is_known_without_a_zero_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of MP3 that follow no header have none; nor have paths in another encoding, which are still paths."""
    for content, kind in (
        (recording("MP3").replace(b"\0", b"\1"), "MP3"),
        (b"RIFFabcdWAVEfmt", "WAV"),
        (b"FORMabcdAIFC", "AIFF"),
        (b"OggS\2\2", "OGG"),
        (b"ID3\4\1\1", "MP3"),
        (b"caff\1\1", "CAF"),
        (b"\1\1\1\x20ftypM4A ", "MPEG-4"),
    ):
        pipe(monkeypatch, content)
        assert piped_format() == kind
    pipe(monkeypatch, "café/a.wav\n".encode("latin-1"))
    assert [os.fsencode(path) for path in audio_files("-")] == ["café/a.wav".encode("latin-1")]


def test_what_is_neither_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, b"\x89PNG\r\n\x1a\n\0\0")
    with pytest.raises(RequestError, match="input=- takes paths of audio files, one a line"):
        list(audio_files("-"))
    for content, said in (
        (b"\x89PNG\r\n\x1a\nabc", "is PNG.\ninput=/dev/stdin reads one file from there."),
        (b"\xff\xd8\xff\xe1abc\n", "is JPEG.\ninput=/dev/stdin reads one file from there."),
        (b"RIFFabcdWEBPVP8 ", "is WebP.\ninput=/dev/stdin reads one file from there."),
        (b"RIFFabcdWAVEfmt ", "is WAV.\ninput=/dev/stdin reads one file from there."),
        (b"\x1f\x8b\x08\x08", "is gzip."),
    ):
        pipe(monkeypatch, content)
        with pytest.raises(RequestError) as caught:
            list(image_files("-"))
        assert str(caught.value) == f"input=- takes paths of images, one a line; standard input {said}"
    pipe(monkeypatch, recording("WAV"))
    with pytest.raises(RequestError, match=r"takes texts, one a line; standard input is WAV\."):
        texts("-", None)
    pipe(monkeypatch, "RIFF, caf\xe9\nBM\xe9\n".encode())
    assert list(texts("-", None)) == ["RIFF, café", "BMé"]
    pipe(monkeypatch, b"RIFF\0\0\n")
    with pytest.raises(RequestError, match="input=- takes paths of images, one a line"):
        list(image_files("-"))
