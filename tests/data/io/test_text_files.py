"""Files of text: which encoding their bytes are of, which are no text, where lines end."""

from pathlib import Path

import pytest

from sensorium.data.io.text_files import read_lines
from sensorium.errors import RequestError


def write(folder: Path, content: bytes) -> Path:
    path = folder / "list.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("side", ["le", "be"])
@pytest.mark.parametrize("bits", ["16", "32"])
def test_zero_bytes_tell_an_encoding_without_a_mark(tmp_path: Path, bits: str, side: str) -> None:
    name = f"utf-{bits}-{side}"
    path = write(tmp_path, "one\ntwo\n".encode(name))
    for given in (f"utf-{bits}", name):
        assert list(read_lines(path, encoding=given)) == ["one", "two"]
    for given in ("latin-1", "utf-8", f"utf-16-{'be' if side == 'le' else 'le'}"):
        with pytest.raises(RequestError, match=f"has the zero bytes of {name}, and dataset.encoding={given} says oth"):
            list(read_lines(path, encoding=given))
    with pytest.raises(RequestError, match=f"dataset.encoding={name} reads it as such"):
        list(read_lines(path))


@pytest.mark.parametrize(("start", "name"), [(b"%PDF-1.4\n", "a PDF"), (b"{\\rtf1 one}\n", "an RTF document")])
def test_documents_are_no_text_although_their_bytes_are(tmp_path: Path, start: bytes, name: str) -> None:
    with pytest.raises(RequestError, match=f"is {name}, which is not read here"):
        list(read_lines(write(tmp_path, start)))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"one\rtwo\r", ["one", "two"]),  # an old Mac's file
        (b"one\r", ["one"]),
        (b"one\rtwo", ["one\rtwo"]),
        (b"one\rtwo\nthree\r", ["one\rtwo", "three"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
    ],
)
def test_a_return_ends_lines_where_nothing_else_does(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    assert list(read_lines(write(tmp_path, content))) == lines
