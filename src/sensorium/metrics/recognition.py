"""Word and character error rates (WER, CER), by jiwer.

The rate is (substitutions + insertions + deletions) / words of the reference, and may exceed 1. Texts are compared as
they are, case and punctuation included; only white space is evened out. Spaces count as characters.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sensorium.errors import RequestError, missing_extra

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class WordErrors:
    """Counts of what went wrong, of one utterance or of many. length: words or characters of the references."""

    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    length: int = 0

    @property
    def count(self) -> int:
        """All of them."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """WordErrors per word or character of the reference; an empty one counts as one, so that this is a number."""
        return self.count / max(1, self.length)

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(
            substitutions=self.substitutions + other.substitutions,
            insertions=self.insertions + other.insertions,
            deletions=self.deletions + other.deletions,
            length=self.length + other.length,
        )


def jiwer_package() -> Any:
    """The package, when it is installed; else a RequestError that says what to type."""
    try:
        import jiwer
    except ModuleNotFoundError as error:
        raise missing_extra("jiwer", "audio") from error
    return jiwer


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[WordErrors]:
    """Of each utterance; their `total` has the word error rate.

    Raises RequestError when there are not as many of both.
    """
    return _errors(jiwer_package().process_words, references, hypotheses)


def character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[WordErrors]:
    """Of each utterance; their `total` has the character error rate."""
    return _errors(jiwer_package().process_characters, references, hypotheses)


def right_words(references: Sequence[str], hypotheses: Sequence[str]) -> list[list[bool]]:
    """Of each hypothesis, for each of its words: whether it is that of the reference, in the alignment with the fewest
    errors. Words of the reference that are missing are nowhere in it.
    """
    if not references:
        return []
    output = jiwer_package().process_words([_even(text) for text in references], [_even(text) for text in hypotheses])
    found = []
    for words, chunks in zip(output.hypotheses, output.alignments, strict=True):
        right = [False] * len(words)
        for chunk in chunks:
            if chunk.type == "equal":
                right[chunk.hyp_start_idx : chunk.hyp_end_idx] = [True] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
        found.append(right)
    return found


def total(errors: Iterable[WordErrors]) -> WordErrors:
    """Of a whole corpus: counts are added, so that a long utterance weighs more than a short one."""
    return sum(errors, start=WordErrors())


def by_group(errors: Sequence[WordErrors], groups: Sequence[Group]) -> dict[Group, WordErrors]:
    """The total of each group of utterances, such as those of a speaker, in the order of their first utterance."""
    found: dict[Group, WordErrors] = {}
    for one, group in zip(errors, groups, strict=True):
        found[group] = found.get(group, WordErrors()) + one
    return found


def worst(errors: Sequence[WordErrors], count: int) -> list[int]:
    """Places of the utterances with the most errors, most first; of equally many, the shorter ones first.

    Those without an error are omitted.
    """
    wrong = [place for place, one in enumerate(errors) if one.count]
    return sorted(wrong, key=lambda place: (-errors[place].count, errors[place].length, place))[:count]


def alignment(reference: str, hypothesis: str) -> str:
    """Three lines, word under word: reference, hypothesis, and S, I or D under each error.

    Stars stand where a word is missing.
    """
    output = jiwer_package().process_words([_even(reference)], [_even(hypothesis)])
    said, written = output.references[0], output.hypotheses[0]
    columns: list[tuple[str, str, str]] = []
    for chunk in output.alignments[0]:
        left = said[chunk.ref_start_idx : chunk.ref_end_idx]
        right = written[chunk.hyp_start_idx : chunk.hyp_end_idx]
        mark = "" if chunk.type == "equal" else chunk.type[0].upper()
        for place in range(max(len(left), len(right))):
            word = left[place] if left else "*" * len(right[place])
            other = right[place] if right else "*" * len(word)
            columns.append((word, other, mark))
    lines = zip(*([cell.ljust(max(map(len, column))) for cell in column] for column in columns), strict=True)
    named = zip(("REF", "HYP", "   "), list(lines) or [()] * 3, strict=True)
    return "\n".join(" ".join([name, *cells]).rstrip() for name, cells in named)


def _errors(process: Any, references: Sequence[str], hypotheses: Sequence[str]) -> list[WordErrors]:
    if len(references) != len(hypotheses):
        raise RequestError(f"There are {len(hypotheses)} recognized texts for {len(references)} references.")
    if not references:
        return []
    output = process([_even(text) for text in references], [_even(text) for text in hypotheses])
    return [_counts(units, chunks) for units, chunks in zip(output.references, output.alignments, strict=True)]


def _counts(units: list[str], chunks: list[Any]) -> WordErrors:
    """From jiwer's alignment of one utterance."""
    counts = {"substitute": 0, "insert": 0, "delete": 0, "equal": 0}
    for chunk in chunks:
        counts[chunk.type] += max(
            chunk.ref_end_idx - chunk.ref_start_idx,
            chunk.hyp_end_idx - chunk.hyp_start_idx,
        )
    return WordErrors(
        substitutions=counts["substitute"], insertions=counts["insert"], deletions=counts["delete"], length=len(units)
    )


def _even(text: str) -> str:
    """One space between words and none around: jiwer's own splitting knows of no other white space."""
    return " ".join(text.split())
