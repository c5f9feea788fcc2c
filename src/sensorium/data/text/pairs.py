"""From a list of sentence pairs to data: the checks, the three parts, the tokenizers, the tokens."""

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import Data, OnBad, Problem, check_fractions, counted, first_problem, refuse
from sensorium.data.duplicates import PARTS, find_duplicates, without
from sensorium.data.io.text_files import wrong_bytes
from sensorium.data.splits import hold_out
from sensorium.data.text.labelled import cut_note
from sensorium.data.text.settings import (
    check_length,
    pair_settings,
    unknown_note,
    vocabulary_note,
)
from sensorium.data.text.splits import TranslationSplit
from sensorium.data.text.texts import Picked, Places, Texts, TextWriter
from sensorium.data.text.tokens import encode_texts
from sensorium.errors import RequestError
from sensorium.specs import TranslationSpec
from sensorium.text.tokenizer import PAD, Tokenizer


class SentencePairs:
    """What a source says there is: sentences, translations, part and place, one after the other.

    name: the file or folder, or a name. problems, notes: what was found while reading.
    """

    def __init__(self, name: str | Path) -> None:
        self.name = str(name)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.given = {"train"}  # parts that the source has, were it only of unusable pairs
        self.writers = (TextWriter(), TextWriter())
        self.sources: dict[str, int] = {}
        self.part_of, self.source_of, self.lines = array("b"), array("l"), array("q")

    def __len__(self) -> int:
        return len(self.lines)

    def add(self, source: str, target: str, *, place: str, line: int, part: str = "") -> None:
        """A pair from this line of a file. part: train, val, test, or "" when nobody said.

        Without one of the two, or with bytes that are not UTF-8, it is a problem.
        """
        self.given.add(part or "train")
        source, target = source.strip(), target.strip()
        wrong = wrong_bytes(source) or wrong_bytes(target)
        if not source or not target:
            wrong = "no translation" if source else "no sentence to translate"
        if wrong:
            self.problems.append(Problem(f"{place}:{line}", wrong))
            return
        for writer, text in zip(self.writers, (source, target), strict=True):
            writer.add(text)
        self.part_of.append(PARTS.index(part or "train"))
        self.source_of.append(self.sources.setdefault(place, len(self.sources)))
        self.lines.append(line)


class PairSettings:
    """What can be said about a data set of sentence pairs, checked. `make` validates, divides and encodes the pairs.

    max_length: tokens a sentence is cut to, on both sides. shared_vocabulary: one tokenizer for both languages.
    """

    def __init__(
        self,
        *,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        shared_vocabulary: bool,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        check_fractions(val_fraction=val_fraction, test_fraction=test_fraction)
        self._fractions = {"test": test_fraction, "val": val_fraction}
        self._tokens = pair_settings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            shared=shared_vocabulary,
        )
        self._max_length = check_length("max_length", max_length)
        self._split_seed = split_seed

    def make(self, listed: SentencePairs, on_bad: OnBad) -> Data:
        """The three parts; those that the source does not give are held out of train."""
        refuse([], on_bad=on_bad)
        texts = tuple(writer.finish() for writer in listed.writers)
        places = Places(list(listed.sources), np.array(listed.source_of), np.array(listed.lines))
        part_of = np.array(listed.part_of, dtype=np.int64)
        digests = tuple(side.digests() for side in texts)
        bad, notes = find_duplicates(
            digests=np.concatenate(digests, axis=1),
            labels=None,
            parts=part_of,
            places=places,
            rows=np.arange(len(listed)),
            content="text",
        )
        problems = listed.problems + [Problem(places[row], what) for row, what in sorted(bad.items())]
        refuse(problems, on_bad=on_bad)
        rows = without(np.arange(len(listed)), bad)
        parts, split_notes = self._divide(listed, rows, part_of, digests[0])
        tokenizers = self._tokenizers([side.take(parts["train"]) for side in texts])
        source, target = (
            encode_texts(side, tokenizer, max_length=self._max_length)
            for side, tokenizer in zip(texts, tokenizers, strict=True)
        )
        splits = {
            part: TranslationSplit(
                source.subset(chosen), target.subset(chosen), *(Picked(of, chosen) for of in (places, *texts))
            )
            for part, chosen in parts.items()
        }
        cut = sum(split.cut for split in splits.values())
        return Data(
            spec=TranslationSpec(
                source_tokenizer=tokenizers[0].to_dict(),
                target_tokenizer=tokenizers[1].to_dict(),
                source_vocab_size=tokenizers[0].vocab_size,
                target_vocab_size=tokenizers[1].vocab_size,
                pad_id=PAD,
                max_length=self._max_length,
            ),
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            problems=tuple(problems),
            notes=(
                *listed.notes,
                *notes,
                *_seen_sources(digests[0], parts),
                *split_notes,
                *self._vocabulary_notes(tokenizers, splits),
                *cut_note(cut, self._max_length),
            ),
        )

    def _tokenizers(self, train: Sequence[Texts]) -> tuple[Tokenizer, Tokenizer]:
        if self._tokens[0] is self._tokens[1]:
            shared = self._tokens[0].tokenizer(chain(*train))
            return shared, shared
        source, target = (settings.tokenizer(texts) for settings, texts in zip(self._tokens, train, strict=True))
        return source, target

    def _divide(
        self, listed: SentencePairs, rows: np.ndarray, part_of: np.ndarray, digests: np.ndarray
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """The rows of each part, and notes on what was held out."""
        parts = {part: rows[part_of[rows] == number] for number, part in enumerate(PARTS)}
        for part in listed.given:
            if not len(parts[part]):
                first = first_problem(listed.problems)
                raise RequestError(f"{listed.name} has no usable pairs in {part}.{first}")
        fractions = {part: share for part, share in self._fractions.items() if part not in listed.given}
        if not fractions:
            return parts, []
        held_out = hold_out(
            labels=np.zeros(len(parts["train"]), dtype=np.int64),
            keys=[digests[row].tobytes().hex() for row in parts["train"].tolist()],
            fractions=fractions,
            seed=self._split_seed,
            class_names=["pairs"],
        )
        notes = [
            f"{part}: {counted(len(chosen), 'pair')} held out of train (split_seed {self._split_seed})"
            for part, chosen in held_out.items()
            if part != "train"
        ]
        return parts | {part: parts["train"][chosen] for part, chosen in held_out.items()}, notes

    def _vocabulary_notes(self, tokenizers: Sequence[Tokenizer], splits: Mapping[str, TranslationSplit]) -> list[str]:
        shared = tokenizers[0] is tokenizers[1]
        notes = []
        for side, name in enumerate(("source", "target")):
            if not shared or side == 0:
                title = "vocabulary of both sides" if shared else f"{name} vocabulary"
                notes.append(vocabulary_note(tokenizers[side], name=title, trained=self._tokens[side].trained))
            held = {part: (splits[part].source, splits[part].target)[side] for part in ("val", "test")}
            notes.append(unknown_note(held, name=f"unknown {name} tokens"))
        return notes


def _seen_sources(digests: np.ndarray, parts: Mapping[str, np.ndarray]) -> list[str]:
    """How many sentences of val and test are in train too, with another translation."""
    keys = digests.view(f"V{digests.shape[1]}").ravel()
    notes = []
    for part in ("val", "test"):
        if seen := int(np.isin(keys[parts[part]], keys[parts["train"]]).sum()):
            notes.append(f"{part}: {counted(seen, 'sentence')} also in train, with another translation; kept")
    return notes
