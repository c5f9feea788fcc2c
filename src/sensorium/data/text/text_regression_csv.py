"""A table that lists texts and one or several numbers for each: CSV, TSV, JSON lines or Parquet."""

from collections.abc import Mapping, Sequence
from typing import Any

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.io.paths import existing
from sensorium.data.target_tables import TargetTable
from sensorium.data.targets import check_target_columns
from sensorium.data.text.target_texts import TargetTexts, TargetTextSettings


class TextRegressionCsv:
    """One text a row, and its numbers. The ending says how to read it: .csv, .tsv, .jsonl (.ndjson, .json), .parquet.

    target_columns: columns of numbers. split_column: the column that says train, val or test; null takes the column
    "split" when there is one, else parts are held out. val_path, test_path: tables of the same columns that are these
    parts. encoding: null takes UTF-8, or UTF-16 when the file begins with its mark.
    """

    task = "regression"

    def __init__(
        self,
        *,
        path: str | None,
        val_path: str | None,
        test_path: str | None,
        text_column: str,
        target_columns: Sequence[str] | None,
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
        self._text_column, self._target_columns = text_column, target_columns
        self._split_column, self._encoding = split_column, encoding
        self._settings = TargetTextSettings(
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
        names = check_target_columns(self._target_columns)
        table = TargetTable("text_column", self._text_column, names, self._split_column, self._encoding)
        found = TargetTexts(str(paths["path"]))
        for key, path in paths.items():
            for row in table.rows(path, part="" if key == "path" else key.removesuffix("_path")):
                if isinstance(row, Problem):
                    found.problems.append(row)
                else:
                    found.add_targets(row.content, row.targets, source=str(path), line=row.line, part=row.part)
        return self._settings.make_regression(found, target_names=names, on_bad=on_bad)
