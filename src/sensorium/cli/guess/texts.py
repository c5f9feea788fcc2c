"""Running text, and sentences with their translations."""

from collections.abc import Sequence
from pathlib import Path

from sensorium.cli.guess.base import Guess, override
from sensorium.cli.guess.columns import Column, columns_of, read_rows
from sensorium.errors import RequestError, listing
from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES
from sensorium.text.languages import is_header, names_language

PARTS = {"val": ("val", "valid", "validation", "dev"), "test": ("test",)}
_DIRECTIONS = (("src", "tgt"), ("src", "trg"), ("source", "target"))
_NO_LANGUAGES = (*IMAGE_SUFFIXES, *AUDIO_SUFFIXES, ".txt", ".csv", ".json", ".xml", ".yaml", ".zip", ".md", ".py")
OUTER = "translation."  # before the languages in rows of the Hugging Face Hub
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
    """A file of two sentences a line with a tab between them (Tatoeba's); others have nothing.

    Raises RequestError when the first line looks like names, which are neither of languages nor source and target.
    """
    rows = read_rows(path)
    if not rows or min(len(row) for row in rows) < 2:
        return []
    names = [str(number) for number in range(2)]
    if not all(column.is_varied and column.words >= _WORDS for column in columns_of(names, rows)):
        return []
    if is_header(rows[0][:2]):
        what = f"sentences ({rows[0][0]}) and their translations ({rows[0][1]})"
        return [Guess(what, ("dataset=parallel_tsv", override("path", path)))]
    if len(rows) > 1 and all(len(cell.split()) == 1 and cell.isalpha() for cell in rows[0][:2]):
        raise RequestError(
            f"{path} looks like sentences and their translations, maybe below a line of names"
            f" ({', '.join(rows[0][:2])}). Say which:\nsensorium train dataset=parallel_tsv {override('path', path)}"
            " dataset.header=true, or false"
        )
    return [Guess("sentences and their translations", ("dataset=parallel_tsv", override("path", path)))]


def of_named_pairs(path: Path, columns: Sequence[Column]) -> list[Guess]:
    """A table with columns that are called by their languages, or source and target; or with an object `translation` of
    these. Both directions are likely, where names do not tell.
    """
    names = [column.name.removeprefix(OUTER) for column in columns if column.is_varied]
    chosen = [name for name in names if is_header([name])]
    if len(chosen) != 2:
        return []
    directions = [pair for pair in _DIRECTIONS if set(pair) == {name.lower() for name in chosen}]
    ordered = [chosen if chosen[0].lower() == pair[0] else chosen[::-1] for pair in directions]
    return [
        Guess(
            f"sentences ({source}) and their translations ({target})",
            ("dataset=parallel_table", override("path", path), override("source", source), override("target", target)),
        )
        for source, target in ordered or (chosen, chosen[::-1])
    ]


def parallel_files(root: Path) -> list[Guess]:
    """A folder with two files of sentences, line by line: train.en and train.de. Names do not tell which of the two is
    the source, unless they are src and tgt: both directions are likely. Raises RequestError for three languages.
    """
    endings: dict[str, set[str]] = {}
    for path in root.iterdir():
        name = path.name.removesuffix(".gz")
        stem, dot, ending = name.rpartition(".")
        if dot and stem and path.is_file() and ending.isalpha() and f".{ending.lower()}" not in _NO_LANGUAGES:
            endings.setdefault(stem, set()).add(ending)
    pairs = {stem: found for stem, found in endings.items() if len(found) == 2}
    several = next((stem for stem in endings if stem.lower().startswith("train") and len(endings[stem]) > 2), None)
    if several is not None and all(names_language(ending) for ending in endings[several]):
        first, second, *_ = sorted(endings[several])
        raise RequestError(
            f"{root} has sentences in {listing(sorted(endings[several]))}. Name two, and set dataset.val, dataset.test"
            f" accordingly:\nsensorium train dataset=parallel_text {override('train', root / several)}"
            f" {override('source', first)} {override('target', second)}"
        )
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
