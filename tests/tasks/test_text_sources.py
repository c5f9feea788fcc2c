"""Files of texts are read for prediction by the rules of training."""

import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import RequestError
from sensorium.tasks.raw_inputs import texts
from sensorium.tasks.text_inputs import TextEncoder, UnreadableText
from sensorium.tasks.text_sources import text_reading
from sensorium.text.build_tokenizer import train_tokenizer

SAYS = "; if it is in another encoding, encoding=NAME says so (latin-1 ...)."


def write(folder: Path, content: str | bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Any, dataset: dict[str, Any] | None = None, **given: Any) -> list[Any]:
    return list(texts(str(path) if isinstance(path, Path) else path, None, text_reading(given, dataset or {})))


def told(path: Any, dataset: dict[str, Any] | None = None, **given: Any) -> str:
    with pytest.raises(RequestError) as error:
        read(path, dataset, **given)
    return str(error.value)


LINES = "un café\r\n\nà la carte\rnow\n"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "utf-16-le"])
def test_lines(tmp_path: Path, encoding: str, packed: bool) -> None:
    raw = LINES.encode(encoding)
    path = write(tmp_path, gzip.compress(raw) if packed else raw, "a.txt.gz" if packed else "a.txt")
    found = ["un café", "", "à la carte\rnow"]
    if encoding in ("latin-1", "utf-16-le"):
        assert told(path)
        assert read(path, {"encoding": encoding}) == found  # what the training was told
    else:
        assert read(path) == found
        assert read(path, {"encoding": "latin-1"}, encoding=encoding.removesuffix("-sig")) == found
    assert read(path, encoding=encoding.removesuffix("-sig")) == found


def test_what_is_not_in_its_encoding_is_named_before_the_first_text(tmp_path: Path) -> None:
    path = write(tmp_path, b"fine\n" * 5000 + b"caf\xe9\n", "a.txt")
    with pytest.raises(RequestError) as error:
        next(texts(str(path), None))
    assert str(error.value) == f"{path}:5001: not UTF-8 (byte 0xe9){SAYS}"
    table = write(tmp_path, b"text\nfine\ncaf\xe9\n", "a.csv")
    assert told(table) == f"{table}:3: not UTF-8 (byte 0xe9){SAYS}"
    assert told(path, encoding="cp1252x") == (
        "encoding=cp1252x is no encoding that Python knows. Give one such as utf-8 or latin-1."
    )


def test_utf8_is_not_read_as_what_the_training_was_in(tmp_path: Path) -> None:
    path = write(tmp_path, "café\n", "a.txt")
    assert told(path, {"encoding": "latin-1"}).splitlines() == [
        f"{path} is in UTF-8, and this checkpoint was trained on files in latin-1.",
        "Set encoding=utf-8, or encoding=latin-1 if it looks like UTF-8 by accident.",
    ]
    assert read(path, {"encoding": "latin-1"}, encoding="latin-1") == ["cafÃ©"]
    assert read(write(tmp_path, "cafe\n", "b.txt"), {"encoding": "latin-1"}) == ["cafe"]


TABLES = {
    "a.csv": 'id,review,text\n1,"two\nlines, one cell",x\n2\n3,last,y\n',
    "a.tsv": "id\treview\ttext\n1\ttwo\\lines\tx\n2\n3\tlast\ty\n",
    "a.jsonl": '{"id": 1, "review": "two\\nlines, one cell"}\n[2]\n{"review": "last", "text": "y"}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_row_by_row_from_the_column_of_the_training(tmp_path: Path, name: str) -> None:
    for path in (
        write(tmp_path, TABLES[name], name),
        write(tmp_path, gzip.compress(TABLES[name].encode()), f"{name}.gz"),
    ):
        first, bad, last = read(path, {"text_column": "review"})
        assert (first.replace("\\", "\n")[:9], last) == ("two\nlines", "last")
        assert isinstance(bad, UnreadableText)
        assert bad.place == f"{path}:{4 if name == 'a.csv' else 3 if name == 'a.tsv' else 2}"
        assert [one for one in read(path) if isinstance(one, str)][-1] == "y"  # no column known: text
        assert read(path, {"text_column": "review"}, column="id")[0] == "1"


def test_columns_that_are_not_there_and_names_that_are_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "0,1\nfine,pos\n", "a.csv")
    assert read(path, {"text_column": "0"}) == read(path, column=0) == ["fine"]
    assert told(path, {"text_column": "review"}).splitlines() == [
        f"{path} has no column 'review', 'text'. Name the text column with column=NAME.",
        "Its columns are: 0, 1.",
    ]
    assert "has no column 'x'. column=NAME names another one." in told(path, column="x")


