"""A table that lists recordings and their classes: CSV, TSV, JSON lines or Parquet; such as ESC-50 and UrbanSound8K.

K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", 2015; J. Salamon, C. Jacoby and J. P. Bello, "A
Dataset and Taxonomy for Urban Sound Research", 2014. Both are published in folds, of which each is the test once.
"""

from dataclasses import dataclass

from sensorium.data.audio.audio_settings import AudioSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import audio_classes
from sensorium.data.audio.table_files import AudioFiles, piece
from sensorium.data.base import Data, OnBad, class_order
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.data.table_rows import TablesSettings, table_rows
from sensorium.errors import RequestError, listing


@dataclass(frozen=True, kw_only=True)
class AudioCsv(AudioSettings, TablesSettings, HoldOut, ConflictSettings):
    """One recording a row: its file, absolute or relative to audio_root, and its class.

    audio_root: None for the table's folder; see `AudioFiles`. start_column, end_column: seconds, for a recording that
    is a piece of a file; None for whole files, whatever the table has. speaker_column: who or what is recorded.
    test_fold, val_fold: the value in fold_column (None for the column "fold") of the rows that are these splits. Splits
    that nothing names are held out of train.
    """

    task = "classification"

    audio_column: str
    label_column: str
    audio_root: str | None
    start_column: str | None
    end_column: str | None
    speaker_column: str | None
    fold_column: str | None
    test_fold: int | str | None
    val_fold: int | str | None

    def check(self) -> None:
        super().check()
        if self.fold_column is not None and not self._folds:
            raise RequestError(
                f"dataset.fold_column={self.fold_column}: set the test fold, such as dataset.test_fold=1."
            )
        if len(self._folds) < sum(fold is not None for fold in (self.test_fold, self.val_fold)):
            raise RequestError(f"dataset.test_fold and dataset.val_fold are both {self.test_fold}: give two folds.")

    @property
    def _folds(self) -> dict[str, str]:
        """Fold -> its split; the others are train."""
        named = {"val": self.val_fold, "test": self.test_fold}
        return {str(fold): split for split, fold in named.items() if fold is not None}

    def load(self, *, on_bad: OnBad) -> Data:
        found = AudioListing(str(self.path))
        files = AudioFiles(self.audio_root)
        columns = {"audio_column": self.audio_column, "label_column": self.label_column}
        optional: dict[str, str | None] = {"speaker_column": self.speaker_column, "fold_column": self.fold_column}
        if self._folds:
            columns["fold_column"] = optional.pop("fold_column") or "fold"
        times = {"start_column": self.start_column, "end_column": self.end_column}
        optional |= {key: column for key, column in times.items() if column is not None}
        folds: set[str] = set()
        for row in table_rows(found, self, columns, optional=optional):
            fold, label = row.cells.get("fold_column", ""), row.cells["label_column"]
            folds.add(fold)
            split = row.split or (self._folds.get(fold, "train") if self._folds else "")
            try:
                if self._folds and (row.split or not fold):
                    raise ValueError("both a split and a fold" if row.split else "no fold")
                if not label:
                    raise ValueError("no label")
                path, (start, end) = files.of(row, row.cells["audio_column"]), piece(row)
            except ValueError as error:
                found.refused(str(row.table), row.line, str(error), split=split)
                continue
            found.add(
                path,
                label,
                split=split,
                speaker=row.cells.get("speaker_column", ""),
                start=start,
                end=end,
                source=str(row.table),
                line=row.line,
            )
        self._check_folds(found, folds - {""})
        found.notes += [f"{split}: fold {fold}" for fold, split in self._folds.items()] + files.notes
        return audio_classes(found, self, on_bad=on_bad)

    def _check_folds(self, found: AudioListing, there: set[str]) -> None:
        if there and not self._folds:
            names = class_order(there)
            found.notes.append(f"folds not used: {listing(names, limit=10)}; dataset.test_fold={names[0]} tests on one")
        for fold, split in self._folds.items():
            if there and fold not in there:
                raise RequestError(
                    f"dataset.{split}_fold={fold}: {self.path} has no such fold. It has: {listing(class_order(there))}."
                )
