"""Speech synthesized by the program eSpeak NG, whose library comes with the package espeakng-loader and is loaded at
run time.

The library sounds a little different at each call, since it keeps state from earlier utterances, and breathy voices
draw random numbers. So everything is synthesized by one separate process, from a fixed seed: the same utterances in the
same order give the same samples. That process is this module run as a program: utterances as JSON lines in, for each
the number of its samples (int32) and the samples (int16) out.

https://github.com/espeak-ng/espeak-ng, version 1.52.
"""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.errors import RunError, missing_extra

SAMPLE_RATE = 22050  # sample rate of eSpeak NG in hertz
_SEED = 1
# From espeak-ng/speak_lib.h
_SYNCHRONOUS, _DO_NOT_EXIT, _CHARACTERS, _UTF8 = 2, 0x8000, 1, 1
_RATE, _PITCH = 1, 3
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Utterance:
    """text: the transcript. voice: a language and perhaps a variant, such as "en-us+f3". speed: words a minute, from
    80.

    pitch: from 0 to 99; 50 is the voice's own.
    """

    text: str
    voice: str = "en-us"
    speed: int = 175
    pitch: int = 50


def speak(utterances: Iterable[Utterance]) -> Iterator[np.ndarray]:
    """(N,) int16 samples of each utterance at SAMPLE_RATE. What is yielded depends on the order, and on nothing else.

    Raises RequestError without the package espeakng-loader, and RunError for a voice that does not exist.
    """
    library()
    command = [sys.executable, "-P", "-m", "sensorium.audio.espeak"]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        lines = [json.dumps(asdict(utterance)) + "\n" for utterance in utterances]
        asked.write("".join(lines).encode())
        asked.seek(0)
        with subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, stderr=said) as process:
            assert process.stdout is not None
            for _ in lines:
                size = process.stdout.read(4)
                data = process.stdout.read(2 * int.from_bytes(size, "little"))
                if len(size) < 4 or len(data) < 2 * int.from_bytes(size, "little"):
                    break
                yield np.frombuffer(data, np.int16)
            else:
                return
        said.seek(0)
        last = (said.read().decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise RunError(f"eSpeak NG stopped with status {process.returncode}: {last}")


def library() -> tuple[Path, Path]:
    """Where the library and the folder of its data are. Raises RequestError when the package is not installed."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise missing_extra("espeakng-loader", "audio") from error
    return Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())


class _Speaker:
    """The library, ready."""

    def __init__(self) -> None:
        path, self._data = library()
        self._espeak = ctypes.CDLL(str(path))
        self._pieces: list[bytes] = []
        self._callback = _Callback(self._keep)  # lives as long as the library may call it
        os.chdir(self._data.parent)  # a path that is longer than 160 characters would be cut
        rate = self._espeak.espeak_Initialize(_SYNCHRONOUS, 0, b".", _DO_NOT_EXIT)
        if rate != SAMPLE_RATE:
            raise SystemExit(f"it does not begin with the data in {self._data} (it returned {rate})")
        self._espeak.espeak_SetSynthCallback(self._callback)

    def say(self, utterance: Utterance) -> bytes:
        """The samples of one utterance."""
        variant = utterance.voice.partition("+")[2]
        # An unknown variant is not an error to the library: it takes the plain voice.
        known = not variant or (self._data / "voices" / "!v" / variant).is_file()
        if not known or self._espeak.espeak_SetVoiceByName(utterance.voice.encode()) != 0:
            raise SystemExit(f"there is no voice {utterance.voice!r}")
        self._espeak.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        self._pieces.clear()
        text = utterance.text.encode() + b"\0"
        self._done("espeak_SetParameter", _RATE, utterance.speed, 0)
        self._done("espeak_SetParameter", _PITCH, utterance.pitch, 0)
        self._done("espeak_Synth", text, ctypes.c_size_t(len(text)), 0, _CHARACTERS, 0, _UTF8, None, None)
        return b"".join(self._pieces)

    def _done(self, function: str, *arguments: Any) -> None:
        status = getattr(self._espeak, function)(*arguments)
        if status != 0:
            raise SystemExit(f"{function}{arguments} returned {status}")

    def _keep(self, samples: int | None, count: int, events: int | None) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0


def _main() -> None:
    speaker = _Speaker()
    with contextlib.suppress(BrokenPipeError):  # no process reads the rest
        for line in sys.stdin:
            samples = speaker.say(Utterance(**json.loads(line)))
            sys.stdout.buffer.write((len(samples) // 2).to_bytes(4, "little") + samples)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
