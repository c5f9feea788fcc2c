"""Raw audio: files a batch at a time, and audio that comes in chunks (stream=true)."""

import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from sensorium.audio.read import UnreadableSound, chunks, decode_pcm, read
from sensorium.errors import RequestError, RunError, missing_extra
from sensorium.tasks.raw_inputs import audio_files

CHUNK = 0.1  # seconds of audio that are processed at once


def read_batches(
    paths: Iterable[Path], *, sample_rate: int, batch_size: int
) -> Iterator[list[tuple[Path, np.ndarray | UnreadableSound]]]:
    """batch_size paths at a time, each with its samples (N,) float32, or with why it has none."""
    waiting: list[tuple[Path, np.ndarray | UnreadableSound]] = []
    for path in paths:
        waiting.append((path, samples_of(path, sample_rate=sample_rate)))
        if len(waiting) == batch_size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def samples_of(path: Path, *, sample_rate: int) -> np.ndarray | UnreadableSound:
    """(N,) float32, or why there are none."""
    try:
        samples = read(path, sample_rate=sample_rate)
    except UnreadableSound as error:
        return error
    return samples if len(samples) else UnreadableSound("no samples")


# -- audio in chunks


def audio_chunks(given: Any, sample_rate: int) -> Iterator[np.ndarray]:
    """Samples (n,) float32, CHUNK seconds at a time: of a file, of raw 16-bit samples on standard input (-), or of the
    microphone (mic).
    """
    if given == "mic":
        return _microphone(sample_rate)
    if given == "-":
        return _standard_input(sample_rate)
    paths = list(audio_files(given))
    if len(paths) != 1:
        raise RequestError(f"stream=true takes one recording at a time, and input={given} has {len(paths)}.")
    return _of_file(paths[0], sample_rate)


def _of_file(path: Path, sample_rate: int) -> Iterator[np.ndarray]:
    size = round(CHUNK * sample_rate)
    try:
        for _, samples in chunks(path, sample_rate=sample_rate, seconds=10.0, overlap=0.0):
            for start in range(0, len(samples), size):
                yield samples[start : start + size]
    except UnreadableSound as error:
        raise RunError(f"{path}: {error}") from error


def _standard_input(sample_rate: int) -> Iterator[np.ndarray]:
    size = 2 * round(CHUNK * sample_rate)
    while data := sys.stdin.buffer.read(size):
        yield decode_pcm(data[: len(data) - len(data) % 2])


def _microphone(sample_rate: int) -> Iterator[np.ndarray]:
    """Until Ctrl+C, which ends it between two chunks, so that the last result is still printed. A second ends all."""
    try:
        import sounddevice
    except (ModuleNotFoundError, OSError) as error:  # OSError: the package is there, PortAudio is not
        raise missing_extra("sounddevice", "mic") from error
    size = round(CHUNK * sample_rate)
    before, stopped = signal.getsignal(signal.SIGINT), Event()

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        with sounddevice.InputStream(samplerate=sample_rate, channels=1, dtype="float32", blocksize=size) as stream:
            while not stopped.is_set():
                yield stream.read(size)[0][:, 0]
    except sounddevice.PortAudioError as error:
        raise RunError(f"input=mic: {error}") from error
    finally:
        signal.signal(signal.SIGINT, before)
