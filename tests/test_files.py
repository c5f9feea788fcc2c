"""A file is whole or not there, and says what was written when parsed back."""

import csv
import json
import os

import pytest

from sensorium.files import replacing, write_atomically, write_csv, write_json, write_json_lines


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, "first")
    write_atomically(path, "ü\n")
    assert path.read_bytes() == b"\xc3\xbc\n"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_raises_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, [["x"], [1]])

    def rows():
        yield ["x"]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_csv(path, rows())
    with pytest.raises(TypeError), replacing(path) as file:
        file.write("half")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_lines(path, [{"loss": 1.0}, {"loss": float("inf")}])
    assert path.read_text() == "x\n1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_readable_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, "old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_csv_parses_back_with_commas_quotes_and_blanks(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, [["name", "share", "right"], ['a, "b"\nc', 0.5, True], [None, float("nan"), False]])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name", "share", "right"], ['a, "b"\nc', "0.5", "true"], ["", "", "false"]]


def test_json_parses_back(tmp_path):
    value = {"accuracy": 0.5, "name": "näme"}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value
    write_json_lines(tmp_path / "a.jsonl", [value, [1]])
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()] == [
        value,
        [1],
    ]


def test_a_file_name_that_is_not_utf8_survives(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    write_csv(tmp_path / "a.csv", [[name]])
    assert (tmp_path / "a.csv").read_bytes() == b"caf\xe9.png\n"
    write_json(tmp_path / "a.json", name)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == name


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_has_the_usual_permissions(tmp_path):
    old = os.umask(0o022)
    try:
        write_atomically(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