def test_columns_that_training_joined_are_joined(tmp_path: Path) -> None:
    trained = {"text_column": ["title", "body"], "text_separator": " | "}
    path = write(tmp_path, "body,title,label\n it rains ,News,x\nalone,,x\n", "a.csv")
    assert read(path, trained) == ["News | it rains", " | alone"]
    assert read(path, trained, column="body") == [" it rains ", "alone"]
    assert read(write(tmp_path, "one line\n", "a.txt"), trained) == ["one line"]
    assert told(write(tmp_path, "title\nNews\n", "b.csv"), trained).startswith(
        f"{tmp_path}/b.csv has no column 'body'."
    )


def test_the_hub_s_rows_give_the_side_that_was_translated(tmp_path: Path) -> None:
    path = write(tmp_path, '{"translation": {"en": "a dog", "de": "ein Hund"}}\n', "a.jsonl")
    assert read(path, {"source": "de", "target": "en"}) == ["ein Hund"]


def test_keys_of_another_dataset_that_hold_something_else_tell_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "text\nfine\n", "a.csv")
    for odd in ({"encoding": "one-hot"}, {"encoding": ["a"]}, {"text_column": ["x"]}, {"source": {"a": 1}}):
        assert read(path, odd) == ["fine"]


def test_pairs_with_tabs_give_the_side_that_was_translated(tmp_path: Path) -> None:
    path = write(tmp_path, "Hallo\thello\tCC\nnur eins\n", "a.tsv")
    assert read(path, {"source_column": 1, "target_column": 0}) == ["hello", "nur eins"]
    assert read(write(tmp_path, "Hallo\thello\n", "deu.txt"), {"source_column": 0}) == ["Hallo"]
    table = write(tmp_path, '{"en": "a", "de": "b"}\n', "a.jsonl")
    assert read(table, {"source": "en", "target": "de"}) == ["a"]


def test_several_files_globs_and_what_is_not_there(tmp_path: Path) -> None:
    one, two = write(tmp_path, "1\n", "a1.txt"), write(tmp_path, "2\n", "a2.txt")
    assert read([str(two), str(one)]) == ["2", "1"]
    assert read(str(tmp_path / "a*.txt")) == ["1", "2"]
    assert "no file matches" in told(str(tmp_path / "b*.txt"))
    assert told(tmp_path / "a3.txt").startswith(f"input={tmp_path / 'a3.txt'}: there is no such file. Did you mean")
    assert "is a folder. Give a file" in told(tmp_path)


@pytest.mark.parametrize(
    "raw",
    [LINES.encode(), LINES.encode("utf-16"), gzip.compress(LINES.encode(), mtime=0)],
    ids=["utf-8", "utf-16", "gzip"],
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert read("-") == ["un café", "", "à la carte\rnow"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\ncaf\xe9\n")))
    assert told("-") == f"standard input, line 2: not UTF-8 (byte 0xe9){SAYS}"


def test_inputs_without_any_text_are_counted():
    """Training refuses them; a prediction is given, for answers to stand in the order of the lines."""
    tokenizer = train_tokenizer("word", ["fine film"], vocab_size=10, min_count=1, lowercase=True)
    encoder = TextEncoder(tokenizer.to_dict(), 5)
    assert [len(ids) for ids in encoder.encode(["fine film", "", " \u200b"])] == [2, 1, 1]
    assert encoder.notes() == ["without any text: 2 inputs; predictions for them mean nothing"]


def test_a_column_is_of_a_table_alone(tmp_path):
    path = write(tmp_path, "text\nfine\n", "list.txt")
    with pytest.raises(RequestError, match=rf"column=text names a column of a table, and {path} is read line by line"):
        read(path, column="text")
    stream = io.BytesIO(b"text\nfine\n")
    with pytest.raises(RequestError, match="and standard input is read line by line"):
        list(text_reading({"column": "text"}, {}).lines(stream))
