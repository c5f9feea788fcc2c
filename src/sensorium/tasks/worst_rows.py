"""The worst errors of a run, read from the predictions that its evaluation left in the run folder."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sensorium.errors import RequestError
from sensorium.files import STORED

Record = Mapping[str, str]


def read_predictions(folder: Path, name: str = "predictions.csv") -> list[Record]:
    """The predictions of a run's test split, a table in its folder. Raises RequestError where there is none."""
    path = folder / name
    if not path.is_file():
        raise RequestError(f"{folder} has no {name}: worst= is for a run that was tested (test=true).")
    with path.open(newline="", encoding="utf-8", errors=STORED) as file:
        return list(csv.DictReader(file))


def ranked_rows(records: Sequence[Record], badness: Callable[[Record], float | None], count: int) -> list[int]:
    """Rows of a split by how bad the worst of their records is, the worst first; None for a record without an error."""
    worst: dict[int, float] = {}
    for record in records:
        found = badness(record)
        if found is not None:
            row = int(record["index"])
            worst[row] = max(found, worst.get(row, found))
    return sorted(worst, key=lambda row: (-worst[row], row))[:count]


def wrong(record: Record, score: str) -> float | None:
    """How sure the model was of what is not correct."""
    return float(record[score]) if record["correct"] == "false" else None
