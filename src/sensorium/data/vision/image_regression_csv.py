"""A table that lists images and one or several numbers for each: CSV, TSV, JSON lines or Parquet."""

from collections.abc import Sequence
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem, first_problem
from sensorium.data.target_tables import TargetRow, TargetTable
from sensorium.data.targets import check_target_columns, shown
from sensorium.data.vision.listed import existing_image_source
from sensorium.data.vision.store import Channels
from sensorium.data.vision.target_files import TargetFile, TargetFileSettings
from sensorium.errors import RequestError
from sensorium.specs import Resize


class ImageRegressionCsv:
    """One image a row: its path, absolute or seen from the table's folder, and its numbers. The ending of the table
    says how to read it: .csv, .tsv, .jsonl (.ndjson, .json), .parquet.

    target_columns: columns of numbers. split_column: train, val or test; null takes the column "split" when there is
    one, else parts are held out.
    """

    task = "regression"

    def __init__(
        self,
        *,
        path: str | None,
        path_column: str,
        target_columns: Sequence[str] | None,
        split_column: str | None,
        encoding: str | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._path, self._path_column = path, path_column
        self._target_columns, self._split_column, self._encoding = target_columns, split_column, encoding
        self._settings = TargetFileSettings(
            image_size=image_size,
            resize=resize,
            channels=channels,
            cache_bytes=cache_bytes,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing_image_source("path", self._path, folder=False)
        names = check_target_columns(self._target_columns)
        table = TargetTable("path_column", self._path_column, names, self._split_column, self._encoding)
        entries = [row if isinstance(row, Problem) else _entry(path, row) for row in table.rows(path)]
        files = [entry for entry in entries if isinstance(entry, TargetFile)]
        problems = [entry for entry in entries if isinstance(entry, Problem)]
        if not files:
            raise RequestError(f"{path} lists no usable image.{first_problem(problems)}")
        return self._settings.make_regression(path, files, problems, target_names=names, on_bad=on_bad)


def _entry(source: Path, row: TargetRow) -> TargetFile | Problem:
    place, name = f"{source}:{row.line}", row.content.strip()
    if not name:
        return Problem(place, "no path")
    path = source.parent / Path(name).expanduser()
    if not path.is_file():
        return Problem(place, f"there is no file {path}")
    return TargetFile(path, shown(row.targets), row.part, place, row.targets)
