"""Texts with one or several numbers each: a part of the data, and from a list of texts to data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch

from sensorium.batches import TextRegressionBatch
from sensorium.data.base import Data, OnBad, Problem, first_problem, refuse
from sensorium.data.duplicates import find_duplicates, without
from sensorium.data.order import BatchPlan, LengthOrder
from sensorium.data.targets import divided, shown, standardized, statistics
from sensorium.data.text.labelled import LabelledSettings, LabelledTexts, cut_note
from sensorium.data.text.settings import unknown_note, vocabulary_note
from sensorium.data.text.texts import Picked
from sensorium.data.text.tokens import TokenStore, encode_texts
from sensorium.errors import RequestError
from sensorium.specs import TextRegressionSpec
from sensorium.text.tokenizer import PAD


@dataclass(frozen=True)
class TextRegressionSplit:
    """One part of the data. targets: (N, K) float64 in their own units. names: such as "reviews.csv:17". texts: as they
    were written. target_mean, target_std: K each, that batches are standardized with.
    """

    tokens: TokenStore
    targets: np.ndarray
    names: Sequence[str]
    texts: Sequence[str]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def cut(self) -> int:
        """How many texts were longer than the limit."""
        return self.tokens.cut

    def read(self, rows: np.ndarray) -> TextRegressionBatch:
        """The batch of these rows (B,); tokens (B, T), T being the length of its longest text."""
        targets = standardized(self.targets[rows], self.target_mean, self.target_std)
        arrays = (*self.tokens.gather(rows), targets, rows)
        return TextRegressionBatch(*(torch.from_numpy(array) for array in arrays))

    def order(self, plan: BatchPlan) -> LengthOrder:
        return LengthOrder(lengths=self.tokens.lengths, plan=plan)

    def subset(self, rows: np.ndarray) -> "TextRegressionSplit":
        return replace(
            self,
            tokens=self.tokens.subset(rows),
            targets=self.targets[rows],
            names=Picked(self.names, rows),
            texts=Picked(self.texts, rows),
        )

    def joined(self, others: Sequence["TextRegressionSplit"]) -> "TextRegressionSplit":
        splits = (self, *others)
        return replace(
            self,
            tokens=self.tokens.joined([split.tokens for split in others]),
            targets=np.concatenate([split.targets for split in splits]),
            names=list(chain.from_iterable(split.names for split in splits)),
            texts=list(chain.from_iterable(split.texts for split in splits)),
        )


class TargetTexts(LabelledTexts):
    """Texts with numbers, one after the other. The label of each is its numbers, as messages show them."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.targets: list[tuple[float, ...]] = []

    def add_targets(self, text: str, targets: tuple[float, ...], *, source: str, line: int = 0, part: str = "") -> None:
        """As `add`."""
        before = len(self)
        self.add(text, shown(targets), source=source, line=line, part=part)
        if len(self) > before:
            self.targets.append(targets)


class TargetTextSettings(LabelledSettings):
    """Of texts with numbers: `make_regression` validates, divides and encodes the texts."""

    def make_regression(self, listed: TargetTexts, *, target_names: tuple[str, ...], on_bad: OnBad) -> Data:
        """The three parts; those that the source does not give are held out of train."""
        refuse([], on_bad=on_bad)
        if not len(listed):
            raise RequestError(f"{listed.source} lists no usable text.{first_problem(listed.problems)}")
        found = listed.finish()
        bad, repeat_notes = find_duplicates(
            digests=found.digests,
            labels=found.labels,
            parts=found.parts,
            places=found.places,
            rows=np.arange(len(found.texts)),
            content="text",
        )
        problems = [*listed.problems, *(Problem(found.places[row], what) for row, what in sorted(bad.items()))]
        refuse(problems, on_bad=on_bad)
        chosen, split_notes = divided(
            source=found.source,
            parts=found.parts,
            given=found.given,
            rows=without(np.arange(len(found.texts)), bad),
            keys=[digest.tobytes().hex() for digest in found.digests],
            fractions=self.fractions,
            seed=self.split_seed,
            example="text",
        )
        targets = np.array(listed.targets, dtype=np.float64)
        target_mean, target_std = statistics(found.source, target_names, targets[chosen["train"]])
        tokenizer = self._tokens.tokenizer(found.texts.take(chosen["train"]))
        tokens = encode_texts(found.texts, tokenizer, max_length=self._max_length, never_empty=True)
        splits = {
            part: TextRegressionSplit(
                tokens.subset(of),
                targets[of],
                Picked(found.places, of),
                Picked(found.texts, of),
                target_mean,
                target_std,
            )
            for part, of in chosen.items()
        }
        return Data(
            spec=TextRegressionSpec(
                target_names=target_names,
                target_mean=target_mean,
                target_std=target_std,
                tokenizer=tokenizer.to_dict(),
                vocab_size=tokenizer.vocab_size,
                pad_id=PAD,
                max_length=self._max_length,
            ),
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            problems=tuple(problems),
            notes=(
                *listed.notes,
                *repeat_notes,
                *split_notes,
                vocabulary_note(tokenizer, trained=self._tokens.trained),
                unknown_note({part: splits[part].tokens for part in ("val", "test")}),
                *cut_note(sum(split.cut for split in splits.values()), self._max_length),
            ),
        )
