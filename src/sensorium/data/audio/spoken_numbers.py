"""Synthetic: numbers in English, spoken by eSpeak NG in many voices, accents, speeds and pitches.

    "three hundred and seven", "seven three one"

The voices of val and test are not in train. The audio is cached in SENSORIUM_CACHE/spoken.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sensorium.audio.espeak import Utterance
from sensorium.data.audio.audio_settings import DrawnAudio, SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.audio.voices import drawn_voice, spoken
from sensorium.data.base import Data, OnBad
from sensorium.errors import unknown
from sensorium.synthetic.audio import add_noise
from sensorium.synthetic.numbers import DIGITS, in_words

Kind = Literal["mixed", "cardinals", "digits"]
_LONGEST = {"cardinals": 4, "digits": 6}  # decimal places of a number, words of a sequence

_EDGE = (0.05, 0.2)  # seconds of silence before and after the speech
_NOISE = 0.001  # of full scale, in amplitude


@dataclass(frozen=True, kw_only=True)
class SpokenNumbers(SpeechSettings, DrawnAudio):
    """kind: "cardinals" from 0 to 9999, "digits" one by one, or "mixed", half of each.

    train_size, val_size, test_size: utterances in each split. data_seed: which numbers are spoken, and how.
    """

    task = "recognition"

    kind: Kind

    def check(self) -> None:
        super().check()
        if self.kind not in get_args(Kind):
            raise unknown("kind of spoken numbers", str(self.kind), get_args(Kind))

    def load(self, *, on_bad: OnBad) -> Data:
        found = AudioListing("spoken_numbers")
        found.notes.append(
            "spoken_numbers is synthetic: spoken by eSpeak NG; val and test use voices that are not in train"
        )
        for split, randoms in self.draws().items():
            said = [self._drawn(split, random) for random in randoms]
            utterances = [utterance for _, utterance in said]
            sounds = spoken(utterances, sample_rate=self.rate)
            for row, ((text, utterance), samples, random) in enumerate(zip(said, sounds, randoms, strict=True)):
                before, behind = (random.uniform(*_EDGE, size=2) * self.rate).astype(int).tolist()
                samples = add_noise(samples, before=before, behind=behind, level=_NOISE, random=random)
                place = f"spoken_numbers:{split}:{row}"
                found.add(samples, text, split=split, speaker=utterance.voice, source=place)
        return transcribed(found, self, on_bad=on_bad)

    def _drawn(self, split: str, random: np.random.Generator) -> tuple[str, Utterance]:
        """A transcript, and how it is spoken."""
        kind = self.kind
        if kind == "mixed":
            kind = "digits" if random.random() < 0.5 else "cardinals"
        length = int(random.integers(1, _LONGEST[kind] + 1))
        if kind == "cardinals":
            text = in_words(int(random.integers(10 ** (length - 1) if length > 1 else 0, 10**length)))
            return text, drawn_voice(text, split, random)
        words = [DIGITS[digit] for digit in random.integers(10, size=length).tolist()]
        pause = ", " if random.random() < 0.3 else " "
        return " ".join(words), drawn_voice(pause.join(words), split, random)
