"""What a table holds, from the names of its columns and their first cells."""

from collections.abc import Callable, Sequence
from glob import escape
from pathlib import Path

from sensorium.cli.guess import texts
from sensorium.cli.guess.base import Guess, override, with_columns
from sensorium.cli.guess.columns import Column, first_rows
from sensorium.errors import listing
from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
TEXT_COLUMNS = ("text", "sentence", "review", "comment", "message", "content", "tweet")
LABEL_COLUMNS = ("label", "class", "category", "sentiment", "target")
TAG_COLUMNS = ("labels", "tags", "classes", "categories")
TRANSCRIPT_COLUMNS = ("transcript", "transcription", "text", "sentence")
AUDIO_FOLDERS = ("clips", "audio", "wavs")
_NO_TARGETS = ("", "id", "index", "idx", "split", "width", "height", "start", "end", "duration", "speaker")
_MOST_CLASSES = 20  # whole numbers that are more than these are rather measured than classes
# Columns that only together say what the class is about.
_PAIRS = (("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"), ("title", "body"))
_PROSE = 3  # words of a cell, from which on it is text without being called so


def guesses(path: Path) -> list[Guess]:
    """All that a table could be, the likeliest first."""
    columns = first_rows(path)
    image = _first(columns, lambda column: column.names_files(IMAGE_SUFFIXES))
    audio = _first(columns, lambda column: column.names_files(AUDIO_SUFFIXES))
    if audio is not None:
        return _of_recordings(path, columns, audio)
    if image is not None:
        return _of_images(path, columns, image)
    if pairs := texts.of_named_pairs(path, columns):
        return pairs
    text = next(iter(_pair(columns)), None) or _named(columns, TEXT_COLUMNS)
    others = [column for column in columns if column.key not in _NO_TARGETS]
    if text is None:
        labelled = _named(columns, (*LABEL_COLUMNS, *TAG_COLUMNS))
        if path.suffix.lower() == ".tsv" and labelled is None and (pairs := texts.of_pairs(path)):
            return pairs
        text = max((c for c in others if c.is_varied and c.words >= _PROSE), key=lambda c: c.words, default=None)
    return [] if text is None else _of_texts(path, columns, text)


def expected(path: Path) -> str:
    """The end of a message about a table that nothing fits."""
    names = listing(column.name for column in first_rows(path))
    return (
        f"its columns are {names or 'none'}.\nName the dataset and its columns, such as dataset=text_csv "
        f"{override('path', path)} dataset.text_column=... dataset.label_column=..."
    )


def _of_recordings(path: Path, columns: Sequence[Column], audio: Column) -> list[Guess]:
    others = _others(columns, audio)
    varied = [column for column in others if column.is_varied and column.key not in LABEL_COLUMNS]
    transcript = _named(others, TRANSCRIPT_COLUMNS) or (varied[0] if len(varied) == 1 and len(others) == 1 else None)
    if transcript is None:
        return _of_audio_classes(path, columns, audio, others)
    chosen = with_columns(
        "speech_manifest", path, audio_column=(audio.name, "audio"), text_column=(transcript.name, "text")
    )
    chosen = (*chosen, *_audio_root(path, audio))
    return [Guess(f"recordings ({audio.name}) with transcripts ({transcript.name})", chosen)]


def _audio_root(path: Path, audio: Column) -> tuple[str, ...]:
    """The override that names the folder of the recordings, where it is clips/, audio/ or wavs/ beside the table or one
    above, as Common Voice and ESC-50 have it; UrbanSound8K has folders inside.
    """
    name = audio.cells[0]
    if (path.parent / name).is_file() or Path(name).is_absolute():
        return ()
    for folder in (above / inner for above in (path.parent, path.parent.parent) for inner in AUDIO_FOLDERS):
        if (folder / name).is_file() or any(inner.is_file() for inner in folder.glob(f"*/{escape(name)}")):
            return (override("audio_root", folder),)
    return ()


def _of_audio_classes(path: Path, columns: Sequence[Column], audio: Column, others: Sequence[Column]) -> list[Guess]:
    """A class for each recording, by name rather than by number, where a table has both; its first fold is the test."""
    labels = [column for name in LABEL_COLUMNS for column in others if column.key == name]
    label = next((column for column in labels if not column.is_number), labels[0] if labels else None)
    if label is None:
        return []
    chosen = with_columns("audio_csv", path, audio_column=(audio.name, "audio"), label_column=(label.name, "label"))
    chosen = (*chosen, *_audio_root(path, audio))
    what = f"recordings ({audio.name}) with a class each ({label.name})"
    fold = _named(columns, ("fold",))
    if fold is None or not fold.cells:
        return [Guess(what, chosen)]
    first = min(fold.cells, key=lambda cell: (len(cell), cell))
    named = () if fold.name == "fold" else (override("fold_column", fold.name),)
    test = f"dataset.test_fold={first}" if first.isdecimal() else override("test_fold", first)
    return [Guess(f"{what}, tested on fold {first}", (*chosen, *named, test))]


