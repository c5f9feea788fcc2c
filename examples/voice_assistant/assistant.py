"""A voice assistant of three models: a wake word, a live recognizer, intents.

python assistant.py talk.wav          # or mic, or - for raw samples on standard input
{"intent": "set_timer", "number": 7, "text": "set a timer for seven minutes", "probability": 0.998, "seconds": 4.2}
"""

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from phrases import INCOMPLETE, NONE, NUMBERED, in_words, vocabulary

import sensorium
from sensorium.tasks.audio_inputs import audio_chunks

CHUNK = 0.05  # seconds of audio that are processed at a time
BEFORE = 0.2  # seconds before the wake word was detected that the recognizer receives too
PAUSE = 0.25  # seconds in which the transcript has not changed that end a complete command
PATIENCE = 0.9  # seconds in which it has not that end any other
WAIT = 5.0  # seconds for a command to begin

_WORDS = vocabulary()
_NUMBERS = {in_words(number): number for number in range(100)}
# The longest first: "twenty five" before "twenty".
_NUMBER = re.compile(rf"\b({'|'.join(sorted(_NUMBERS, key=len, reverse=True))})\b")


@dataclass(frozen=True)
class Command:
    """What was asked for. number: the first one in the text. seconds: of audio when the assistant was sure."""

    intent: str
    number: int | None
    text: str
    probability: float
    seconds: float


class Assistant:
    """Commands after the wake word in audio that comes in. `woken` counts the wake words.

    wake, speech, intents: models of audio classification, live speech recognition and text classification.
    """

    def __init__(
        self, wake: sensorium.Model, speech: sensorium.Model, intents: sensorium.Model, *, threshold: float = 0.9
    ) -> None:
        self._speech, self._intents = speech, intents
        self._spotter = wake.live(threshold=threshold)
        self.sample_rate = self._spotter.sample_rate
        self.seconds, self.woken = 0.0, 0
        self._before = np.zeros(0, np.float32)
        self._listener: _Listener | None = None

    def push(self, samples: np.ndarray) -> Command | None:
        """The next samples (n,) float32, best CHUNK seconds of them -> a command that is complete with them."""
        self.seconds += len(samples) / self.sample_rate
        if self._listener is None:
            self._before = np.concatenate([self._before, samples])[-round(BEFORE * self.sample_rate) :]
            if self._spotter.push(samples):
                self.woken += 1
                self._listener = _Listener(self._speech, self._intents)
                self._listener.push(self._before)
            return None
        done, found = self._listener.push(samples)
        if done:
            self._listener, self._before = None, self._before[:0]
        return None if found is None else Command(*found, seconds=round(self.seconds, 2))


class _Listener:
    """One command, from the wake word to the end of speech."""

    def __init__(self, speech: sensorium.Model, intents: sensorium.Model) -> None:
        self._live, self._intents = speech.live(), intents
        self._text, self._intent, self._probability = "", NONE, 0.0
        self._still = 0.0  # seconds since the transcript last changed

    def push(self, samples: np.ndarray) -> tuple[bool, tuple[str, int | None, str, float] | None]:
        """Whether the command is over with these samples (n,), and the intent, number, text and probability of it."""
        self._still += len(samples) / self._live.sample_rate
        self._read(self._live.push(samples))
        if not self._text:
            return self._still > WAIT, None
        number = number_in(self._text) if self._intent in NUMBERED else None
        unfinished = self._intent in (INCOMPLETE, NONE) or (number is None and self._intent in NUMBERED)
        if self._still < (PATIENCE if unfinished else PAUSE):
            return False, None
        is_command = self._intent not in (INCOMPLETE, NONE)
        return True, (self._intent, number, self._text, round(self._probability, 4)) if is_command else None

    def _read(self, records: list[dict]) -> None:
        for record in records:
            if record["text"] != self._text:
                self._text, self._still = record["text"], 0.0
                (prediction,) = self._intents.predict([self._text], top_k=1)
                self._intent, self._probability = prediction.classes[0]


def number_in(text: str) -> int | None:
    """The first number from 0 to 99 in words; a word of no command is read as the one that it is most like."""
    words = [word if word in _WORDS else (get_close_matches(word, _WORDS, 1) or [word])[0] for word in text.split()]
    found = _NUMBER.search(" ".join(words))
    return _NUMBERS[found[0]] if found else None


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """--wake, --speech and --intents: the checkpoint of each, or a folder with its runs."""
    for name in ("wake", "speech", "intents"):
        parser.add_argument(f"--{name}", type=Path, default=Path("runs", name), help="checkpoint, or folder of runs")


def load(arguments: argparse.Namespace) -> Assistant:
    """The assistant of the three models, on the CPU; of a folder the last run."""

    def model(path: Path) -> sensorium.Model:
        runs = sorted(path.glob("**/checkpoints/best.ckpt"), key=lambda file: file.stat().st_mtime)
        return sensorium.load(runs[-1] if runs else path, accelerator="cpu")

    return Assistant(model(arguments.wake), model(arguments.speech), model(arguments.intents))


def commands(assistant: Assistant, source: str) -> Iterator[Command]:
    """The commands in a file, in raw 16-bit samples on standard input (-), or from the microphone (mic)."""
    size = round(CHUNK * assistant.sample_rate)
    for samples in audio_chunks(source, assistant.sample_rate):
        for start in range(0, len(samples), size):
            if (found := assistant.push(samples[start : start + size])) is not None:
                yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="an audio file, mic, or -")
    add_model_arguments(parser)
    arguments = parser.parse_args()
    for found in commands(load(arguments), arguments.source):
        print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    main()
