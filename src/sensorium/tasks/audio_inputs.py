"""Raw audio: files a batch at a time, and audio that comes in chunks (stream=true)."""

import signal
import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from numbers import Integral
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import soundfile

from sensorium.audio.quality import check, check_file, is_clipped
from sensorium.audio.read import UnreadableAudio, chunks, decode_pcm, read
from sensorium.data.base import counted
from sensorium.errors import RequestError, RunError, missing_extra
from sensorium.files import not_a_file, opened_once
from sensorium.tasks.named_bytes import name_of
from sensorium.tasks.raw_inputs import Piped, audio_files, piped_format

CHUNK = 0.1  # seconds of audio that are processed at once
LOWEST_RATE, HIGHEST_RATE = 1000, 1_000_000  # hertz of samples from memory; far beyond is a mistake
MOST_CHANNELS = 64  # more are samples the other way round


# str and Path: a file. bytes: its content. (samples, sample_rate): (N,) or (N, channels) float from -1 to 1 or int16.
RawAudio = str | Path | bytes | tuple[np.ndarray, int]
Source = Path | BytesIO


def sources(recordings: Iterable[RawAudio]) -> Iterator[tuple[str, Source | UnreadableAudio]]:
    """Each recording behind its name, as what `audio.read` reads."""
    for number, raw in enumerate(recordings):
        name = str(raw) if isinstance(raw, str | Path) else name_of(raw, f"recording {number}")
        name = "standard input" if isinstance(raw, Piped) else name
        try:
            yield name, _source(raw)
        except UnreadableAudio as error:
            yield name, error


def _source(raw: RawAudio) -> Source:
    if isinstance(raw, str | Path):
        return _file(Path(raw))
    if isinstance(raw, bytes | bytearray | memoryview):
        return BytesIO(raw)
    if not isinstance(raw, tuple) or len(raw) != 2:
        raise UnreadableAudio(f"expected a path, bytes or (samples, sample_rate), got {type(raw).__name__}")
    samples, rate = _array(raw[0]), raw[1]
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi" or not samples.size:
        raise UnreadableAudio(f"{samples.dtype} of shape {samples.shape}: give (N,) or (N, channels), float or int16")
    if samples.dtype.kind == "i" and samples.dtype != np.int16:
        raise UnreadableAudio(f"{samples.dtype}: give float from -1 to 1, or int16")
    if not isinstance(rate, Integral) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UnreadableAudio(f"a sample rate of {rate!r:.40} is not possible: {LOWEST_RATE} to {HIGHEST_RATE} hertz")
    if samples.ndim == 2 and samples.shape[1] > MOST_CHANNELS:
        raise UnreadableAudio(f"{samples.shape[1]} channels in {samples.shape}: samples are (N,) or (N, channels)")
    file = BytesIO()
    if samples.dtype.kind == "f":
        soundfile.write(file, samples.astype(np.float32), int(rate), format="WAV", subtype="FLOAT")
    else:
        soundfile.write(file, samples, int(rate), format="WAV", subtype="PCM_16")
    return file


def _file(path: Path) -> Source:
    """The path, or the content of a pipe, which can be read only once. Raises UnreadableAudio for a device."""
    if not_a_file(path) is None:
        return path
    if wrong := not_a_file(path, pipe=True):
        raise UnreadableAudio(f"it is {wrong}")
    try:
        with opened_once(path) as pipe:
            return BytesIO(pipe.read())
    except OSError as error:
        raise UnreadableAudio((error.strerror or str(error)).lower()) from error


def _array(samples: Any) -> np.ndarray:
    try:
        return np.asarray(samples)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:  # of no one shape; a tensor elsewhere
        raise UnreadableAudio(f"samples that are no array ({str(error).splitlines()[0]:.80})") from error


class AudioReader:
    """Recordings at sample_rate hertz, refused for what training refuses; those that are clipped are read and noted."""

    def __init__(self, *, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._clipped: list[str] = []

    def batches(
        self, recordings: Iterable[tuple[str, Source | UnreadableAudio]], *, batch_size: int
    ) -> Iterator[list[tuple[str, np.ndarray | UnreadableAudio]]]:
        """batch_size recordings at a time, each with its samples (N,) float32, or with why it has none."""
        remaining = iter(recordings)
        while batch := list(islice(remaining, batch_size)):
            yield [(name, self._samples(name, source)) for name, source in batch]

    def check(self, name: str, source: Source) -> None:
        """Of a recording that is too long for memory. Raises UnreadableAudio."""
        self._refuse(name, check_file(source, sample_rate=self.sample_rate))

    def notes(self) -> list[str]:
        """Notes when all are read."""
        if not self._clipped:
            return []
        return [f"clipped: {counted(len(self._clipped), 'recording')}, such as {self._clipped[0]}; used as they are"]

    def _samples(self, name: str, source: Source | UnreadableAudio) -> np.ndarray | UnreadableAudio:
        if isinstance(source, UnreadableAudio):
            return source
        try:
            samples = read(source, sample_rate=self.sample_rate)
            self._refuse(name, check(samples, sample_rate=self.sample_rate))
        except UnreadableAudio as error:
            return error
        return samples

    def _refuse(self, name: str, wrong: str | None) -> None:
        if is_clipped(wrong):
            self._clipped.append(name)
        elif wrong is not None:
            raise UnreadableAudio(wrong)


# -- audio in chunks


def audio_chunks(given: Any, sample_rate: int) -> Iterator[np.ndarray]:
    """Samples (n,) float32, CHUNK seconds at a time: of a file, of raw 16-bit samples on standard input (-), or of the
    microphone (mic).
    """
    if given == "mic":
        return _microphone(sample_rate)
    if given == "-":
        if kind := piped_format():
            raise RequestError(
                f"stream=true input=- takes raw samples (16 bits, little-endian, one channel, {sample_rate:,} Hz), and"
                f" this is a file ({kind}).\nOmit stream=true, or convert it on the way: "
                f"ffmpeg -i FILE -f s16le -ac 1 -ar {sample_rate} - | sensorium predict ..."
            )
        return _standard_input(sample_rate)
    paths = [path for path in audio_files(given) if isinstance(path, Path)]
    if len(paths) != 1:
        raise RequestError(f"stream=true takes one recording at a time, and input={given} has {len(paths)}.")
    return _of_file(paths[0], sample_rate)


def _of_file(path: Path, sample_rate: int) -> Iterator[np.ndarray]:
    size = round(CHUNK * sample_rate)
    try:
        for _, samples in chunks(_file(path), sample_rate=sample_rate, seconds=10.0, overlap=0.0):
            for start in range(0, len(samples), size):
                yield samples[start : start + size]
    except UnreadableAudio as error:
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
