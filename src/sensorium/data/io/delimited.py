"""Rows of a delimited text table, in which a stray quotation mark spoils no other row.

Quoting is decided row by row. A row without quotation marks is cut at its separators. One with them is read as CSV
(RFC 4180), over as many lines as its quoted cells take. When that fails, or when a cell holds lines that are rows of
the table themselves, the row is a problem at the line of the quotation mark, and reading continues at the next line. In
a tab-separated table, where quotation marks often are the writer's own, such a row is cut at its tabs instead.
"""

import csv
import re
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Cells = list[str]
_MOST_LINES = 10_000  # of one quoted cell; a mark that is never closed would take the whole file into memory
_SAMPLE = 1000  # rows that tell what columns hold
_SHORT = 40  # characters of a value that may be a class
_LINE_END = re.compile(r"\r\n|\n|\r")
_SEPARATORS = ",;\t|"  # of equally many the first
_CELL_END = {separator: re.compile(rf"{re.escape(separator)}|\r\n|\n|\r") for separator in _SEPARATORS}
_DECLARED = re.compile(r"sep=(.)\s*", re.ASCII)
_SPACED_QUOTES = re.compile(r' +".*" *', re.DOTALL)
_SUFFIX = re.compile(r"\S\.[A-Za-z]\w{1,4}$")
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")


class Fault(NamedTuple):
    """What is wrong with a row, and at which line."""

    line: int
    what: str


Row = tuple[int, Cells]  # the number of its first line, from 1


def separator_of(header: str) -> str:
    """What a first line has most of outside of quotation marks: comma, semicolon, tab or vertical bar."""
    return max(_SEPARATORS, key=_outside(header).count)


def declared_separator(line: str) -> str | None:
    """What a line such as "sep=;" names, which Excel writes above the names of the columns."""
    found = _DECLARED.fullmatch(line)
    return found[1] if found and found[1] in _SEPARATORS else None


def is_spaced(header: str, separator: str, rows: Iterable[Cells] = ()) -> bool:
    """Whether spaces behind a separator belong to it, as in `"text", "label"`: by a first line that has them behind
    each, or by a column of rows (read without) whose quoted cells all have spaces before.
    """
    outside = _outside(header)
    if 0 < outside.count(separator) == outside.count(f"{separator} "):
        return True
    for cells in list(zip(*rows, strict=True))[1:]:
        quoted = [cell for cell in cells if '"' in cell]
        if quoted and all(map(_SPACED_QUOTES.fullmatch, quoted)):
            return True
    return False


def _outside(line: str) -> str:
    """What of a line stands outside of quotation marks, each of which is kept as one."""
    return '"'.join(line.split('"')[::2])


class Lines:
    """The lines of a file, which can be given back. number: of the last one, from 1."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = iter(file)
        self._back: deque[str] = deque()
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._file)
        self.number += 1
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        """The next ones to be read."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


class Kinds:
    """What tells rows of a table from lines of text: columns of a few words that come again and again, of numbers, or
    of paths with one suffix, as the first rows have them.
    """

    def __init__(self, rows: Iterable[Cells] = ()) -> None:
        self._words: dict[int, set[str]] = {}  # column -> its words
        self._forms: dict[int, set[str]] = {}  # column -> the forms of its words, see `_form`
        for column, cells in enumerate(zip(*rows, strict=True)):
            for known, seen in ((self._words, cells), (self._forms, tuple(map(_form, cells)))):
                again = {word for word, count in Counter(seen).items() if count > 1 and 0 < len(word) <= _SHORT}
                if again and sum(word in again for word in seen) * 2 > len(seen):
                    known[column] = again
                    break

    @property
    def tell(self) -> bool:
        """Whether any column does."""
        return bool(self._words or self._forms)

    def fit(self, row: Cells) -> bool:
        """Whether a row has what these columns hold."""
        return all(row[column] in words for column, words in self._words.items()) and all(
            _form(row[column]) in forms for column, forms in self._forms.items()
        )


def _form(cell: str) -> str:
    """Of a number or a path; "" for anything else."""
    if suffix := _SUFFIX.search(cell):
        return suffix.group()[1:].lower()
    try:
        float(cell)
    except ValueError:
        return ""
    return "number" if cell == cell.strip() else ""


