"""WordErrors by hand, per corpus, utterance and speaker; empty texts; the alignment."""

import pytest

from sensorium.errors import RequestError
from sensorium.metrics.recognition import WordErrors, alignment, by_group, character_errors, total, word_errors, worst

jiwer = pytest.importorskip("jiwer")

REFERENCES = ["one two three", "four", "five six", "", "seven"]
HYPOTHESES = ["one too three four", "", "five six", "oh no", "seven"]


def test_word_errors_by_hand():
    errors = word_errors(REFERENCES, HYPOTHESES)
    assert errors == [
        WordErrors(substitutions=1, insertions=1, length=3),
        WordErrors(deletions=1, length=1),
        WordErrors(length=2),
        WordErrors(insertions=2),
        WordErrors(length=1),
    ]
    assert total(errors) == WordErrors(substitutions=1, insertions=3, deletions=1, length=7)
    assert total(errors).rate == pytest.approx(5 / 7)
    assert [one.rate for one in errors] == pytest.approx([2 / 3, 1, 0, 2, 0])
    assert by_group(errors, ["ann", "bob", "ann", "bob", "ann"]) == {
        "ann": WordErrors(substitutions=1, insertions=1, length=6),
        "bob": WordErrors(insertions=2, deletions=1, length=1),
    }
    assert worst(errors, 2) == [3, 0]
    assert worst(errors, 9) == [3, 0, 1]


def test_character_errors_by_hand():
    errors = character_errors(["ab cd", "x"], ["abcd", "xyz"])
    assert errors == [WordErrors(deletions=1, length=5), WordErrors(insertions=2, length=1)]
    assert total(errors).rate == pytest.approx(3 / 6)


def test_the_rate_is_jiwers():
    references = ["the cat sat on the mat", "a b c d e", "x"]
    hypotheses = ["the cat sit on mat please", "b c d e f", "y z"]
    assert total(word_errors(references, hypotheses)).rate == jiwer.wer(references, hypotheses)
    assert total(character_errors(references, hypotheses)).rate == jiwer.cer(references, hypotheses)


def test_only_white_space_is_evened_out():
    assert total(word_errors([" one\ttwo\n three "], ["one two  three"])).count == 0
    assert total(word_errors(["One two."], ["one two"])).substitutions == 2


def test_nothing_at_all():
    assert word_errors([], []) == []
    assert total([]) == WordErrors()
    assert total(word_errors([""], [""])).rate == 0
    with pytest.raises(RequestError, match="1 recognized texts for 2 references"):
        word_errors(["a", "b"], ["a"])


def test_alignment_word_under_word():
    assert alignment("one twenty three", "one two three four") == (
        "REF one twenty three ****\n"
        "HYP one two    three four\n"
        "        S            I"
    )  # fmt: skip
    assert alignment("one two", "two") == "REF one two\nHYP *** two\n    D"
    assert alignment("", "a") == "REF *\nHYP a\n    I"
    assert alignment("", "") == "REF\nHYP\n"
