"""A transcript for each recording."""

from typing import Any

import numpy as np

from sensorium.data.audio.audio_settings import SpeechSettings
from sensorium.data.audio.inputs import AudioInputs
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.splits import frames_needed
from sensorium.data.base import counted
from sensorium.data.duplicates import without
from sensorium.data.pipeline import NoTargets, Rows
from sensorium.data.text.text_settings import unknown_note, vocabulary_note
from sensorium.data.text.texts import Texts, TextWriter
from sensorium.data.text.tokens import TokenStore, encode_texts
from sensorium.text import ngram
from sensorium.text.tokenizer import Tokenizer, clean


class TranscriptTargets(NoTargets):
    """Transcripts as tokens. Tokenizer and language model are those of the training transcripts."""

    copies = "recordings that duplicate another in the same split"
    _inputs: AudioInputs
    _texts: Texts
    _tokens: TokenStore
    _tokenizer: Tokenizer
    _language_model: str

    def __init__(self, found: AudioListing, settings: SpeechSettings) -> None:
        self._found, self._settings = found, settings
        self.duplicates = found.targets

    def check(self, inputs: AudioInputs) -> dict[int, str]:
        """A transcript is needed."""
        self._inputs = inputs
        return {row: "no transcript" for row, text in enumerate(self._found.targets) if not text}

    def fit(self, rows: Rows) -> dict[int, str]:
        """Tokenizer, tokens and language model. Unusable are the recordings that are too short for CTC."""
        self._texts = self._written()
        self._tokenizer = self._settings.build_tokenizer(self._texts.subset(rows["train"]))
        self._tokens = encode_texts(self._texts, self._tokenizer, never_empty=True)
        bad = self._too_long(np.concatenate(list(rows.values())))
        order, train = self._settings.language_model, without(rows["train"], bad)
        self._language_model = ngram.estimate(self._texts.subset(train), order=order).to_arpa() if order else ""
        return bad

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """The tokens, and the transcripts as a recognizer can write them."""
        return {"targets": self._tokens.subset(rows), "texts": self._texts.subset(rows)}

    def spec(self) -> dict[str, Any]:
        """The tokenizer and the language model."""
        return {
            "tokenizer": self._tokenizer.to_dict(),
            "vocab_size": self._tokenizer.vocab_size,
            "language_model": self._language_model,
        }

    def notes_on(self, rows: Rows) -> list[str]:
        """The vocabulary, and unknown tokens."""
        return [
            vocabulary_note(self._tokenizer, trained=self._settings.trained),
            unknown_note({split: self._tokens.subset(rows[split]) for split in ("val", "test")}),
        ]

    def _written(self) -> Texts:
        """All transcripts, in lower case where the tokenizer folds them: no recognizer could write them otherwise."""
        tokenizer = self._settings.tokenizer
        lowercase = self._settings.lowercase if isinstance(tokenizer, str) else bool(tokenizer.get("lowercase"))
        writer = TextWriter()
        for text in self._found.targets:
            writer.add(clean(text, lowercase=lowercase))
        return writer.finish()

    def _too_long(self, rows: np.ndarray) -> dict[int, str]:
        """Recordings with fewer frames than CTC needs: one a token, and one between two that are alike.

        A model that subsamples frames needs more; that is found where the model is known.
        """
        frames, needed = self._inputs.frames, frames_needed(self._tokens)
        return {
            row: f"{counted(int(frames[row]), 'frame')} of audio for a transcript of"
            f" {counted(int(self._tokens.lengths[row]), 'token')}; {needed[row]:,} are needed"
            for row in np.sort(rows[frames[rows] < needed[rows]]).tolist()
        }