def _of_images(path: Path, columns: Sequence[Column], image: Column) -> list[Guess]:
    others = _others(columns, image)
    at = (image.name, "path")

    def tagging(column: Column) -> Guess:
        more = {"label_column": (column.name, "labels"), "label_separator": (column.separator or "|", "|")}
        what = f"images ({image.name}) with several tags each ({column.name})"
        return Guess(what, with_columns("image_tagging_csv", path, path_column=at, **more))

    def classes(column: Column) -> Guess:
        chosen = with_columns("image_csv", path, path_column=at, label_column=(column.name, "label"))
        return Guess(f"images ({image.name}) with a class each ({column.name})", chosen)

    def numbers(found: Sequence[Column]) -> Guess:
        names = [column.name for column in found]
        chosen = with_columns("image_regression_csv", path, path_column=at)
        what = f"images ({image.name}) with {_numbers(names)}"
        return Guess(what, (*chosen, override("target_columns", names)))

    tags = _named(others, TAG_COLUMNS)
    if tags is not None:
        return [tagging(tags)] if tags.separator else [tagging(tags), classes(tags)]
    label = _named(others, LABEL_COLUMNS)
    if label is not None and label.separator and not label.is_number:
        return [classes(label), tagging(label)]
    binary = [column for column in others if column.is_binary]
    if label is None and len(binary) > 1 and len(binary) == len(others):
        names = [column.name for column in binary]
        chosen = with_columns("image_tagging_csv", path, path_column=at)
        what = f"images ({image.name}) with a column of 0 and 1 for each tag ({listing(names)})"
        return [Guess(what, (*chosen, override("label_columns", names)))]
    return _classes_or_numbers(others, label, classes=classes, numbers=numbers)


def _of_texts(path: Path, columns: Sequence[Column], text: Column) -> list[Guess]:
    several = _pair(columns)
    name = listing([column.name for column in several] or [text.name])
    at = {} if several else {"text_column": (text.name, "text")}
    more = (override("text_column", [column.name for column in several]),) if several else ()

    def classes(column: Column) -> Guess:
        chosen = with_columns("text_csv", path, **at, label_column=(column.name, "label"))
        return Guess(f"texts ({name}) with a class each ({column.name})", (*chosen, *more))

    def numbers(found: Sequence[Column]) -> Guess:
        names = [column.name for column in found]
        chosen = with_columns("text_regression_csv", path, **at)
        targets = override("target_columns", names)
        return Guess(f"texts ({name}) with {_numbers(names)}", (*chosen, *more, targets))

    others = [column for column in _others(columns, text) if column not in several]
    return _classes_or_numbers(others, _named(others, LABEL_COLUMNS), classes=classes, numbers=numbers)


def _classes_or_numbers(
    others: Sequence[Column],
    label: Column | None,
    *,
    classes: Callable[[Column], Guess],
    numbers: Callable[[Sequence[Column]], Guess],
) -> list[Guess]:
    """Classification or regression. label: the column that is called so, if one is."""
    if label is not None:
        if label.is_number and not label.is_whole:
            return [numbers([label])]
        measured = label.is_whole and label.distinct > _MOST_CLASSES
        return [classes(label), numbers([label])] if measured else [classes(label)]
    measured_columns = [column for column in others if column.is_number and not column.is_binary]
    if not measured_columns:
        repeated = [column for column in others if column.cells and not column.is_varied]
        return [classes(repeated[0])] if len(repeated) == 1 else []
    few = [column for column in measured_columns if column.is_whole and column.distinct <= _MOST_CLASSES]
    if len(measured_columns) == 1 and few:
        return [classes(few[0]), numbers(few)]
    return [numbers(measured_columns)]


def _numbers(names: Sequence[str]) -> str:
    return f"a number each ({names[0]})" if len(names) == 1 else f"numbers each ({listing(names)})"


def _others(columns: Sequence[Column], content: Column) -> list[Column]:
    return [column for column in columns if column is not content and column.key not in _NO_TARGETS]


def _first(columns: Sequence[Column], fits: Callable[[Column], bool]) -> Column | None:
    return next((column for column in columns if fits(column)), None)


def _pair(columns: Sequence[Column]) -> list[Column]:
    """The two columns that make a text together; none where there is no such pair."""
    pair = next((pair for pair in _PAIRS if all(_named(columns, (name,)) for name in pair)), ())
    return [column for name in pair for column in columns if column.key == name]


def _named(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    """The column with the first of these names that there is."""
    return next((column for name in names for column in columns if column.key == name), None)