class Rows:
    """The rows of a table. blank: lines without anything that were passed over.

    separator: between cells. width: cells of a row; None for any number. kinds: to know a row inside a cell. spaced:
    whether spaces behind a separator belong to it (`is_spaced`), where a row has quotation marks.
    """

    def __init__(
        self,
        file: Iterable[str],
        *,
        separator: str,
        width: int | None,
        kinds: Kinds | None = None,
        spaced: bool = False,
    ) -> None:
        csv.field_size_limit(sys.maxsize)  # 131,072 characters otherwise: less than a long review
        self._lines = Lines(file)
        self._separator, self._width, self._kinds, self._spaced = separator, width, kinds or Kinds(), spaced
        self.blank = 0

    def __iter__(self) -> Iterator[Row | Fault]:
        for line in self._lines:
            number = self._lines.number
            if '"' in line:
                yield self._quoted(number, line)
            elif line.strip(" \r\n"):
                yield self._counted(number, self._cut(line))
            else:
                self.blank += 1

    def sample(self) -> Iterator[Cells]:
        """The first rows that are whole."""
        for row, _ in zip(self, range(_SAMPLE), strict=False):
            if not isinstance(row, Fault):
                yield row[1]

    def _cut(self, line: str) -> Cells:
        return line.rstrip("\r\n").split(self._separator)

    def _counted(self, number: int, cells: Cells) -> Row | Fault:
        if self._width is None or len(cells) == self._width:
            return number, cells
        return Fault(number, f"{len(cells)} cells where the first line has {self._width}")

    def _quoted(self, number: int, line: str) -> Row | Fault:
        """The row that begins with a line in which there are quotation marks."""
        taken: list[str] = []
        found, whole = self._parsed(number, line, taken)
        if not isinstance(found, Fault):
            return found
        if not whole:
            self._lines.give_back(taken)
        plain = self._cut(line)
        if self._separator == "\t" and len(plain) == self._width:
            return number, [unquoted(cell) for cell in plain]
        return found

    def _parsed(self, number: int, line: str, taken: list[str]) -> tuple[Row | Fault, bool]:
        """What CSV makes of a line and those after it, which go into `taken`; and whether all of them belong to it."""

        def feed() -> Iterator[str]:
            yield line
            for more in self._lines:
                taken.append(more)
                if len(taken) == _MOST_LINES:
                    return
                yield more

        try:
            reader = csv.reader(feed(), delimiter=self._separator, strict=True, skipinitialspace=self._spaced)
            cells = next(reader)
        except csv.Error as error:
            text = "".join([line, *taken])
            opening = number + len(_LINE_END.findall(text[: _failing_mark(text, self._separator)]))
            if "end of data" in str(error):
                return Fault(opening, "a quotation mark opens here and never closes"), False
            what = f"not CSV ({error})"
            if not taken:
                return Fault(number, what), True
            on_to = f"a quotation mark opens here, and on line {self._lines.number} it is {what}"
            return Fault(opening, on_to), not any(self._is_row(self._cut(more)) for more in taken)
        if taken and (inside := self._row_inside(number, cells)):
            return inside, False
        return self._counted(number, cells), True

    def _row_inside(self, number: int, row: Cells) -> Fault | None:
        """A problem when a cell has a line that is a whole row of the table, alone or with the cells beside it."""
        line = number
        for place, cell in enumerate(row):
            lines = _LINE_END.split(cell)
            if len(lines) > 1 and (found := self._row_among(lines, row[:place], row[place + 1 :])) is not None:
                return Fault(
                    line,
                    f"a quotation mark opens here and closes on line {line + len(lines) - 1}, with rows of the table"
                    f" between ({found:.40}); close it, or write it twice where it is part of the text",
                )
            line += len(lines) - 1
        return None

    def _row_among(self, lines: list[str], before: Cells, after: Cells) -> str | None:
        if not self._kinds.tell and self._separator != "\t":
            # Nothing tells a row from a line with as many commas; where all are identical they are no text.
            between = [line for line in lines[1:-1] if line.strip()]
            alike = [
                line for line in between if self._separator + " " not in line and len(self._cut(line)) == self._width
            ]
            return between[0] if len(alike) == len(between) > 2 else None
        for number, line in enumerate(lines):
            inside = self._cut(line)
            first, last = number == 0, number == len(lines) - 1
            if len(inside) > 1 and self._is_row([*(before if first else []), *inside, *(after if last else [])]):
                return line
        return None

    def _is_row(self, cells: Cells) -> bool:
        if len(cells) != self._width or _THOUSANDS.search(self._separator.join(cells)):
            return False
        return self._separator == "\t" or self._kinds.fit(cells)  # a tab is hardly ever part of a text


def unquoted(cell: str) -> str:
    """A cell without the quotation marks around it, where these are a program's and not the writer's."""
    inside = cell[1:-1]
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"' or '"' in inside.replace('""', ""):
        return cell
    return inside.replace('""', '"')


def _failing_mark(text: str, separator: str) -> int:
    """Where the quotation mark stands that opens the cell which is not CSV: never closed, or closed inside."""
    place = 0
    while True:
        if text[place : place + 1] != '"':
            end = _CELL_END[separator].search(text, place)
        else:
            closing = _closing(text, place + 1)
            end = _CELL_END[separator].match(text, closing + 1) if closing >= 0 else None
        if end is None:
            return place
        place = end.end()


def _closing(text: str, place: int) -> int:
    """The next quotation mark that is not written twice; -1 for none."""
    while (found := text.find('"', place)) >= 0 and text[found + 1 : found + 2] == '"':
        place = found + 2
    return found
