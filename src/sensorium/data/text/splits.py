"""Splits of texts with a class or numbers, of sentence pairs, and of running text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from sensorium.batches import IGNORED, LanguageBatch, TextBatch, TextRegressionBatch, TranslationBatch
from sensorium.data.attributes import Attribute, of_classes
from sensorium.data.columns import Columns
from sensorium.data.corrupted import Corruption, text_corruptions
from sensorium.data.order import BatchPlan, LengthOrder, StreamOrder
from sensorium.data.strings import Places
from sensorium.data.targets.numbers import standardized
from sensorium.data.text.tokens import TokenStore
from sensorium.text.tokenizer import BOS, EOS, PAD


class _TextColumns(Columns):
    """What splits of single texts share."""

    tokens: TokenStore
    texts: Sequence[str]

    @property
    def cut(self) -> int:
        """How many texts were longer than the limit."""
        return self.tokens.cut

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        return {"length": lambda: Attribute(self.tokens.lengths.astype(np.float64), unit="tokens")}

    def corruptions(self, spec: Any) -> tuple[Corruption, ...]:
        """What can be done to its texts. spec: of the model."""
        return text_corruptions(
            self.texts,
            spec.tokenizer,
            spec.max_length,
            lambda texts, tokens: self._with({"texts": texts, "tokens": tokens}),
        )

    def order(self, plan: BatchPlan) -> LengthOrder:
        return LengthOrder(lengths=self.tokens.lengths, plan=plan)


@dataclass(frozen=True)
class TextSplit(_TextColumns):
    """Labelled texts. labels: (N,) int64. names: such as "reviews.csv:17". texts: as they were written."""

    tokens: TokenStore
    labels: np.ndarray
    names: Sequence[str]
    texts: Sequence[str]

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        return super().attributes(class_names) | {"class": partial(of_classes, self.labels, class_names)}

    def read(self, rows: np.ndarray) -> TextBatch:
        """The batch of these rows (B,); tokens (B, T), T being the length of its longest text."""
        arrays = (*self.tokens.gather(rows), self.labels[rows], rows)
        return TextBatch(*(torch.from_numpy(array) for array in arrays))


@dataclass(frozen=True)
class TextRegressionSplit(_TextColumns):
    """Texts with numbers. targets: (N, K) float64 in their own units. names: such as "reviews.csv:17". texts: as they
    were written. target_mean, target_std: K each, that batches are standardized with.
    """

    constants = ("target_mean", "target_std")

    tokens: TokenStore
    targets: np.ndarray
    names: Sequence[str]
    texts: Sequence[str]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]

    def read(self, rows: np.ndarray) -> TextRegressionBatch:
        """The batch of these rows (B,); tokens (B, T), T being the length of its longest text."""
        targets = standardized(self.targets[rows], self.target_mean, self.target_std)
        arrays = (*self.tokens.gather(rows), targets, rows)
        return TextRegressionBatch(*(torch.from_numpy(array) for array in arrays))


@dataclass(frozen=True)
class TranslationSplit(Columns):
    """Sentence pairs. source, target: tokens without BOS and EOS. names: such as "train.en:17".

    source_texts, references: the sentences and their translations as they were written.
    """

    source: TokenStore
    target: TokenStore
    names: Sequence[str]
    source_texts: Sequence[str]
    references: Sequence[str]

    @property
    def cut(self) -> int:
        """How many sentences and translations were longer than the limit."""
        return self.source.cut + self.target.cut

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        return {"length": lambda: Attribute(self.source.lengths.astype(np.float64), unit="tokens")}

    def corruptions(self, spec: Any) -> tuple[Corruption, ...]:
        """What can be done to its sources. spec: of the model."""
        return text_corruptions(
            self.source_texts,
            spec.source_tokenizer,
            spec.max_length,
            lambda texts, tokens: self._with({"source_texts": texts, "source": tokens}),
            never_empty=False,
        )

    def read(self, rows: np.ndarray) -> TranslationBatch:
        """The batch of these rows (B,): source (B, S), lengths (B,), target_in and target_out (B, U)."""
        source, lengths = self.source.gather(rows)
        source = _ended(source, lengths)
        target, target_lengths = self.target.gather(rows)
        target_out = _ended(target, target_lengths)
        target_out[np.arange(target_out.shape[1]) > target_lengths[:, None]] = IGNORED
        target_in = np.concatenate([np.full((len(rows), 1), BOS), target], axis=1)
        arrays = (source, lengths + 1, target_in, target_out, rows)
        return TranslationBatch(*(torch.from_numpy(array) for array in arrays))

    def order(self, plan: BatchPlan) -> LengthOrder:
        return LengthOrder(lengths=np.maximum(self.source.lengths, self.target.lengths) + 1, plan=plan)


@dataclass(frozen=True)
class LanguageSplit:
    """Running text: N tokens, of which all but the first are predicted, each from those before it.

    tokens: (N,) of any whole-number type. context: tokens a model reads at once. history: so many of them only lead up
    to those that are predicted; 0 for a model that carries a state over, or that needs no run-up. num_characters,
    num_bytes: of the raw text of the predicted tokens, so without the first token. name: of the text.
    """

    tokens: np.ndarray
    context: int
    num_characters: int
    num_bytes: int
    history: int = 0
    name: str = "text"

    def __len__(self) -> int:
        return len(self.tokens) - 1

    @property
    def names(self) -> Sequence[str]:
        """A position in the text, such as "text:17", counted in tokens."""
        return Places([self.name], np.broadcast_to(np.int64(0), len(self)), np.arange(1, len(self) + 1))

    def read(self, rows: np.ndarray) -> LanguageBatch:
        """The segments that begin at these positions (B,); tokens and targets (B, T), T at most `context`.

        A segment is read from `history` tokens before its position on, or from the beginning of the text. Targets
        count from the position itself, for context - history tokens or to the end of the text; others are IGNORED.
        """
        first = np.maximum(rows - self.history, 0)
        last = np.minimum(rows + self.context - self.history, len(self))  # behind the last position that counts
        places = first[:, None] + np.arange(max(1, int((last - first).max())))
        tokens = self._at(places, PAD)
        targets = self._at(places + 1, IGNORED)
        targets[(places < rows[:, None]) | (places >= last[:, None])] = IGNORED
        return LanguageBatch(torch.from_numpy(tokens), torch.from_numpy(targets), torch.from_numpy(rows))

    def order(self, plan: BatchPlan) -> StreamOrder:
        return StreamOrder(num_tokens=len(self.tokens), context=self.context - self.history, plan=plan)

    def with_history(self, history: int) -> "LanguageSplit":
        """The same text, each token predicted from at least `history` tokens, as far as there are any before it."""
        if not 0 <= history < self.context:
            raise ValueError(f"history {history} leaves nothing to predict in a context of {self.context}")
        return replace(self, history=history)

    def subset(self, rows: np.ndarray) -> "LanguageSplit":
        """As many positions as there are rows, from the first row on: running text cannot have holes.

        Characters and bytes are this share of the whole.
        """
        start = int(rows[0])
        share = len(rows) / max(1, len(self))
        return replace(
            self,
            tokens=self.tokens[start : start + len(rows) + 1],
            num_characters=round(self.num_characters * share),
            num_bytes=round(self.num_bytes * share),
        )

    def joined(self, others: Sequence["LanguageSplit"]) -> "LanguageSplit":
        """One text after the other. The first token of each later one, now predicted, has no characters of its own."""
        splits = (self, *others)
        return replace(
            self,
            tokens=np.concatenate([split.tokens for split in splits]),
            num_characters=sum(split.num_characters for split in splits),
            num_bytes=sum(split.num_bytes for split in splits),
        )

    def _at(self, places: np.ndarray, beyond: int) -> np.ndarray:
        inside = places < len(self.tokens)
        return np.where(inside, self.tokens[np.where(inside, places, 0)].astype(np.int64), beyond)


def _ended(tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(B, T) -> (B, T + 1): EOS behind the last token of each row."""
    longer = np.pad(tokens, ((0, 0), (0, 1)), constant_values=PAD)
    longer[np.arange(len(longer)), lengths] = EOS
    return longer
