"""Tables on a terminal and text for programs."""

import io
import json

import pytest
from rich.console import Console

from sensorium import output

RECORDS = [{"name": "a", "what": "long text"}, {"name": "b", "what": "x"}]


def test_no_line_of_a_table_ends_in_blanks() -> None:
    shown = io.StringIO()
    Console(file=shown, width=100).print(output.table(RECORDS, title="two"))
    lines = shown.getvalue().splitlines()
    assert lines[-2:] == ["a     long text", "b     x"]
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (0.123456, "test/accuracy", "0.1235"),
        (36.512, "test/bleu", "36.51"),
        (2.345, "seconds", "2.3"),
        (11_689_512, "parameters", "11,689,512"),
        (True, "correct", "True"),
        (None, "", ""),
    ],
)
def test_a_cell(value: object, name: str, text: str) -> None:
    assert output.shown(value, name) == text


def test_json_is_one_array_and_jsonl_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_records(RECORDS, format="json", output=None)
    assert json.loads(capsys.readouterr().out) == RECORDS
    output.write_records(RECORDS, format="jsonl", output=None)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == RECORDS
    assert [output.file_format("table", name) for name in ("a.csv", "a.json", "a.jsonl", "a.txt")] == [
        "csv", "json", "jsonl", "jsonl",
    ]  # fmt: skip
