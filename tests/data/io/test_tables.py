"""Tables: every row is read or named, whatever quotation marks, lines, columns and bytes are in the others."""

import csv
import gzip
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.data.base import Problem
from sensorium.data.io.tables import check_column, open_table
from sensorium.errors import RequestError


def write(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, *columns: str, encoding: str | None = None) -> tuple[list[list[str]], list[str]]:
    """The rows, and the problems as LINE: WHAT."""
    rows, problems = [], []
    table = open_table(path, encoding=encoding)
    for row in table.rows(columns or table.columns):
        if isinstance(row, Problem):
            problems.append(str(row).removeprefix(f"{path}:"))
        else:
            rows.append(row[1])
    return rows, problems


def reviews(count: int) -> list[str]:
    return [f"film {number} was fine,{('neg', 'pos')[number % 2]}" for number in range(count)]


@pytest.mark.parametrize("closing", ['the screen is 5",pos', '"said ""so""",neg', 'they "said" so,neg', "plain,neg"])
def test_a_stray_quotation_mark_costs_its_own_row_alone(tmp_path: Path, closing: str) -> None:
    """Whatever follows forty lines later: its partner, another row in quotes, marks inside, or none."""
    lines = ["text,label", *reviews(120)]
    lines[31] = '"' + lines[31]
    lines[71] = closing
    rows, problems = read(write(tmp_path, "\n".join(lines) + "\n"))
    assert [problem.split(":")[0] for problem in problems] == ["32"]
    assert problems[0].startswith("32: a quotation mark opens here")
    assert len(rows) == 119
    assert rows[30] == ["film 31 was fine", "pos"]


def test_a_stray_mark_is_named_where_it_opened(tmp_path: Path) -> None:
    """In the second cell of the first row, with labels first; the row it would eat has a mark at its end."""
    lines = [
        "label,text",
        'pos,"bad start',
        'neg,the screen is 5"',
        *(f"{'neg' if n % 2 else 'pos'},x{n}" for n in range(9)),
    ]
    rows, problems = read(write(tmp_path, "\n".join(lines)))
    assert problems == [
        "2: a quotation mark opens here and closes on line 3, with rows of the table between (neg,the screen is 5);"
        " close it, or write it twice where it is part of the text"
    ]
    assert rows[0] == ["neg", 'the screen is 5"']
    assert len(rows) == 10


def test_without_columns_that_tell_rows_alike_are_still_seen(tmp_path: Path) -> None:
    pairs = [f"sentence {n},Satz {n}" for n in range(20)]
    pairs[5], pairs[9] = f'"{pairs[5]}', f'{pairs[9]}"'
    rows, problems = read(write(tmp_path, "\n".join(["en,de", *pairs])))
    assert [problem.split(":")[0] for problem in problems] == ["7"]
    assert len(rows) == 19


