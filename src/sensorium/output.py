"""Results on a terminal, or as CSV, JSON and JSON lines for programs."""

import contextlib
import csv
import errno
import io
import os
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment
from rich.table import Table

from sensorium.errors import LAYOUT, RequestError, printable, unwritable
from sensorium.files import STORED, csv_text, is_file, is_folder, is_stream, json_text, replacing, write_atomically

Record = dict[str, Any]
_STYLE: dict[str, Any] = {"highlight": False, "soft_wrap": True, "markup": False}
_WIDE = 1000  # columns
_DECIMALS = {"bleu": 2, "chrf": 2, "seconds": 1}  # of quantities that are no fractions; all others have four


class PlainConsole(Console):
    """Prints lines as a terminal may show them: what file and class names have of escape sequences is written out."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`."""
        shown = (printable(item, keep=LAYOUT) if isinstance(item, str) else item for item in objects)
        super().print(*shown, **options)

    def on_broken_pipe(self) -> None:
        """Leaves it to the command what happens when its output is closed; rich would end the program."""
        raise BrokenPipeError


class LoggedConsole(PlainConsole):
    """Writes what it prints to a file too, as plain lines; the progress bar, which is drawn, stays out of it."""

    def __init__(self, *, log: Path) -> None:
        super().__init__(**_STYLE)
        self._log = PlainConsole(file=log.open("a", encoding="utf-8"), width=_WIDE, **_STYLE)

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`."""
        super().print(*objects, **options)
        if not any(isinstance(item, Control) for item in objects):
            self._log.print(*objects, **options)


def leave_closed_outputs() -> None:
    """Sends output whose reader has gone, a closed terminal or pipe, to nowhere: every write to it would fail."""
    for stream in (1, 2):
        if _reader_is_gone(stream):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)


def _reader_is_gone(stream: int) -> bool:
    try:
        os.tcgetpgrp(stream)
    except OSError as error:
        if error.errno == errno.EIO:  # a closed terminal; what is no terminal is ENOTTY
            return True
    poll = select.poll()
    poll.register(stream, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def console(*, log: Path | None = None) -> Console:
    """Plain text without control characters when output is not a terminal; what is in [brackets] stays.

    log: a file that gets the same lines.
    """
    found = PlainConsole(**_STYLE) if log is None else LoggedConsole(log=log)
    if not found.is_terminal:
        found.width = _WIDE  # a program reads lines: rows are not folded for it
    return found


def write_records(
    records: Sequence[Record],
    *,
    format: str,  # noqa: A002 (the name of the key)
    output: str | None,
    title: str = "",
) -> None:
    """All records at once, to a file (written atomically) or to standard output."""
    if format == "table" and output is None:
        console().print(table(records, title=title))
        return
    kind = file_format(format, output)
    lines = [as_json(record) for record in records]
    array = "[\n" + ",\n".join(line.rstrip("\n") for line in lines) + "\n]\n" if lines else "[]\n"
    write_text(as_csv(records) if kind == "csv" else array if kind == "json" else "".join(lines), output=output)


def file_format(given: str, output: str | None) -> str:
    """What is written for programs: the format that was asked for; for table, what the name of the file says, and JSON
    lines into a file whose name says nothing, or a device. Raises RequestError for a name of another format.
    """
    if given != "table":
        return given
    named = named_format(output, ("csv", "json", "jsonl"))
    if named is None:
        check_ending(output, (".csv", ".json", ".jsonl"), also="or set format=csv")
    return named or "jsonl"


def named_format(output: str | None, formats: Iterable[str]) -> str | None:
    """The one of these formats that the ending of a file's name says."""
    ending = Path(str(output)).suffix.lower()
    return next((one for one in formats if ending == f".{one}"), None)


def check_ending(output: str | Path | None, endings: Sequence[str], *, also: str = "") -> None:
    """Rejects an output file whose name ends as a file of another format does. also: another remedy."""
    ending = Path(str(output)).suffix
    if output is None or not ending or ending.lower() in endings or is_stream(output):
        return
    remedy = ", ".join((f"End the name with {' or '.join(endings)}", *filter(None, [also])))
    raise RequestError(f"output={output}: this command does not write {ending} files. {remedy}.")


def write_text(text: str, *, output: str | None) -> None:
    """To a file (written atomically) or to standard output."""
    if output is None:
        put(text)
        return
    with writing(output):
        write_atomically(Path(output), text.encode("utf-8", errors=STORED))


def as_json(record: Record) -> str:
    """One line."""
    return json_text(record) + "\n"


def put(text: str, file: Any = None) -> None:
    """Writes to standard output, or another open file, at once. What a terminal would obey is written out for it."""
    file = file or sys.stdout
    file.write(printable(text, keep=LAYOUT) if file.isatty() else text)
    file.flush()


def complain(line: str) -> None:
    """A line on standard error, as a terminal may show it."""
    print(printable(line, keep=LAYOUT), file=sys.stderr)


def as_csv(records: Sequence[Record], *, header: bool = True) -> str:
    """A line for each record, with the columns in the order in which they first appear; nothing for no record."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = [[record.get(column, "") for column in columns] for record in records]
    return csv_text([columns, *rows] if header and columns else rows)


def formula_notes(paths: Iterable[Path]) -> list[str]:
    """A line for each CSV file with texts that a spreadsheet would run as formulas: the file has them as they are, for
    programs (docs/decisions/0030), and the user who opens it should know.
    """
    notes = []
    for path in paths:
        if path.suffix != ".csv" or not is_file(path):
            continue
        csv.field_size_limit(sys.maxsize)
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            found = [cell for row in csv.reader(file) for cell in row if _is_formula(cell)]
        if found:
            cells = f"{len(found):,} cell{'s begin' if len(found) > 1 else ' begins'}"
            notes.append(
                f"{path}: {cells} like a formula ({found[0]!r:.40}); in a spreadsheet, import the columns as text"
            )
    return notes


def _is_formula(cell: str) -> bool:
    if not cell.lstrip("\t\r ").startswith(("=", "+", "-", "@")):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def table(records: Sequence[Record], *, title: str = "") -> Table:
    """A rich table; numbers on the right, as `shown` writes them: by the record's metric, if it is about one."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    result = _Table(title=printable(title) or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        number = all(isinstance(record.get(column), int | float) for record in records)
        result.add_column(printable(column), justify="right" if number else "left", overflow="fold")
    for record in records:
        result.add_row(*(shown(record.get(column, ""), str(record.get("metric", column))) for column in columns))
    return result


class _Table(Table):
    """A table whose lines end where their text does."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Segment.split_lines(super().__rich_console__(console, options)):  # type: ignore[arg-type]
            while line and not line[-1].text.strip():
                line.pop()
            if line:
                last = line.pop()
                yield from line
                yield Segment(last.text.rstrip(), last.style)
            yield Segment.line()


def shown(value: Any, name: str = "") -> str:
    """A cell: a fraction with four decimals, a BLEU score with two and seconds with one, by the last word of the name;
    a whole number with separators; yes or no; everything else as it is, on one line and without control characters.
    """
    if isinstance(value, float):
        return f"{value:z.{_DECIMALS.get(name.rpartition('/')[2], 4)}f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else printable(str(value))


@contextlib.contextmanager
def opened(path: str | None) -> Iterator[Any]:
    """Standard output, or a file that is there when all of it is."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    if is_folder(Path(path)):
        raise RequestError(f"output={path} cannot be written: it is a folder. Name a file.")
    with writing(path), replacing(Path(path)) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors=STORED, newline="")
        yield text
        text.flush()
        text.detach()  # the file is not the wrapper's to close


@contextlib.contextmanager
def writing(path: str | None) -> Iterator[None]:
    """Turns an OSError into one that names the output. A broken pipe stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable("standard output" if path is None else f"output={path}", error) from error


class FileNames:
    """Names a file in a folder after each input; of inputs that would share a name, the second ends in _2, and so on.

    suffix: of the files, such as ".srt".
    """

    def __init__(self, folder: Path, *, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        self._taken: set[str] = set()

    def paths_for(self, sources: Iterable[object]) -> list[Path]:
        """Where the files of these inputs would go, if they were all that there are."""
        fresh = FileNames(self._folder, suffix=self._suffix)
        return [fresh.path_for(str(source)) for source in sources]

    def path_for(self, source: str) -> Path:
        """Where the file of an input goes; another one at every call."""
        stem = name = Path(source).stem
        number = 1
        while name.lower() in self._taken:  # there are file systems on which A.png is a.png
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name.lower())
        return self._folder / f"{name}{self._suffix}"
