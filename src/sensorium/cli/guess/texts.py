"""Running text, and sentences with their translations."""

from pathlib import Path

from sensorium.cli.guess.base import Guess, override
from sensorium.cli.guess.columns import columns_of, read_rows
from sensorium.errors import RequestError
from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

PARTS = {"val": ("val", "valid", "validation", "dev"), "test": ("test",)}
_DIRECTIONS = (("src", "tgt"), ("src", "trg"), ("source", "target"))
_NO_LANGUAGES = (*IMAGE_SUFFIXES, *AUDIO_SUFFIXES, ".txt", ".csv", ".json", ".xml", ".yaml", ".zip", ".md", ".py")
_WORDS = 1.5  # of a sentence, on average of a file


def of_file(path: Path) -> Guess:
    """A .txt file: pairs of sentences, when every line has a tab, else running text."""
    return next(iter(of_pairs(path)), Guess("running text, for a language model", _running(path)))


def _running(path: Path) -> tuple[str, ...]:
    return ("dataset=text_file", override("path", path))


def of_folder(root: Path) -> list[Guess]:
    """A folder of .txt files that has no folders."""
    if any(path.suffix.lower() == ".txt" for path in root.iterdir()):
        return [Guess("running text in several files, for a language model", _running(root))]
    return []


def of_pairs(path: Path) -> list[Guess]:
    """A file of two sentences a line with a tab between them and no names of columns (Tatoeba's); others have nothing.

    Raises RequestError when the first line does look like names, which would be read as a pair.
    """
    rows = read_rows(path)
    if not rows or min(len(row) for row in rows) < 2:
        return []
    names = [str(number) for number in range(2)]
    if not all(column.is_varied and column.words >= _WORDS for column in columns_of(names, rows)):
        return []
    if len(rows) > 1 and all(len(cell.split()) == 1 and cell.isalpha() for cell in rows[0][:2]):
        raise RequestError(
            f"{path} looks like sentences and their translations, below a line with the names {' and '.join(rows[0])}."
            f"\nRemove that line, which would be read as a pair; then: sensorium train {path}"
        )
    return [Guess("sentences and their translations", ("dataset=parallel_tsv", override("path", path)))]


def parallel_files(root: Path) -> list[Guess]:
    """A folder with two files of sentences, line by line: train.en and train.de. Names do not tell which of the two is
    the source, unless they are src and tgt: both directions are likely.
    """
    endings: dict[str, set[str]] = {}
    for path in root.iterdir():
        name = path.name.removesuffix(".gz")
        stem, dot, ending = name.rpartition(".")
        if dot and stem and path.is_file() and ending.isalpha() and f".{ending.lower()}" not in _NO_LANGUAGES:
            endings.setdefault(stem, set()).add(ending)
    pairs = {stem: found for stem, found in endings.items() if len(found) == 2}
    train = next((stem for stem in pairs if stem.lower().startswith("train")), None)
    if train is None and len(pairs) == 1:
        train = next(iter(pairs))
    if train is None:
        return []
    files = [override("train", root / train)]
    for part, names in PARTS.items():
        there = [stem for stem in pairs if stem.lower().startswith(names) and pairs[stem] == pairs[train]]
        files += [override(part, root / stem) for stem in there[:1]]
    first, second = sorted(pairs[train])
    named = [pair for pair in _DIRECTIONS if set(pair) == pairs[train]]
    return [
        Guess(
            f"sentences ({source}) and their translations ({target}), line by line",
            ("dataset=parallel_text", *files, override("source", source), override("target", target)),
        )
        for source, target in named or [(second, first), (first, second)]
    ]
