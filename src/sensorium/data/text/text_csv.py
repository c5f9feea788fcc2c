"""A table that lists texts and their classes: CSV, TSV, JSON lines or Parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad, Problem, counted
from sensorium.data.io.paths import existing
from sensorium.data.io.tables import check_column, open_table
from sensorium.data.text.labelled import LabelledSettings, LabelledTexts
from sensorium.errors import RequestError, listing

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}


class TextCsv:
    """One text a row, and its class. The ending says how to read it: .csv, .tsv, .jsonl (.ndjson, .json), .parquet.

    split_column: the column that says train, val or test; null takes the column "split" when there is one, else parts
    are held out. val_path, test_path: tables of the same columns that are these parts. encoding: null takes UTF-8, or
    UTF-16 when the file begins with its mark.
    """

    task = "classification"

    def __init__(
        self,
        *,
        path: str | None,
        val_path: str | None,
        test_path: str | None,
        text_column: str,
        label_column: str,
        split_column: str | None,
        encoding: str | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        test_fraction: float,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        self._paths = {"path": path, "val_path": val_path, "test_path": test_path}
        self._columns = (text_column, label_column, split_column)
        self._encoding = encoding
        self._settings = LabelledSettings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
            test_fraction=test_fraction,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        paths = {key: existing(key, given) for key, given in self._paths.items() if given is not None or key == "path"}
        found = LabelledTexts(paths["path"])
        for key, path in paths.items():
            self._read(found, path, part="" if key == "path" else key.removesuffix("_path"))
        if not len(found):
            more = f" The first problem: {found.problems[0]}" if found.problems else ""
            raise RequestError(f"{paths['path']} lists no usable text.{more}")
        return self._settings.make(found, on_bad)

    def _read(self, found: LabelledTexts, path: Path, *, part: str) -> None:
        table = open_table(path, encoding=self._encoding)
        text_column, label_column, split_column = self._columns
        columns = [
            check_column(path, table, "text_column", text_column),
            check_column(path, table, "label_column", label_column),
        ]
        if not part and (split_column is not None or "split" in table.columns):
            columns.append(check_column(path, table, "split_column", split_column or "split"))
        for row in table.rows(columns):
            if isinstance(row, Problem):
                found.problems.append(row)
                continue
            line, (text, label, *split) = row
            named = split[0].strip() if split else part
            if (named or split) and named.lower() not in _PARTS:
                found.problems.append(Problem(f"{path}:{line}", f"split {named!r} is none of {listing(_PARTS)}"))
            else:
                found.add(text, label.strip(), source=str(path), line=line, part=_PARTS.get(named.lower(), ""))
        if table.blank:
            found.notes.append(f"{path}: {counted(table.blank, 'blank line')} passed over")
