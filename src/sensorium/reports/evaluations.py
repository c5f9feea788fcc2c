"""What `eval slices=` and `eval corrupt=true` left in a run folder, as sections of its report. Imports no torch."""

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sensorium.files import json_value
from sensorium.report_sections import Cell, Chart, Section, Series, Table
from sensorium.reports.words import named

MARKER = "evaluation.json"
_MOST = 200  # groups of a table
Row = Mapping[str, str]


def evaluation_sections(folder: Path, headline: str | None, missing: list[str]) -> list[Section]:
    """Of every evaluation in a folder of the run, by the folder's name. headline: the metric that curves are drawn of;
    None for the first one. missing: takes a sentence for each file that cannot be read.
    """
    found: list[Section] = []
    for marker in sorted(folder.glob(f"*/{MARKER}")):
        place = f"{_split(marker)}, {marker.parent.name}"
        for name, sections in (("slices.csv", _slices), ("corruptions.csv", _corruptions)):
            path = marker.parent / name
            if not path.is_file():
                continue
            try:
                with path.open(newline="", encoding="utf-8") as file:
                    found += sections(list(csv.DictReader(file)), headline, place)
            except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
                missing.append(f"{marker.parent.name}/{name} cannot be read: {type(error).__name__}: {error}.")
    return found


def _split(marker: Path) -> str:
    found: Any = None
    with suppress(OSError, ValueError):
        found = json_value(marker.read_text(encoding="utf-8"))
    return str(found["split"]) if isinstance(found, dict) and "split" in found else "split unknown"


def _slices(rows: Sequence[Row], headline: str | None, place: str) -> list[Section]:
    """A row for each group, as they are ordered in the file; all examples last."""
    if not rows:
        return []
    metrics = [name for name in rows[0] if name not in ("group", "examples", "low", "high", "few")]
    main = _main(metrics, headline)
    shown = [main, *(name for name in metrics if name != main)]
    cells: list[list[Cell]] = [
        [
            row["group"],
            int(row["examples"]),
            *(_number(row[name]) for name in (shown[0], "low", "high", *shown[1:])),
            "few" if row["few"] in ("true", "True") else "",
        ]
        for row in [*rows[:_MOST], *rows[max(_MOST, len(rows) - 1) :]]
    ]
    cut = f" The first {_MOST:,} of {len(rows) - 1:,} groups." if len(rows) - 1 > _MOST else ""
    return [
        Table(
            title=f"Slices ({place})",
            columns=["group", "examples", named(main), "low", "high", *map(named, shown[1:]), "size"],
            rows=cells,
            note=f"Metrics by group; low and high are the 95% interval of {named(main)}.{cut}",
        )
    ]


def _corruptions(rows: Sequence[Row], headline: str | None, place: str) -> list[Section]:
    """The headline metric by severity, a line for each corruption, and every metric in a table."""
    if not rows:
        return []
    metrics = [name for name in rows[0] if name not in ("corruption", "severity", "setting")]
    main = _main(metrics, headline)
    clean = [(0.0, _number(row[main])) for row in rows if row["corruption"] == "none"]
    points: dict[str, list[tuple[float, float | None]]] = {}
    for row in rows:
        if row["corruption"] != "none":
            kind = points.setdefault(row["corruption"], list(clean))
            kind.append((float(row["severity"]), _number(row[main])))
    series = [
        Series(name=kind, points=[[x, y] for x, y in line if y is not None])
        for kind, line in points.items()
        if any(y is not None for _, y in line)
    ]
    chart = Chart(
        title=f"Corruptions ({place})",
        series=series,
        x_label="severity (0: no corruption)",
        y_label=named(main),
        note=f"{named(main)} of the same examples under corruptions of growing severity.",
    )
    table = Table(
        title=f"Corruptions: every metric ({place})",
        columns=["corruption", "severity", "setting", *map(named, metrics)],
        rows=[
            [row["corruption"], int(row["severity"]), row["setting"], *(_number(row[name]) for name in metrics)]
            for row in rows[:_MOST]
        ],
    )
    return [chart, table] if series else [table]


def _main(metrics: Sequence[str], headline: str | None) -> str:
    if not metrics:
        raise ValueError("it has no metric")
    return headline if headline is not None and headline in metrics else metrics[0]


def _number(cell: str) -> float | None:
    """None for an empty cell, and for what is not finite."""
    if not cell:
        return None
    value = float(cell)
    return value if math.isfinite(value) else None
