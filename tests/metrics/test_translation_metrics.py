"""BLEU and chrF by hand, and the signature that goes with them."""

import math

import numpy as np
import pytest

from sensorium.errors import RequestError
from sensorium.metrics.translation import bleu, bleu_of_rows, chrf, exact_matches

pytest.importorskip("sacrebleu")


def test_bleu_by_hand() -> None:
    # 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples; the lengths are equal.
    score, signature = bleu(["the cat sat on the mat"], ["the cat sat on a mat"])
    precisions = (5 / 6, 3 / 5, 2 / 4, 1 / 3)
    assert score == pytest.approx(100 * math.prod(precisions) ** 0.25)
    assert "tok:13a" in signature
    assert "case:mixed" in signature


def test_case_counts() -> None:
    assert bleu(["Ein Hund läuft im Schnee ."], ["Ein Hund läuft im Schnee ."])[0] == pytest.approx(100)
    assert bleu(["ein hund läuft im schnee ."], ["Ein Hund läuft im Schnee ."])[0] < 50


def test_chrf() -> None:
    assert chrf(["same"], ["same"])[0] == pytest.approx(100)
    assert chrf(["abcd"], ["wxyz"])[0] == 0


def test_exact_matches() -> None:
    assert exact_matches(["eins ", "zwei", "drei"], ["eins", "zwo", "drei"]).tolist() == [True, False, True]


def test_unequal_numbers_are_refused() -> None:
    with pytest.raises(RequestError, match="1 translations for 2 references"):
        bleu(["a"], ["a", "b"])


def test_bleu_of_rows_is_that_of_these_sentences() -> None:
    hypotheses = ["the cat sat on the mat", "a dog runs", "two birds fly over the red house"]
    references = ["the cat sat on a mat", "a dog runs fast", "two birds fly over a red house"]
    score = bleu_of_rows(hypotheses, references)
    for rows in ([0, 1, 2], [0], [2, 2, 1]):
        expected, _ = bleu([hypotheses[row] for row in rows], [references[row] for row in rows])
        assert score(np.array(rows)) == pytest.approx(expected)
