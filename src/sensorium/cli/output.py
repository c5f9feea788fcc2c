"""Results on a terminal, or as CSV and JSON lines for programs."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sensorium.errors import RequestError, unknown
from sensorium.files import write_atomically

FORMATS = ("table", "csv", "json")
Record = dict[str, Any]


def console() -> Console:
    """Plain text without control characters when output is not a terminal."""
    return Console(highlight=False, soft_wrap=True)


def check_format(name: str) -> str:
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    return name


def write_records(records: Sequence[Record], *, format: str, output: str | None, title: str = "") -> None:
    """All records at once, to a file (written atomically) or to standard output."""
    if format == "table" and output is None:
        console().print(table(records, title=title))
        return
    kind = format if format != "table" else "csv" if str(output).endswith(".csv") else "json"
    text = as_csv(records) if kind == "csv" else "".join(as_json(record) for record in records)
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        write_atomically(Path(output), text)
    except OSError as error:
        raise RequestError(f"output={output} cannot be written: {error.strerror}.") from error


def as_json(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def as_csv(records: Sequence[Record], *, header: bool = True) -> str:
    columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def table(records: Sequence[Record], *, title: str = "") -> Table:
    """A rich table; numbers with four decimals, on the right."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    result = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        number = all(isinstance(record.get(column), int | float) for record in records)
        result.add_column(column, justify="right" if number else "left", overflow="fold")
    for record in records:
        result.add_row(*(shown(record.get(column, "")) for column in columns))
    return result


def shown(value: Any) -> str:
    """A cell: a fraction with four decimals, everything else as it is."""
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
