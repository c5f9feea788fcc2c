"""Tar shards, by the first samples of the first of them: their extensions, and what their JSON has."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sensorium.cli.guess.base import Guess, command, override
from sensorium.data.shards.fields import (
    ANNOTATIONS,
    AUDIO_FIELDS,
    CLASS_FIELDS,
    IMAGE_FIELDS,
    MASK_FIELDS,
    RECORD_FIELDS,
    SOURCE_FIELDS,
    TAGS,
    TARGET_FIELDS,
    TARGETS,
    TEXT_FIELDS,
)
from sensorium.data.shards.heads import first_samples
from sensorium.errors import RequestError, listing
from sensorium.files import json_value, visible

_KINDS = {
    "image": set(IMAGE_FIELDS),
    "mask": set(MASK_FIELDS),
    "recording": set(AUDIO_FIELDS),
    "text": set(TEXT_FIELDS),
    "class": set(CLASS_FIELDS),
    "source": set(SOURCE_FIELDS),
    "target": set(TARGET_FIELDS),
}
_RECORDS = {TAGS: "tags", ANNOTATIONS: "boxes"}  # a list in their JSON
# What samples have: what they are called, and their dataset.
_DATASETS = (
    ({"image", "class"}, "images with a class each", "image_shards"),
    ({"image", "mask"}, "images with a mask each", "segmentation_shards"),
    ({"image", "tags"}, "images with tags", "image_tagging_shards"),
    ({"image", "numbers"}, "images with numbers", "image_regression_shards"),
    ({"image", "boxes"}, "images with boxes", "detection_shards"),
    ({"recording", "class"}, "recordings with a class each", "audio_shards"),
    ({"recording", "text"}, "recordings with transcripts", "speech_shards"),
    ({"text", "class"}, "texts with a class each", "text_shards"),
    ({"text", "numbers"}, "texts with numbers", "text_regression_shards"),
    ({"source", "target"}, "sentences with translations", "parallel_shards"),
    ({"text"}, "documents, for a language model", "document_shards"),
)


def of_folder(root: Path, splits: Iterable[Path]) -> list[Guess]:
    """A folder with .tar files in it, or in the folders of its splits; nothing for another. Raises RequestError where
    their members do not tell what they are.
    """
    if found := _tars(root):
        return of_shards(found[0], root)
    places = [folder for folder in splits if _tars(folder)]
    return of_shards(_tars(places[0])[0], places) if places else []


def of_shards(first: Path, root: Path | Sequence[Path]) -> list[Guess]:
    """What shards hold. first: the one that is looked at. Raises RequestError where it does not tell."""
    where = override("root", root if isinstance(root, Path) else [str(folder) for folder in root])
    samples = first_samples(first, keep=RECORD_FIELDS)
    numbered = any((first.parent / f"{TARGETS}{suffix}").is_file() for suffix in (".txt", ".json"))
    # Numbers that nothing lists may be what someone noted besides; where nothing else fits they are the targets.
    chosen = _fitting(samples, numbered=numbered) or _fitting(samples, numbered=True)
    if chosen:
        return [Guess(f"shards of {what}", (f"dataset={dataset}", where)) for what, dataset in chosen]
    fields = {field for sample in samples for field in sample}
    has = f"its samples have {listing(sorted(fields), limit=5)}" if fields else "no sample is found in it"
    raise RequestError(
        f"{first} does not tell what it is a shard of: {has}. Choose one of"
        f" {listing(one for *_, one in _DATASETS)}:\n{command(('dataset=..._shards', where))}"
    )


def _fitting(samples: Sequence[Mapping[str, bytes]], *, numbered: bool) -> list[tuple[str, str]]:
    """What most samples are, in words, and its dataset. Two that fit are two guesses, but for one that leaves out what
    the other one reads.
    """
    counts = Counter(kind for sample in samples for kind in _kinds(sample, numbered=numbered))
    kinds = {kind for kind, count in counts.items() if 2 * count > len(samples)}
    fits = [one for one in _DATASETS if one[0] <= kinds]
    if "recording" in kinds or "image" in kinds:
        fits = [one for one in fits if one[0] & {"recording", "image"}]
    return [(what, dataset) for has, what, dataset in fits if not any(has < other[0] for other in fits)]


def _kinds(sample: Mapping[str, bytes], *, numbered: bool) -> set[str]:
    """What a sample has. numbered: whether its JSON is taken for one of numbers to predict."""
    kinds = {kind for kind, names in _KINDS.items() if sample.keys() & names}
    for field in sample.keys() & set(RECORD_FIELDS):
        with suppress(ValueError):
            record = json_value(sample[field])
            if isinstance(record, dict):
                kinds |= {kind for key, kind in _RECORDS.items() if isinstance(record.get(key), list)}
                kinds |= {"numbers"} if numbered else set()
    return kinds


def _tars(folder: Path) -> list[Path]:
    there = (path for path in folder.iterdir() if path.suffix.lower() == ".tar" and visible(path.name))
    return sorted(path for path in there if path.is_file())