def test_texts_over_many_lines_are_rows_like_any_other(tmp_path: Path) -> None:
    """Commas, thousands and blank lines inside are no rows, even where the other column holds numbers."""
    texts = [
        "first, second\n\nthird, fourth\nIt cost 1,000\nnot 20",
        'she said "no",\nand left, "pos"',
        "Dear all,\nbest regards,\nJohn",
        "one\r\ntwo\rthree",
    ]
    for label in ("pos neg", "1.5 2.25", "1 0", " ".join(f"{n}.5" for n in range(12))):
        labels = label.split() * 6
        rows = [[f"{n} {text}", labels[n]] for n, text in enumerate(texts * 3)]
        with (path := tmp_path / "list.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["text", "label"], *rows])
        assert read(path) == (rows, [])


def test_a_short_row_is_one_problem_and_changes_nothing_else(tmp_path: Path) -> None:
    lines = ["label\ttext", 'a\t"Great" is not the word', "short", 'b\t"never closed', "a\tlast", 'b\t"all ""quoted"""']
    rows, problems = read(write(tmp_path, "\n".join(lines), "list.tsv"))
    assert rows == [["a", '"Great" is not the word'], ["b", '"never closed'], ["a", "last"], ["b", 'all "quoted"']]
    assert problems == ["3: 1 cells where the first line has 2"]


def test_a_quoted_table_of_tabs(tmp_path: Path) -> None:
    rows = [["a", "two\nlines"], ["b", "a\ttab"], ["a", 'a "mark"']]
    with (path := tmp_path / "list.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([["label", "text"], *rows])
    assert read(path) == (rows, [])


def test_a_mark_that_opens_in_the_header(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"list\.csv:1: a quotation mark opens here and never closes"):
        open_table(write(tmp_path, 'text,"label\na,b\n'), encoding=None)


def test_the_separator_is_not_looked_for_inside_quotation_marks(tmp_path: Path) -> None:
    rows, problems = read(write(tmp_path, '"a,b,c";d\n1;2\n'))
    assert (rows, problems) == ([["1", "2"]], [])


CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(CELL, st.sampled_from(["pos", "neg"])), max_size=8), st.sampled_from("\t,;"))
def test_what_csv_writes_is_read(rows: list[tuple[str, str]], separator: str) -> None:
    """Any text, as Python's own module quotes it, a bare carriage return too."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    with TemporaryDirectory() as folder:
        path = write(Path(folder), text.getvalue())
        found, problems = read(path)
    inside = [row for row in rows if separator in row[0] and ("\n" in row[0] or "\r" in row[0])]
    assert inside or (found, problems) == ([list(row) for row in rows], [])


def test_columns_of_json_lines_are_those_of_all_objects(tmp_path: Path) -> None:
    objects = [{"text": "a"}, {" split ": "test", "text": "b"}, {"text": "c", "end": 2.5}]
    path = write(tmp_path, "\n".join(map(json.dumps, objects)), "list.jsonl")
    assert open_table(path, encoding=None).columns == ["text", "split", "end"]
    assert read(path) == ([["a", "", ""], ["b", "test", ""], ["c", "", "2.5"]], [])


def test_odd_json_is_named(tmp_path: Path) -> None:
    lines = [
        '{"t": "fine"}',
        '{"t": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"t": 1, "t": 2}',
        '{"t": ' + "9" * 5000 + "}",
        '{"t": 1e400}',
        '{"t": [1]}',
        '{"t": "\\ud83d\\ude00 \\ud83d"}',
        '{"t": 123456789012345678901234567890}',
        '{"t": 1e300}',
    ]
    rows, problems = read(write(tmp_path, "\n".join(lines), "list.jsonl"), "t")
    assert rows == [["fine"], ["\U0001f600 \ufffd"], ["123456789012345678901234567890"], ["1e+300"]]
    assert [problem.partition(" (")[0] for problem in problems] == [
        "2: not JSON",
        "3: the key 't' occurs 2 times",
        "4: not JSON",
        "5: neither text nor a number: infinity",
        "6: neither text nor a number: list",
    ]


def test_names_of_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff\ufeff0, 1 ,x,x\na,b,c,d\n")
    table = open_table(path, encoding=None)
    assert table.columns == ["0", "1", "x", "x"]
    assert read(path, "0", "1") == ([["a", "b"]], [])
    with pytest.raises(RequestError, match=r"list\.csv has 2 columns named 'x'\. Rename all but one\."):
        check_column(path, table, "text_column", "x")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    marked = encoding in ("utf-16", "utf-32", "utf-8-sig")
    path = write(tmp_path, "text,label\ncafé \0,a\n".encode(encoding))
    assert read(path, encoding=None if marked else encoding) == ([["café \0", "a"]], [])
    assert read(path, encoding=encoding.removesuffix("-sig")) == ([["café \0", "a"]], [])
    packed = write(tmp_path, gzip.compress(path.read_bytes()), "packed.csv")
    assert read(packed, encoding=None if marked else encoding) == ([["café \0", "a"]], [])


def test_what_is_not_in_its_encoding_is_named_with_file_line_and_byte(tmp_path: Path) -> None:
    says = "; if it is in another encoding, dataset.encoding=NAME says so (latin-1 ...)"
    path = write(tmp_path, "text,label\na,b\nn\xe9,b\n".encode("latin-1"))
    assert read(path) == ([["a", "b"]], [f"3: not UTF-8 (byte 0xe9){says}"])
    assert read(path, encoding="ascii") == ([["a", "b"]], [f"3: not ASCII (byte 0xe9){says}"])
    odd = write(tmp_path, "text,label\na,b\n".encode("utf-16") + b"\x00\xd8,\0b\0\n\0")
    assert read(odd) == ([["a", "b"]], [f"3: not UTF-16 (byte 0x00){says}"])
    for content, encoding, said in (
        ("text,label\n".encode("utf-16-le"), None, r"full of zero bytes.*\ndataset.encoding=utf-16-le reads"),
        ("text,label\n".encode("utf-16-be"), None, r"\ndataset.encoding=utf-16-be reads"),
        ("text,label\n".encode("utf-8-sig"), "latin-1", "mark of UTF-8, and dataset.encoding=latin-1 contradicts it"),
        (b"text", "undefined", "dataset.encoding=undefined is no encoding"),
        (b"text", "a\0b", "is no encoding"),
        (b"PK\x03\x04", None, "is packed with zip, which is not read here. Unpack it first."),
        (gzip.compress(b"text,label\n" * 99)[:-9], None, r"is not a complete \.gz file"),
    ):
        with pytest.raises(RequestError, match=said):
            open_table(write(tmp_path, content), encoding=encoding)


@pytest.mark.parametrize(
    "header", ['"text", "label"', "text, label", "text,label"], ids=["quoted", "spaced", "spaces in the rows alone"]
)
def test_spaces_before_quoted_cells_are_no_part_of_them(tmp_path: Path, header: str) -> None:
    lines = [header, *(f'"film {number}", "{("neg", "pos")[number % 2]}"' for number in range(4))]
    table = open_table(write(tmp_path, "\n".join(lines)), encoding=None)
    assert table.columns == ["text", "label"]
    assert [row[1] for row in table.rows(["label"]) if not isinstance(row, Problem)] == [["neg"], ["pos"]] * 2


@pytest.mark.parametrize("start", ["sep=;\n", "sep=;\r\n", "\nsep=;\n", "", "\n"])
def test_excel_declares_the_separator_in_a_line_above_the_names(tmp_path: Path, start: str) -> None:
    path = write(tmp_path, f"{start}text;label\nfine;pos\n\nsad\n")
    assert read(path) == ([["fine", "pos"]], [f"{start.count(chr(10)) + 4}: 1 cells where the first line has 2"])
    table = open_table(path, encoding=None)
    assert len(list(table.rows(table.columns))) == 2
    assert table.blank == 1 + start.startswith("\n")


def test_vertical_bars_separate_cells(tmp_path: Path) -> None:
    assert read(write(tmp_path, 'text|label\nfine, really|pos\n"a | b"|neg\n')) == (
        [["fine, really", "pos"], ["a | b", "neg"]],
        [],
    )


def test_the_names_of_columns_are_no_row(tmp_path: Path) -> None:
    """Tables put one behind the other by cat."""
    path = write(tmp_path, "text,label\nfine,pos\nText,label\ntext, label\nsad,neg\n")
    rows, problems = read(path)
    assert rows == [["fine", "pos"], ["Text", "label"], ["sad", "neg"]]
    assert problems == ["4: the names of the columns again, and no row"]


def test_files_of_another_kind_are_recognized(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"a JSON array; jq -c '\.\[\]' FILE"):
        open_table(write(tmp_path, '[\n {"text": "fine"}]', "list.json"), encoding=None)
    path = write(tmp_path, "text,label\nfine,pos\n", "list.tsv")
    with pytest.raises(RequestError, match=r"tabs separate a \.tsv, and 'text,label' has none. Name the file .csv."):
        check_column(path, open_table(path, encoding=None), "text_column", "text")
