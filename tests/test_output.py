"""What reaches a person: tables and lines without what a terminal would obey; what reaches a program: all of it."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from sensorium import output
from sensorium.errors import RequestError, printable
from sensorium.files import write_csv
from sensorium.tasks.writers import short

COLOURED = "\x1b[31mred\x1b[0m"
RECORD = {"in\x07put": f"{COLOURED}\r\n\x9b2J\u202etxt", "class": "é 好\u00a0!", "probability": 0.5}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (COLOURED, r"\x1b[31mred\x1b[0m"),
        ("a\rb\x07\x9b\x7f", r"a\rb\x07\x9b\x7f"),
        ("\u202e\u2028\ud83d", r"\u202e\u2028\ud83d"),
        ("a\nb\tc", "a\nb\tc"),
        ("שלום é 好 \u00a0👩\u200d👧", "שלום é 好 \u00a0👩\u200d👧"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text, keep="\n\t") == shown


def test_a_table_obeys_nothing_and_a_program_gets_everything(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_records([RECORD], format="table", output=None, title=COLOURED)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert r"\x1b[31mred\x1b[0m\r\n\x9b2J\u202etxt" in told
    assert "é 好\u00a0!" in told
    assert r"in\x07put" in told
    output.write_records([RECORD], format="json", output=None)
    assert json.loads(capsys.readouterr().out) == [RECORD]
    output.write_records([RECORD], format="csv", output=None)
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert rows == [list(RECORD), ["0.5" if value == 0.5 else value for value in RECORD.values()]]


def test_csv_is_written_out_for_a_terminal_alone() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    output.put(f"{COLOURED}\n", terminal)
    output.put(f"{COLOURED}\n", pipe)
    assert (terminal.getvalue(), pipe.getvalue()) == ("\\x1b[31mred\\x1b[0m\n", f"{COLOURED}\n")


def test_cells_that_a_spreadsheet_would_run_stay_and_are_told(tmp_path: Path) -> None:
    rows = [["text", "n"], ["=1+1", -0.5], ["@x", "+3e4"], ["- good", " =A1"], ["a=b", "x"]]
    write_csv(tmp_path / "a.csv", rows)
    write_csv(tmp_path / "b.csv", [["text"], ["-3"]])
    (tmp_path / "c.txt").write_text("=1")
    assert (tmp_path / "a.csv").read_text() == 'text,n\n=1+1,-0.5\n@x,+3e4\n- good," =A1"\na=b,x\n'
    assert output.formula_notes(sorted(tmp_path.iterdir())) == [
        f"{tmp_path / 'a.csv'}: 4 cells begin like a formula ('=1+1'); in a spreadsheet, import the columns as text"
    ]


def test_csv_is_made_in_one_place() -> None:
    source = Path(output.__file__).parent
    makers = [path.name for path in source.rglob("*.py") if re.search(r"csv\.(writer|DictWriter)", path.read_text())]
    assert makers == []


def test_lines_on_a_console_and_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.console().print(f"cut: {COLOURED}\n[x]")
    output.complain(f"{COLOURED}: damaged")
    told = capsys.readouterr()
    assert told.out == "cut: \\x1b[31mred\\x1b[0m\n[x]\n"
    assert told.err == "\\x1b[31mred\\x1b[0m: damaged\n"


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
        (True, "correct", "yes"),
        (False, "few", "no"),
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
    assert [output.file_format("table", name) for name in ("a.csv", "a.JSON", "a.jsonl", "a")] == [
        "csv", "json", "jsonl", "jsonl",
    ]  # fmt: skip


def test_a_file_named_as_another_format_is_refused() -> None:
    with pytest.raises(RequestError, match=r"output=o.xlsx: this command does not write .xlsx files. End the name with"
                                           r" .csv or .json or .jsonl, or set format=csv"):  # fmt: skip
        output.file_format("table", "o.xlsx")
    assert output.file_format("csv", "o.xlsx") == "csv"  # as asked for
    assert output.named_format("talk.SRT", ("table", "csv", "srt")) == "srt"
    assert output.named_format("talk.txt", ("table", "csv", "srt")) is None


def test_numbers_of_predictions_have_the_digits_of_single_precision() -> None:
    record = {"a": 0.9726887941360474, "b": [1, True, "0.10000000001", None, (0.1,)], "c": {"d": 1234.56, "e": 1e300}}
    found = {"a": 0.9726888, "b": [1, True, "0.10000000001", None, [0.1]], "c": {"d": 1234.56, "e": 1e300}}
    assert short(record) == found
    assert str(short(float("nan"))) == "nan"
