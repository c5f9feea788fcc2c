"""What reaches a person: tables and lines without what a terminal would obey; what reaches a program: all of it."""

import csv
import io
import json

import pytest

from sensorium import output
from sensorium.errors import printable

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
    assert json.loads(capsys.readouterr().out) == RECORD
    output.write_records([RECORD], format="csv", output=None)
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert rows == [list(RECORD), ["0.5" if value == 0.5 else value for value in RECORD.values()]]


def test_csv_is_written_out_for_a_terminal_alone() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    output.put(f"{COLOURED}\n", terminal)
    output.put(f"{COLOURED}\n", pipe)
    assert (terminal.getvalue(), pipe.getvalue()) == ("\\x1b[31mred\\x1b[0m\n", f"{COLOURED}\n")


def test_lines_on_a_console_and_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.console().print(f"cut: {COLOURED}\n[x]")
    output.complain(f"{COLOURED}: damaged")
    told = capsys.readouterr()
    assert told.out == "cut: \\x1b[31mred\\x1b[0m\n[x]\n"
    assert told.err == "\\x1b[31mred\\x1b[0m: damaged\n"
