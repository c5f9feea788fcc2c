"""Sentences and their translations."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import Data, OnBad, counted
from sensorium.data.listing import Listing
from sensorium.data.pipeline import NoTargets, Rows, prepare
from sensorium.data.shards.samples import FromShards
from sensorium.data.text.labeled import cut_note
from sensorium.data.text.splits import TranslationSplit
from sensorium.data.text.text_settings import PairSettings, unknown_note, vocabulary_note
from sensorium.data.text.texts import Texts, TextWriter
from sensorium.data.text.tokens import TokenStore, encode_texts
from sensorium.errors import RequestError
from sensorium.specs import TranslationSpec
from sensorium.text.tokenizer import PAD, Tokenizer, stripped

_SIDES = ("source", "target")
_UNREAD = (".tmx", ".xliff", ".xlf", ".sdlxliff", ".po")  # formats of translation memories


class PairListing(Listing):
    """Sentence pairs one after the other."""

    unit = "pair"

    def __init__(self, source: str | Path) -> None:
        super().__init__(source)
        self._writers = (TextWriter(), TextWriter())

    def add(self, source: str, target: str, *, place: str, line: int, split: str = "") -> None:
        """A pair from this line of a file. split: train, val, test, or "" when unknown.

        Without one of the two it is a problem.
        """
        if wrong := self._written(source, target):
            self.refused(place, line, wrong, split=split)
        else:
            self._append(None, split, place, line)

    def _written(self, source: str, target: str) -> str:
        """Keeps the next two texts; returns what is wrong where one of them is none."""
        source, target = stripped(source), stripped(target)
        if not source or not target:
            return "no translation" if source else "no sentence to translate"
        for writer, text in zip(self._writers, (source, target), strict=True):
            writer.add(text)
        return ""

    @cached_property
    def texts(self) -> tuple[Texts, ...]:
        """All sentences, and all translations; nothing can be added after."""
        return tuple(writer.finish() for writer in self._writers)

    @property
    def names(self) -> Sequence[str]:
        return self.places


class ShardPairs(FromShards, PairListing):
    """Pairs in shards."""

    def take_pair(self, member: int, source: str, target: str) -> None:
        """The next one. member: of its source. Without one of the two it is a problem."""
        if wrong := self._written(source, target):
            self.refuse(member, wrong)
        else:
            self.take(member, None)


class PairInputs:
    """Both sides as tokens. Pairs are duplicates when both sides are the same; they are held out by the source."""

    shared = "text"
    tokenizers: list[Tokenizer]
    tokens: list[TokenStore]

    def __init__(self, found: PairListing, settings: PairSettings) -> None:
        found.need()
        self._found, self._settings = found, settings
        digests = [side.digests() for side in found.texts]
        self.digests, self.keys = np.concatenate(digests, axis=1), digests[0]
        self.unusable: dict[int, str] = {}
        self.notes: list[str] = []

    def fit(self, rows: Rows) -> dict[int, str]:
        train = [side.subset(rows["train"]) for side in self._found.texts]
        self.tokenizers = self._settings.build_tokenizers(*train)
        self.tokens = [
            encode_texts(side, tokenizer, max_length=self._settings.max_length)
            for side, tokenizer in zip(self._found.texts, self.tokenizers, strict=True)
        ]
        return {}

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        source, target = (tokens.subset(rows) for tokens in self.tokens)
        source_texts, references = (texts.subset(rows) for texts in self._found.texts)
        return {
            "source": source,
            "target": target,
            "names": self._found.places.subset(rows),
            "source_texts": source_texts,
            "references": references,
        }

    def spec(self) -> dict[str, Any]:
        source, target = self.tokenizers
        return {
            "source_tokenizer": source.to_dict(),
            "target_tokenizer": target.to_dict(),
            "source_vocab_size": source.vocab_size,
            "target_vocab_size": target.vocab_size,
            "pad_id": PAD,
            "max_length": self._settings.max_length,
        }

    def notes_on(self, rows: Rows) -> list[str]:
        cut = sum(tokens.subset(of).cut for tokens in self.tokens for of in rows.values())
        return [
            *self._seen_sources(rows),
            *self._untranslated(rows),
            *self._vocabulary(rows),
            *cut_note(cut, self._settings.max_length),
        ]

    def _untranslated(self, rows: Rows) -> Iterator[str]:
        """How many pairs have the same text on both sides."""
        used = np.sort(np.concatenate(list(rows.values())))
        source, target = np.split(self.digests[used], 2, axis=1)
        same = used[(source == target).all(axis=1)]
        if len(same):
            first = self._found.places[int(same[0])]
            yield f"source and target are the same text: {len(same):,} of {counted(len(used), 'pair')}, such as {first}"

    def _vocabulary(self, rows: Rows) -> Iterator[str]:
        shared = self._settings.shared_vocabulary
        for side, name in enumerate(_SIDES):
            if not shared or side == 0:
                title = "vocabulary of both sides" if shared else f"{name} vocabulary"
                trained = self._settings.side_trained(name)
                yield vocabulary_note(self.tokenizers[side], name=title, trained=trained)
            held = {split: self.tokens[side].subset(rows[split]) for split in ("val", "test")}
            yield unknown_note(held, name=f"unknown {name} tokens")

    def _seen_sources(self, rows: Rows) -> Iterator[str]:
        """How many sentences of val and test are in train too, with another translation."""
        keys = np.ascontiguousarray(self.keys).view(f"V{self.keys.shape[1]}").ravel()
        for split in ("val", "test"):
            if seen := int(np.isin(keys[rows[split]], keys[rows["train"]]).sum()):
                yield f"{split}: {counted(seen, 'sentence')} also in train, with another translation; kept"


def refuse_other_formats(path: Path) -> None:
    """A RequestError for a file of a translation memory, which is no text line by line."""
    if path.suffix.lower() in _UNREAD:
        raise RequestError(
            f"{path}: {path.suffix} is not read here. Export it as a table of two columns, or as JSON lines such as\n"
            '{"en": "A dog.", "de": "Ein Hund."}; dataset=parallel_table reads both.'
        )


def translated(found: PairListing, settings: PairSettings, *, on_bad: OnBad) -> Data:
    """Data for translation."""
    return prepare(
        found,
        PairInputs(found, settings),
        NoTargets(),
        spec=TranslationSpec,
        split=TranslationSplit,
        settings=settings,
        on_bad=on_bad,
    )
