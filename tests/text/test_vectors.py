"""Vector files: GloVe and fastText, plain and packed, and what is wrong with a line."""

import gzip

import numpy as np
import pytest

from sensorium.errors import RequestError
from sensorium.text.tokenizer import SPECIAL_TOKENS
from sensorium.text.vectors import read_vectors

GLOVE = b"the 1 2\n. . . 3 4\ngood -0.5 1e-1\n"
FASTTEXT = b"3 2\nthe 1 2 \n. . . 3 4 \ngood -0.5 1e-1 \n"
TOKENS = [*SPECIAL_TOKENS, "good", "Good", ". . .", "bad"]


def written(tmp_path, content, name="vectors.txt"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [GLOVE, FASTTEXT, b"\xef\xbb\xbf" + GLOVE, GLOVE.replace(b"\n", b"\r\n\r\n")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_both_formats(tmp_path, content, pack):
    vectors = read_vectors(written(tmp_path, pack(content)), TOKENS)
    expected = np.zeros((8, 2), dtype=np.float32)
    expected[4] = expected[5] = [-0.5, 0.1]
    expected[6] = [3, 4]
    assert vectors.matrix.dtype == np.float32
    np.testing.assert_array_equal(vectors.matrix, expected)
    assert vectors.found.tolist() == [False] * 4 + [True, True, True, False]
    assert vectors.coverage == 0.75


@pytest.mark.parametrize("lines", [b"Good 1 1\ngood 2 2\n", b"good 2 2\nGood 1 1\n"])
def test_the_exact_word_goes_before_its_lower_case_form(tmp_path, lines):
    matrix = read_vectors(written(tmp_path, lines), ["good", "Good", "GOOD"]).matrix
    assert matrix.tolist() == [[2, 2], [1, 1], [2, 2]]


def test_the_first_of_two_lines_counts_and_tokens_may_repeat(tmp_path):
    matrix = read_vectors(written(tmp_path, b"a 1 1\na 2 2\n"), ["a", "a"]).matrix
    assert matrix.tolist() == [[1, 1], [1, 1]]


def test_special_tokens_and_no_tokens_have_no_vector(tmp_path):
    path = written(tmp_path, b"<pad> 1 1\n<unk> 1 1\n")
    assert not read_vectors(path, SPECIAL_TOKENS).matrix.any()
    assert read_vectors(path, SPECIAL_TOKENS).coverage == 0
    assert read_vectors(path, []).matrix.shape == (0, 2)


def test_unusual_words(tmp_path):
    content = "a\u00a0b 1 1\n\u0085 2 2\ntab\t3\t3\n".encode() + b"caf\xe9 4 4\n"
    matrix = read_vectors(written(tmp_path, content), ["a\u00a0b", "\u0085", "tab", "caf\ufffd"]).matrix
    assert matrix.tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GLOVE + b"bad 1\n", ":4: a word and 2 numbers expected, .*found 2 fields: 'bad 1'"),
        (GLOVE + b"bad 1 2 3\n", ":4: a word and 2 numbers expected, .*found 4 fields"),
        (GLOVE + b"other 1 x2\n", ":4: 'x2' is not a number; 2 numbers expected"),
        (GLOVE + b"bad 1 1.2.3\n", ":4: '1.2.3' is not a number"),
        (GLOVE + b"bad 1 nan\n", ":4: 'nan' is not a number"),
        (GLOVE + b"bad 1 1e39\n", ":4: a number is too large"),
        (b"just words\n", ":1: 'words' is not a number"),
        (b"word\n", ":1: a word and its numbers expected, found 'word'"),
        (b"1 2\nbad 1\n", ":2: a word and 2 numbers expected"),
        (b"", " is empty"),
        (b"\n \n", " is empty"),
        (gzip.compress(GLOVE * 1000, mtime=0)[:-30], r" cannot be read \(.*is the file complete"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(RequestError, match=f"^{path}{message}"):
        read_vectors(path, TOKENS)


def test_a_missing_or_packed_file(tmp_path):
    written(tmp_path, GLOVE)
    with pytest.raises(RequestError, match=r"There is no file .*vector\.txt\. Did you mean .*vectors\.txt\?"):
        read_vectors(tmp_path / "vector.txt", TOKENS)
    with pytest.raises(RequestError, match="unpack it"):
        read_vectors(tmp_path / "glove.zip", TOKENS)
    with pytest.raises(RequestError, match="cannot be read"):
        read_vectors(tmp_path, TOKENS)
