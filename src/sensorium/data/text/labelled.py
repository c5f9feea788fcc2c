"""From a list of labelled texts to data: the checks, the three parts, the tokenizer, the tokens."""

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import Data, OnBad, Problem, check_fractions, class_order, counted, first_problem, refuse
from sensorium.data.duplicates import PARTS, find_duplicates, find_unknown_classes, without
from sensorium.data.splits import hold_out
from sensorium.data.text.settings import TokenSettings, check_length, unknown_note, vocabulary_note
from sensorium.data.text.splits import TextSplit
from sensorium.data.text.texts import Picked, Places, TextWriter
from sensorium.data.text.tokens import encode_texts
from sensorium.errors import RequestError
from sensorium.specs import TextClassificationSpec
from sensorium.text.tokenizer import PAD


class LabelledTexts:
    """What a source says there is: texts with label, part and place, one after the other.

    source: the file or folder, or a name. problems, notes: what was found while reading.
    """

    def __init__(self, source: str | Path) -> None:
        self.source = str(source)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.given = {"train"}  # parts that the source has, were it only of unusable texts
        self._texts = TextWriter()
        self._labels: dict[str, int] = {}
        self._sources: dict[str, int] = {}
        self._label_of, self._part_of = array("l"), array("b")
        self._source_of, self._lines = array("l"), array("q")

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str, label: str, *, source: str, line: int = 0, part: str = "") -> None:
        """A text from this line of a source. part: train, val, test, or "" when nobody said.

        Without a text or a label it is a problem.
        """
        self.given.add(part or "train")
        if not text.strip() or not label:
            place = Places([source], np.zeros(1, np.int64), np.array([line]))[0]
            self.problems.append(Problem(place, "no label" if text.strip() else "no text"))
            return
        self._texts.add(text)
        self._label_of.append(self._labels.setdefault(label, len(self._labels)))
        self._part_of.append(PARTS.index(part or "train"))
        self._source_of.append(self._sources.setdefault(source, len(self._sources)))
        self._lines.append(line)

    def finish(self) -> "Found":
        """All of it, as arrays."""
        places = Places(list(self._sources), np.array(self._source_of), np.array(self._lines))
        labels = Picked(list(self._labels), np.array(self._label_of, dtype=np.int64))
        return Found(self, labels, np.array(self._part_of, dtype=np.int64), places)


class Found:
    """Sound texts with what belongs to each. labels, places: (N,). parts: (N,) which of PARTS."""

    def __init__(self, listed: LabelledTexts, labels: Sequence[str], parts: np.ndarray, places: Sequence[str]) -> None:
        self.source, self.given = listed.source, listed.given
        self.texts = listed._texts.finish()
        self.labels, self.parts, self.places = labels, parts, places
        self.digests = self.texts.digests()


class LabelledSettings:
    """What can be said about a data set of labelled texts, checked. `make` validates, divides and encodes the texts.

    max_length: tokens a text is cut to.
    """

    def __init__(
        self,
        *,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        val_fraction: float,
        test_fraction: float | None = None,
        split_seed: int,
    ) -> None:
        self.fractions = {"val": val_fraction}
        if test_fraction is not None:
            self.fractions = {"test": test_fraction, "val": val_fraction}
        check_fractions(**{f"{part}_fraction": share for part, share in self.fractions.items()})
        self._tokens = TokenSettings(
            tokenizer=tokenizer, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase
        )
        self._max_length = check_length("max_length", max_length)
        self.split_seed = split_seed

    def make(self, listed: LabelledTexts, on_bad: OnBad, *, class_names: Sequence[str] | None = None) -> Data:
        """The three parts; those that the source does not give are held out of train by class.

        class_names: in their order, where the source knows it; else as numbers or by letters.
        """
        refuse([], on_bad=on_bad)
        found = listed.finish()
        rows, problems, notes = _sound_rows(found)
        problems = listed.problems + problems
        refuse(problems, on_bad=on_bad)
        trained = {found.labels[row] for row in rows[found.parts[rows] == 0].tolist()}
        names = class_order(trained) if class_names is None else [name for name in class_names if name in trained]
        if len(names) < 2:
            first = first_problem(problems)
            there = f"only the class {names[0]!r}" if names else "no class"
            raise RequestError(
                f"{found.source} has {there} with usable training texts; at least two are needed.{first}"
            )
        parts, split_notes = self._divide(found, rows, names)
        tokenizer = self._tokens.tokenizer(found.texts.take(parts["train"]))
        tokens = encode_texts(found.texts, tokenizer, max_length=self._max_length, never_empty=True)
        numbers = {name: number for number, name in enumerate(names)}
        splits = {
            part: TextSplit(
                tokens.subset(chosen),
                np.array([numbers[found.labels[row]] for row in chosen.tolist()], dtype=np.int64),
                Picked(found.places, chosen),
                Picked(found.texts, chosen),
            )
            for part, chosen in parts.items()
        }
        spec = TextClassificationSpec(
            class_names=tuple(names),
            tokenizer=tokenizer.to_dict(),
            vocab_size=tokenizer.vocab_size,
            pad_id=PAD,
            max_length=self._max_length,
        )
        return Data(
            spec=spec,
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            problems=tuple(problems),
            notes=(
                *listed.notes,
                *notes,
                *split_notes,
                vocabulary_note(tokenizer, trained=self._tokens.trained),
                unknown_note({part: splits[part].tokens for part in ("val", "test")}),
                *cut_note(sum(split.cut for split in splits.values()), self._max_length),
            ),
        )

    def _divide(
        self, found: Found, rows: np.ndarray, class_names: Sequence[str]
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """The rows of each part, and notes on what was held out."""
        parts = {part: rows[found.parts[rows] == number] for number, part in enumerate(PARTS)}
        for part in found.given:
            if not len(parts[part]):
                raise RequestError(f"{found.source} has no usable texts left in {part}.")
        fractions = {part: share for part, share in self.fractions.items() if part not in found.given}
        if not fractions:
            return parts, []
        numbers = {name: number for number, name in enumerate(class_names)}
        train = parts["train"].tolist()
        held_out = hold_out(
            labels=np.array([numbers[found.labels[row]] for row in train], dtype=np.int64),
            keys=[found.digests[row].tobytes().hex() for row in train],
            fractions=fractions,
            seed=self.split_seed,
            class_names=class_names,
        )
        notes = [
            f"{part}: {counted(len(chosen), 'text')} held out of train by class (split_seed {self.split_seed})"
            for part, chosen in held_out.items()
            if part != "train"
        ]
        return parts | {part: parts["train"][chosen] for part, chosen in held_out.items()}, notes


def cut_note(cut: int, max_length: int) -> list[str]:
    """How many texts were cut, if any."""
    return [f"cut to {max_length:,} tokens (dataset.max_length): {counted(cut, 'text')}"] if cut else []


def _sound_rows(found: Found) -> tuple[np.ndarray, list[Problem], list[str]]:
    """The rows of the texts that can be used; what is wrong with each other one; notes."""
    rows = np.arange(len(found.texts))
    bad, notes = find_duplicates(
        digests=found.digests,
        labels=found.labels,
        parts=found.parts,
        places=found.places,
        rows=rows,
        content="text",
    )
    unknown, more_notes = find_unknown_classes(
        labels=found.labels, parts=found.parts, rows=without(rows, bad), examples="texts"
    )
    bad |= unknown
    problems = [Problem(found.places[row], what) for row, what in sorted(bad.items())]
    return without(rows, bad), problems, notes + more_notes
