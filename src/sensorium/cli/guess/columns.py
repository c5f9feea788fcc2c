"""The first rows of a table by column, and what the cells of a column are: numbers, tags, file names, prose."""

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

from sensorium.data.io.delimited import declared_separator, is_spaced, separator_of
from sensorium.data.io.text_files import decoded
from sensorium.errors import RequestError
from sensorium.files import json_value

SEPARATORS = ("|", ";", ",")
JSON_LINES = (".jsonl", ".ndjson", ".json")
_LONGEST = 1 << 20  # characters of a line that is looked at
_LOOKED_AT = 1000  # rows of a table
_BINARY = ({"0", "1"}, {"0.0", "1.0"}, {"false", "true"})


@dataclass(frozen=True)
class Column:
    """name: as the table has it. cells: of the first rows that have something in this column."""

    name: str
    cells: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name as it is compared."""
        return self.name.lower()

    @property
    def distinct(self) -> int:
        """How many different cells there are."""
        return len(set(self.cells))

    @property
    def is_binary(self) -> bool:
        """Whether all cells are 0 or 1."""
        return bool(self.cells) and any({cell.lower() for cell in self.cells} <= pair for pair in _BINARY)

    @property
    def is_number(self) -> bool:
        """Whether all cells are numbers."""
        return bool(self.cells) and all(_is_number(cell) for cell in self.cells)

    @property
    def is_whole(self) -> bool:
        """Whether all cells are whole numbers."""
        return self.is_number and all(float(cell).is_integer() for cell in self.cells)

    @property
    def is_varied(self) -> bool:
        """Whether most cells differ from each other, as texts do and classes do not."""
        return not self.is_number and 2 * self.distinct > len(self.cells)

    @property
    def words(self) -> float:
        """Of a cell, on average."""
        return sum(len(cell.split()) for cell in self.cells) / max(1, len(self.cells))

    @property
    def separator(self) -> str | None:
        """What stands between tags: of the usual signs the one in most cells."""
        found = Counter(sign for cell in self.cells for sign in SEPARATORS if sign in cell)
        return found.most_common(1)[0][0] if found else None

    def names_files(self, suffixes: tuple[str, ...]) -> bool:
        """Whether the cells are names of such files."""
        return bool(self.cells) and all(cell.lower().endswith(suffixes) for cell in self.cells)


def _is_number(cell: str) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    return value - value == 0  # neither nan nor infinite


def first_rows(path: Path) -> list[Column]:
    """The columns of a table whose first row names them. Raises RequestError for a file that is no table."""
    rows = read_rows(path)
    header = [name.strip() for name in rows[0]] if rows else []
    return columns_of(header, rows[1:])


def columns_of(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Column]:
    """Rows by column; short ones lack their last cells."""
    cells = [[row[place].strip() for row in rows if place < len(row)] for place in range(len(names))]
    return [Column(name, tuple(filter(None, found))) for name, found in zip(names, cells, strict=True)]


def read_rows(path: Path) -> list[list[str]]:
    """The first lines of a table as cells; of JSON lines the first row has the keys."""
    try:
        with decoded(path, None, newline="") as file:
            file.reconfigure(errors="replace")
            if path.suffix.lower() in JSON_LINES:
                return _json_rows(list(islice(file, _LOOKED_AT)))
            if path.suffix.lower() in (".tsv", ".txt"):
                lines = (line.rstrip("\r\n").split("\t") for line in islice(file, _LOOKED_AT))
                return list(takewhile(lambda cells: cells != [""], lines))
            head = file.readline()
            declared = declared_separator(head)
            names = file.readline() if declared else head
            separator = declared or separator_of(names)
            spaced = is_spaced(names, separator)
            file.seek(0)
            csv.field_size_limit(sys.maxsize)  # 131,072 characters otherwise: less than a long review
            rows = csv.reader(file, delimiter=separator, skipinitialspace=spaced)
            return list(islice(rows, declared is not None, _LOOKED_AT))
    except (OSError, csv.Error) as error:
        raise RequestError(f"{path} cannot be read as a table: {error}.") from error


def is_json_lines(path: Path) -> bool:
    """Whether a file has an object on its first line, as NeMo's manifests do, whose names end in .json."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return bool(_json_rows([file.readline(_LONGEST)]))


def _json_rows(lines: Sequence[str]) -> list[list[str]]:
    objects = []
    for line in lines:
        try:
            found = json_value(line)
        except ValueError:
            break
        if not isinstance(found, dict):
            break
        objects.append(dict(_flat(found)))
    names = list(dict.fromkeys(key for one in objects for key in one))
    return [names, *([_cell(one.get(name)) for name in names] for one in objects)] if names else []


def _flat(found: dict[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """As `data.io.tables` names the values inside of objects: translation.en."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _cell(value: object) -> str:
    return "" if value is None else str(value)
