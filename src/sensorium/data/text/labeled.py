"""Texts with a target each: a class, or numbers."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import Data, OnBad, counted
from sensorium.data.listing import Listing
from sensorium.data.pipeline import Rows, prepare
from sensorium.data.shards.samples import FromShards
from sensorium.data.targets.classes import ClassTargets
from sensorium.data.targets.numbers import NumberTargets
from sensorium.data.text.splits import TextRegressionSplit, TextSplit
from sensorium.data.text.text_settings import TextSettings, unknown_note, vocabulary_note
from sensorium.data.text.texts import Texts, TextWriter
from sensorium.data.text.tokens import TokenStore, encode_texts
from sensorium.specs import TextClassificationSpec, TextRegressionSpec
from sensorium.text.tokenizer import PAD, Tokenizer, stripped


class TextListing(Listing):
    """Texts one after the other."""

    unit = "text"

    def __init__(self, source: str | Path) -> None:
        super().__init__(source)
        self._texts = TextWriter()

    def add(self, text: str, target: Any, *, source: str, line: int = 0, split: str = "") -> None:
        """A text from this line of a source. target: a class name, or a tuple of numbers. split: train, val, test, or
        "" when unknown. Without a text or a target it is a problem.
        """
        if wrong := _incomplete(text, target):
            self.refused(source, line, wrong, split=split)
            return
        self._texts.add(text)
        self._append(target, split, source, line)

    @cached_property
    def texts(self) -> Texts:
        """All texts; nothing can be added after."""
        return self._texts.finish()

    @property
    def names(self) -> Sequence[str]:
        return self.places


def _incomplete(text: str, target: Any) -> str:
    return "" if stripped(text) and target else "no label" if stripped(text) else "no text"


class ShardTexts(FromShards, TextListing):
    """Texts in shards."""

    def take_text(self, member: int, text: str, target: Any) -> None:
        """The next one. Without a text or a target it is a problem."""
        if wrong := _incomplete(text, target):
            self.refused(self.shards.index.name(member), 0, wrong, split=self.shards.split_of(member))
            return
        self._texts.add(text)
        self.take(member, target)


class TextInputs:
    """Texts as tokens, by a tokenizer trained on train."""

    shared = "text"
    tokenizer: Tokenizer
    tokens: TokenStore

    def __init__(self, found: TextListing, settings: TextSettings) -> None:
        found.need()
        self._found, self._settings = found, settings
        self.digests = found.texts.digests()
        self.unusable: dict[int, str] = {}
        self.notes: list[str] = []

    @property
    def keys(self) -> np.ndarray:
        return self.digests

    def fit(self, rows: Rows) -> dict[int, str]:
        texts = self._found.texts
        self.tokenizer = self._settings.build_tokenizer(texts.subset(rows["train"]))
        self.tokens = encode_texts(texts, self.tokenizer, max_length=self._settings.max_length, never_empty=True)
        return {}

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        return {
            "tokens": self.tokens.subset(rows),
            "names": self._found.places.subset(rows),
            "texts": self._found.texts.subset(rows),
        }

    def spec(self) -> dict[str, Any]:
        return {
            "tokenizer": self.tokenizer.to_dict(),
            "vocab_size": self.tokenizer.vocab_size,
            "pad_id": PAD,
            "max_length": self._settings.max_length,
        }

    def notes_on(self, rows: Rows) -> list[str]:
        return [
            vocabulary_note(self.tokenizer, trained=self._settings.trained),
            unknown_note({split: self.tokens.subset(rows[split]) for split in ("val", "test")}),
            *cut_note(sum(self.tokens.subset(of).cut for of in rows.values()), self._settings.max_length),
        ]


def cut_note(cut: int, max_length: int) -> list[str]:
    """How many texts were cut, if any."""
    return [f"truncated to {max_length:,} tokens (dataset.max_length): {counted(cut, 'text')}"] if cut else []


def text_classes(
    found: TextListing, settings: TextSettings, *, on_bad: OnBad, class_names: Sequence[str] | None = None
) -> Data:
    """Data for text classification. class_names: in their order, where the source knows it."""
    return prepare(
        found,
        TextInputs(found, settings),
        ClassTargets(found, class_names=class_names),
        spec=TextClassificationSpec,
        split=TextSplit,
        settings=settings,
        on_bad=on_bad,
    )


def text_numbers(found: TextListing, settings: TextSettings, names: Sequence[str], *, on_bad: OnBad) -> Data:
    """Data for regression of texts. names: of the numbers."""
    return prepare(
        found,
        TextInputs(found, settings),
        NumberTargets(found, names),
        spec=TextRegressionSpec,
        split=TextRegressionSplit,
        settings=settings,
        on_bad=on_bad,
    )
