"""From a list of recordings to data: labelled ones, or speech."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sensorium.data.audio.checks import parts_of
from sensorium.data.audio.listed import Recordings
from sensorium.data.audio.listening import Cache, Listened, RecordingSettings
from sensorium.data.audio.splits import SoundSplit, SpeechSplit, frames_needed
from sensorium.data.base import Data, OnBad, class_order, counted, first_problem
from sensorium.data.duplicates import find_unknown_classes
from sensorium.data.text.settings import TokenSettings, unknown_note, vocabulary_note
from sensorium.data.text.texts import Picked, Texts, TextWriter
from sensorium.data.text.tokens import TokenStore, encode_texts
from sensorium.errors import RequestError
from sensorium.specs import AudioClassificationSpec, SpeechRecognitionSpec
from sensorium.text import ngram
from sensorium.text.tokenizer import clean


class SoundSettings(RecordingSettings):
    """What can be said about a data set of labelled recordings, checked. `make` reads, validates and divides them."""

    def make(self, recordings: Recordings, on_bad: OnBad, *, class_names: Sequence[str] | None = None) -> Data:
        """The three parts; those that the source does not give are held out of train by class.

        class_names: in their order, where the source knows it; else as numbers or by letters.
        """
        listened = self.listen(recordings, on_bad, text="label")
        listed = recordings.listed
        strange, notes = find_unknown_classes(
            labels=[recording.text for recording in listed],
            parts=parts_of(listed),
            rows=listened.rows,
            examples="recordings",
        )
        listened.bad.update(strange)
        problems = listened.refused(on_bad)
        trained = {listed[row].text for row in listened.rows.tolist() if listed[row].part == "train"}
        names = class_order(trained) if class_names is None else [name for name in class_names if name in trained]
        if len(names) < 2:
            there = f"only the class {names[0]!r}" if names else "no class"
            raise RequestError(
                f"{recordings.source} has {there} with usable training recordings; at least two are needed."
                f"{first_problem(problems)}"
            )
        numbers = {name: number for number, name in enumerate(names)}
        labels = np.array([numbers.get(recording.text, -1) for recording in listed], dtype=np.int64)
        parts, split_notes = self.divide(listened, labels, names)
        splits = {part: SoundSplit(**listened.fields(rows), labels=labels[rows]) for part, rows in parts.items()}
        spec = AudioClassificationSpec(
            class_names=tuple(names), features=listened.features, num_features=listened.num_features
        )
        notes = [*listened.notes, *notes, *split_notes, *listened.notes_on(parts)]
        return Data(
            spec=spec,
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            problems=tuple(problems),
            notes=tuple(notes),
        )


class SpeechSettings(RecordingSettings):
    """What can be said about a data set of recordings with transcripts, checked. `make` reads and divides them.

    tokenizer, vocab_size, min_count, lowercase: as in `TokenSettings`. language_model: words of the n-grams that are
    counted in the training transcripts, 0 for none. The others are those of `RecordingSettings`.
    """

    def __init__(
        self,
        *,
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Cache,
        min_seconds: float | None,
        max_seconds: float | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        language_model: int,
        val_fraction: float | None = None,
        test_fraction: float | None = None,
        split_seed: int = 0,
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            features=features,
            cache=cache,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )
        if type(language_model) is not int or language_model < 0:
            raise RequestError(f"dataset.language_model={language_model}: give a number of words such as 3, or 0.")
        self._order = language_model
        self._lowercase = lowercase if isinstance(tokenizer, str) else bool(tokenizer.get("lowercase"))
        self._tokens = TokenSettings(
            tokenizer=tokenizer, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase
        )

    def make(self, recordings: Recordings, on_bad: OnBad) -> Data:
        """The three parts; those that the source does not give are held out of train at random.

        A note tells when parts share speakers. Tokenizer and language model are those of the training transcripts.
        """
        listened = self.listen(recordings, on_bad, text="transcript")
        listened.refused(on_bad)
        parts, split_notes = self.divide(listened, np.zeros(len(recordings), np.int64), ["speech"])
        texts = self._texts(recordings)
        tokenizer = self._tokens.tokenizer(texts.take(parts["train"]))
        targets = encode_texts(texts, tokenizer, never_empty=True)
        listened.bad.update(_too_many_tokens(targets, listened))
        problems = listened.refused(on_bad)
        parts = {part: rows[np.isin(rows, listened.rows)] for part, rows in parts.items()}
        if empty := [part for part, rows in parts.items() if not len(rows)]:
            raise RequestError(f"{recordings.source} has no usable recordings left in {empty[0]}.")
        splits = {
            part: SpeechSplit(**listened.fields(rows), targets=targets.subset(rows), texts=Picked(texts, rows))
            for part, rows in parts.items()
        }
        spec = SpeechRecognitionSpec(
            features=listened.features,
            num_features=listened.num_features,
            tokenizer=tokenizer.to_dict(),
            vocab_size=tokenizer.vocab_size,
            language_model=self._language_model(texts.take(parts["train"])),
        )
        return Data(
            spec=spec,
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            problems=tuple(problems),
            notes=(
                *listened.notes,
                *split_notes,
                *listened.notes_on(parts),
                vocabulary_note(tokenizer, trained=self._tokens.trained),
                unknown_note({part: splits[part].targets for part in ("val", "test")}),
            ),
        )

    def _language_model(self, sentences: Texts) -> str:
        return ngram.estimate(sentences, order=self._order).to_arpa() if self._order else ""

    def _texts(self, recordings: Recordings) -> Texts:
        """All transcripts, in lower case where the tokenizer puts them so: no recogniser could write them otherwise."""
        writer = TextWriter()
        for recording in recordings.listed:
            writer.add(clean(recording.text, lowercase=self._lowercase))
        return writer.finish()


def _too_many_tokens(targets: TokenStore, listened: Listened) -> dict[int, str]:
    """The usable recordings that have fewer frames than CTC needs: one a token, and one between two that are alike.

    A model that looks at fewer frames than there are needs more; that is found where the model is known.
    """
    needed = frames_needed(targets)
    rows = listened.rows
    return {
        row: f"{counted(int(listened.frames[row]), 'frame')} of sound for a transcript of "
        f"{counted(int(targets.lengths[row]), 'token')}; {needed[row]:,} are needed"
        for row in rows[listened.frames[rows] < needed[rows]].tolist()
    }
