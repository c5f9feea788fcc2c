"""A person's words for decoding: null is what is usual, and a word for another kind of data is refused."""

import gzip
from pathlib import Path

import pytest

from sensorium.errors import RequestError
from sensorium.tasks.decoding_settings import BeamSettings, CTCSettings, settings_from
from sensorium.text.build_tokenizer import train_tokenizer

TOKENIZER = train_tokenizer("char", ["one two"], vocab_size=20, min_count=1, lowercase=True)


def test_null_is_what_is_usual() -> None:
    given = {"beam_size": None, "length_penalty": 0.5, "language_model": None}
    assert settings_from(BeamSettings, given) == BeamSettings(length_penalty=0.5)
    assert settings_from(CTCSettings, {"beam_size": 8, "length_penalty": None}) == CTCSettings(beam_size=8)


def test_a_word_for_another_kind_of_data_is_refused() -> None:
    with pytest.raises(RequestError, match="length_penalty does not apply to transcripts"):
        settings_from(CTCSettings, {"length_penalty": 1.0})


def arpa(*words: str) -> str:
    lines = "".join(f"-1\t{word}\n" for word in ("</s>", "<unk>", *words))
    return f"\\data\\\nngram 1={len(words) + 2}\n\n\\1-grams:\n{lines}\n\\end\\\n"


def test_the_language_model_is_the_models_own_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text(arpa("on", "no"))
    assert CTCSettings().read("own text", TOKENIZER) == ("", None, [])
    assert CTCSettings(language_model="own").read("own text", TOKENIZER).arpa == "own text"
    assert CTCSettings(language_model=str(path)).read("", TOKENIZER) == (arpa("on", "no"), None, [])
    with pytest.raises(RequestError, match=r"dataset\.language_model=3"):
        CTCSettings(language_model="own").read("", TOKENIZER)
    with pytest.raises(RequestError, match="no such file"):
        CTCSettings(language_model=str(tmp_path / "other")).read("", TOKENIZER)


def test_words_of_a_language_model_that_are_never_written_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text(arpa("on", "ON", "up"))
    (note,) = CTCSettings(language_model=str(path)).read("", TOKENIZER).notes
    assert note == f"{path}: 2 words cannot be spelled by this recognizer and never written: ON, up"
    path.write_text(arpa("ON", "NO"))
    with pytest.raises(RequestError, match="writes none of its words, such as 'ON'"):
        CTCSettings(language_model=str(path)).read("", TOKENIZER)
    path.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0\0\0")
    with pytest.raises(RequestError, match="a binary file of KenLM"):
        CTCSettings(language_model=str(path)).read("", TOKENIZER)


LEXICONS = {
    "plain": b"one\n\ntwo  T UW\n",
    "mark": b"\xef\xbb\xbfone\r\ntwo\r\n",
    "old Mac": b"one\rtwo\r",
    "utf-16": "one\ntwo".encode("utf-16"),
    "gzip": gzip.compress(b"one\ntwo\n", mtime=0),
    "capitals": b"ONE\nTwo\ntwo\n",
}


@pytest.mark.parametrize("content", LEXICONS.values(), ids=LEXICONS)
def test_a_lexicon_has_a_word_a_line_however_it_was_saved(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    assert CTCSettings(lexicon=str(path)).read("", TOKENIZER) == ("", ["one", "two"], [])


def test_words_of_a_lexicon_that_cannot_be_spelled_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("one\nup\ndown\n")
    found = CTCSettings(lexicon=str(path)).read("", TOKENIZER)
    assert found.lexicon == ["one"]
    assert found.notes == [f"{path}: 2 words cannot be spelled by this recognizer and never written: up, down"]
    path.write_text("up\ndown\n")
    with pytest.raises(RequestError, match=r"no word of it can be spelled .* such as 'up'.\n.*: e, n, o, t, w$"):
        CTCSettings(lexicon=str(path)).read("", TOKENIZER)


def test_a_lexicon_in_another_encoding_is_refused_with_its_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("one\nné\n".encode("latin-1"))
    with pytest.raises(RequestError, match=r"words\.txt:2: not UTF-8 \(byte 0xe9\); make it UTF-8 first: iconv"):
        CTCSettings(lexicon=str(path)).read("", TOKENIZER)
