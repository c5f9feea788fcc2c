"""Speech for training and testing the voice assistant, synthesized: no download, a few minutes, 400 MB.

    python make_data.py data

writes data/wake.csv (windows with and without the wake word), data/speech.csv (what follows it, with transcripts),
data/intents.csv (texts and intents), and for measure.py data/commands.csv and data/other.flac. Validation and test are
spoken by voices that are not in training.
"""

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile
from phrases import INTENTS, WAKE_WORD, command, intent_table, other

from sensorium.audio.espeak import Utterance
from sensorium.audio.noise import COLOURS, generated
from sensorium.data.audio.voices import drawn_voice, spoken

RATE = 8000  # hertz
SCENES = {"train": 4000, "val": 300, "test": 300}
TEST_COMMANDS = 200
OTHER_SECONDS = 3600
WINDOW = 1.0  # seconds: what the spotter classifies at a time
SNR_DB = (10.0, 30.0)  # of speech to noise
LEVEL_DB = (-32.0, -18.0)  # of speech below full scale
NOISE = {color: generated(color).numpy() for color in COLOURS}


@dataclass
class Scene:
    """Parts of speech between silences. times: (start, end) of each part in seconds."""

    pieces: list[np.ndarray] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return sum(map(len, self.pieces)) / RATE

    def pause(self, seconds: float) -> None:
        self.pieces.append(np.zeros(round(seconds * RATE), np.float32))

    def say(self, samples: np.ndarray) -> None:
        start = self.seconds
        self.pieces.append(samples)
        self.times.append((start, self.seconds))

    def recorded(self, random: np.random.Generator) -> np.ndarray:
        """(N,) float32 at a random level, in noise of a random color and level."""
        signal = np.concatenate(self.pieces)
        speech = signal[signal != 0]
        level = 10 ** (random.uniform(*LEVEL_DB) / 20)
        noise = NOISE[COLOURS[int(random.integers(len(COLOURS)))]]
        places = (int(random.integers(len(noise))) + np.arange(len(signal))) % len(noise)
        signal = signal * (level / np.sqrt(np.mean(speech**2)))
        return signal + noise[places] * (level * 10 ** (-random.uniform(*SNR_DB) / 20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="share of everything, to try it out")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    make_training(arguments.folder, share=arguments.share)
    make_test(arguments.folder, share=arguments.share)


def make_training(folder: Path, *, share: float) -> None:
    """Scenes of: perhaps other speech, the wake word, a command or other speech; and the tables that cut them."""
    wake: list[tuple] = [("audio", "start", "end", "label", "split", "speaker")]
    speech: list[tuple] = [("audio", "start", "end", "text", "split", "speaker")]
    for number, (split, count) in enumerate(SCENES.items()):
        random = np.random.default_rng(number)
        asked = [_training_utterances(random, split) for _ in range(round(count * share))]
        (folder / split).mkdir(exist_ok=True)
        for row, (utterances, sounds) in enumerate(_spoken(asked)):
            scene = Scene()
            scene.pause(random.uniform(0.8, 1.3))
            if len(utterances) == 3:
                scene.say(sounds[0])
                scene.pause(random.uniform(0.2, 0.8))
            scene.say(sounds[-2])
            scene.pause(random.uniform(0.05, 0.9))
            scene.say(sounds[-1])
            scene.pause(random.uniform(0.8, 1.3))
            audio = f"{split}/{row:04}.flac"
            soundfile.write(folder / audio, scene.recorded(random), RATE, subtype="PCM_16")
            voice = utterances[-1].voice
            wake += [(audio, *cut, split, voice) for cut in _wake_windows(scene, random)]
            start, end = scene.times[-2][1] - random.uniform(0, 0.3), scene.times[-1][1] + random.uniform(0.1, 0.7)
            speech.append((audio, f"{start:.3f}", f"{end:.3f}", utterances[-1].text.replace(",", ""), split, voice))
    _write(folder / "wake.csv", wake)
    _write(folder / "speech.csv", speech)
    intents = intent_table(np.random.default_rng(7), each=max(20, round(300 * share)))
    _write(folder / "intents.csv", [("text", "label"), *intents])


def _training_utterances(random: np.random.Generator, split: str) -> list[Utterance]:
    """Perhaps other speech of somebody, then the wake word and what follows it, by one voice."""
    intent = list(INTENTS)[int(random.integers(len(INTENTS)))]
    text = command(random, intent)[0] if random.random() < 0.75 else other(random, "train")
    last = drawn_voice(_with_pause(text, random), split, random)
    before = [drawn_voice(other(random, "train"), split, random)] if random.random() < 0.6 else []
    return [*before, replace(last, text=WAKE_WORD), last]


def _wake_windows(scene: Scene, random: np.random.Generator) -> Iterator[tuple[str, str, str]]:
    """(start, end, label) of windows: soon after the wake word, within it, in other speech, in noise alone."""
    start, end = scene.times[-2]
    yield _window(end + random.uniform(0.0, 0.3), WAKE_WORD)
    yield _window(start + random.uniform(0.1, 0.65) * (end - start), "unknown")
    yield _window(random.uniform(end + 0.7, scene.seconds), "unknown")
    if len(scene.times) == 3:
        for place in range(3):
            yield _window(random.uniform(1.3 + place * (start - 1.3) / 3, start), "unknown")
    elif random.random() < 0.7 and start > WINDOW:
        yield _window(random.uniform(WINDOW, start), "silence")


def _window(end: float, label: str) -> tuple[str, str, str]:
    return f"{max(0.0, end - WINDOW):.3f}", f"{max(WINDOW, end):.3f}", label


def make_test(folder: Path, *, share: float) -> None:
    """commands.csv with a recording for each command, and other.flac, in which nobody says the wake word."""
    random = np.random.default_rng(99)
    intents = list(INTENTS)
    drawn = [(one, *command(random, one)) for one in (intents * TEST_COMMANDS)[: max(10, round(TEST_COMMANDS * share))]]
    asked = [_test_utterances(random, text) for _, text, _ in drawn]
    rows: list[tuple] = [("audio", "text", "intent", "number", "speech_end")]
    (folder / "commands").mkdir(exist_ok=True)
    for row, ((intent, text, number), (utterances, sounds)) in enumerate(zip(drawn, _spoken(asked), strict=True)):
        scene = Scene()
        scene.pause(random.uniform(0.3, 1.5))
        for utterance, samples in zip(utterances, sounds, strict=True):
            scene.say(samples)
            scene.pause(random.uniform(0.1, 1.0) if utterance.text == WAKE_WORD else random.uniform(0.5, 1.5))
        end = scene.times[-1][1]
        scene.pause(2.5)
        audio = f"commands/{row:04}.flac"
        soundfile.write(folder / audio, scene.recorded(random), RATE, subtype="PCM_16")
        rows.append((audio, text, intent, "" if number is None else number, f"{end:.3f}"))
    _write(folder / "commands.csv", rows)
    _make_other(folder / "other.flac", seconds=OTHER_SECONDS * share, random=random)


def _test_utterances(random: np.random.Generator, text: str) -> list[Utterance]:
    """Half of the commands follow other speech; a third are one breath with the wake word."""
    said = drawn_voice(_with_pause(text, random), "test", random)
    before = [drawn_voice(other(random, "test"), "test", random)] if random.random() < 0.5 else []
    if random.random() < 1 / 3:
        return [*before, replace(said, text=f"{WAKE_WORD}, {said.text}")]
    return [*before, replace(said, text=WAKE_WORD), said]


def _with_pause(text: str, random: np.random.Generator) -> str:
    """A third of the sentences pause after a word, which eSpeak does at a comma."""
    words = text.split()
    if len(words) > 3 and random.random() < 1 / 3:
        words[int(random.integers(1, len(words) - 2))] += ","
    return " ".join(words)


def _make_other(path: Path, *, seconds: float, random: np.random.Generator) -> None:
    """People talk, each sentence another voice, in changing noise."""
    count = round(seconds / 3)
    asked = [[drawn_voice(other(random, "test"), "test", random)] for _ in range(count)]
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        for _, (samples,) in _spoken(asked):
            scene = Scene()
            scene.say(samples)
            scene.pause(random.uniform(0.2, 1.5))
            file.write(scene.recorded(random)[: round(seconds * RATE) - file.frames])


def _spoken(asked: Sequence[Sequence[Utterance]]) -> Iterator[tuple[Sequence[Utterance], list[np.ndarray]]]:
    """Each group of utterances with the samples of each, without the silence around them."""
    sounds = spoken([utterance for group in asked for utterance in group], sample_rate=RATE)
    for group in asked:
        yield group, [_trimmed(next(sounds)) for _ in group]


def _trimmed(samples: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def _write(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
