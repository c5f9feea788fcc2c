"""Tar shards, as webdataset and dataset=image_shards, text_shards, segmentation_shards ... read them, from any dataset.

Usage: python scripts/make_shards.py FOLDER [key=value ...] [--mb 100 | --examples 1000] [--keep-order]

    python scripts/make_shards.py shards dataset=image_folder dataset.root=photos --mb 200
    sensorium train dataset=image_shards dataset.root=shards

Overrides are those of `sensorium train`; the splits of the dataset become shards train-000000.tar, val-000000.tar and
so on, the class names classes.txt and the names of numbers targets.txt (.json where a line cannot hold one). Image and
audio files are copied as they are; images and recordings that are no files of their own become PNG and WAV, masks PNG.
FOLDER must not exist; it is there when all of it is written, and not before.
"""

import argparse
import io
import json
import math
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from sensorium.build import load_data
from sensorium.cli import app
from sensorium.data.audio.splits import AudioSplit, SpeechSplit
from sensorium.data.audio.store import packed
from sensorium.data.base import SPLITS, Data, counted
from sensorium.data.shards.fields import ANNOTATIONS, CLASSES, TAGS, TARGETS
from sensorium.data.shards.samples import names_of
from sensorium.data.text.splits import LanguageSplit, TextRegressionSplit, TextSplit, TranslationSplit
from sensorium.data.vision.scenes import DetectionSplit, MaskSplit
from sensorium.data.vision.splits import ImageColumns, ImageRegressionSplit, ImageSplit, TagSplit
from sensorium.errors import LAYOUT, RequestError, RunError, SensoriumError, cut, printable, unwritable
from sensorium.randomness import generator
from sensorium.run_config import RunConfig
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import UNK
from sensorium.vision.palette import voc_palette

Fields = dict[str, bytes]  # extension -> content
Part = Callable[[Any, Data, int], Fields]  # of a row of a split
Samples = Callable[[np.ndarray], Iterator[Fields]]  # of rows
_DOCUMENT = 1 << 14  # tokens of running text that make a sample, and on to the end of the line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="where the shards go; it must not exist")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="as for sensorium train; dataset=... at least"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--mb", type=float, default=100, help="megabytes of a shard, about (default: 100)")
    size.add_argument("--examples", type=int, help="examples of a shard, instead")
    parser.add_argument(
        "--keep-order",
        action="store_true",
        help="examples of train in the order of the dataset; they are shuffled once otherwise, so that a shard of a"
        " dataset that is sorted by class has all classes",
    )
    arguments = parser.parse_args()
    try:
        counts = make(
            arguments.folder,
            arguments.overrides,
            shard_bytes=arguments.mb * 1e6 if arguments.examples is None else None,
            examples=arguments.examples,
            keep_order=arguments.keep_order,
        )
    except SensoriumError as error:
        print(f"make_shards: {printable(str(error), keep=LAYOUT)}", file=sys.stderr)
        sys.exit(error.exit_status)
    for split, (samples, shards) in counts.items():
        print(f"{split}: {counted(samples, 'sample')} in {counted(shards, 'shard')}")
    print(f"{arguments.folder}")


def make(
    folder: Path, overrides: list[str], *, shard_bytes: float | None, examples: int | None, keep_order: bool
) -> dict[str, tuple[int, int]]:
    """Writes the shards; returns samples and shards of each split. Raises RequestError for what cannot be."""
    if str(folder).startswith("dataset="):
        raise RequestError(f"The folder comes first: python scripts/make_shards.py FOLDER {cut(folder)}")
    size = shard_bytes if examples is None else examples
    if size is None or not 1 <= size < math.inf:
        raise RequestError("A shard needs a size: give --mb or --examples above 0.")
    if os.path.lexists(folder):  # a link that leads nowhere too
        raise RequestError(f"{folder} is there already; nothing is overwritten. Name another folder.")
    if not any(override.startswith("dataset=") for override in overrides):
        raise RequestError("Shards of which dataset? Give dataset=NAME and its keys, as for sensorium train.")
    config = app.composed("train", overrides)
    app.check("train", config)
    settings = RunConfig.from_dict(config)
    data = load_data(settings.dataset, on_bad=settings.on_bad)
    try:
        return _written(folder, data, shard_bytes, examples, keep_order=keep_order)
    except OSError as error:
        raise unwritable(str(cut(folder)), error) from error


def _written(
    folder: Path, data: Data, shard_bytes: float | None, examples: int | None, *, keep_order: bool
) -> dict[str, tuple[int, int]]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        counts = {}
        for name in SPLITS:
            split = getattr(data, name)
            rows = np.arange(len(split))
            if name == "train" and not keep_order and not isinstance(split, LanguageSplit):
                rows = generator(0).permutation(len(split))
            counts[name] = write_split(draft, name, fields_of(split, data)(rows), shard_bytes, examples)
        for of, key in ((CLASSES, "class_names"), (TARGETS, "target_names")):
            if hasattr(data.spec, key):
                write_names(draft, of, list(getattr(data.spec, key)))
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return counts


def write_names(folder: Path, of: str, names: list[str]) -> None:
    """As OF.txt, a name a line; as OF.json where that would be read as other names. of: classes or targets."""
    content = "".join(f"{name}\n" for name in names).encode(errors="surrogateescape")
    try:
        plain = names_of(f"{of}.txt", content) == names
    except RequestError:
        plain = False
    if plain:
        (folder / f"{of}.txt").write_bytes(content)
    else:
        (folder / f"{of}.json").write_text(json.dumps(names) + "\n", encoding="ascii")


def write_split(
    folder: Path, split: str, samples: Iterator[Fields], shard_bytes: float | None, examples: int | None
) -> tuple[int, int]:
    """The samples in shards, a new one where the last is full; returns how many of both."""
    shards = count = inside = 0
    archive: tarfile.TarFile | None = None
    for count, fields in enumerate(samples, start=1):
        full = archive is not None and (inside >= examples if examples else archive.offset >= (shard_bytes or 0))
        if archive is None or full:
            if archive is not None:
                archive.close()
            archive = tarfile.open(folder / f"{split}-{shards:06d}.tar", "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            shards, inside = shards + 1, 0
        inside += 1
        for extension, content in fields.items():
            member = tarfile.TarInfo(f"{count - 1:09d}.{extension}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        archive.members = []  # it would grow with the archive
    if archive is not None:
        archive.close()
    return count, shards


def fields_of(split: Any, data: Data) -> Samples:
    """What makes samples of rows of a split. Raises RequestError for one that shards are not read for."""
    makers: dict[type, Callable[..., Samples]] = {
        ImageSplit: partial(each, image, label),
        TagSplit: partial(each, image, tags),
        ImageRegressionSplit: partial(each, image, numbers),
        DetectionSplit: partial(each, scene, boxes),
        MaskSplit: partial(each, scene, mask),
        TextSplit: partial(each, text, label),
        TextRegressionSplit: partial(each, text, numbers),
        TranslationSplit: partial(each, source, translation),
        AudioSplit: partial(each, recording, label),
        SpeechSplit: partial(each, recording, transcript),
        LanguageSplit: documents,
    }
    if type(split) not in makers:
        raise RequestError(
            f"Shards are made of what Sensorium's own datasets give; this one has a {type(split).__name__}."
        )
    return makers[type(split)](split, data)


def each(given: Part, target: Part, split: Any, data: Data) -> Samples:
    """Samples of what a model is given, and of what it is to predict."""
    return lambda rows: ({**given(split, data, row), **target(split, data, row)} for row in rows.tolist())


def image(split: ImageColumns, data: Data, row: int) -> Fields:
    """An image file as it is, else PNG."""
    found = original(split.names[row])
    if found is not None:
        return found
    pixels = split.displayed(np.array([row]))[0]
    return {"png": png(Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)))}


def scene(split: DetectionSplit | MaskSplit, data: Data, row: int) -> Fields:
    """An image of the size that its boxes or its mask are for. Raises RequestError where there is none."""
    if original(split.names[row]) is None and tuple(split.sizes[row].tolist()) != split.image_size:
        raise RequestError(
            "The images are no files, and dataset.image_size brings them to another size than their boxes or masks.\n"
            "Leave it at null here; a training on the shards may set it."
        )
    return image(split, data, row)


def boxes(split: DetectionSplit, data: Data, row: int) -> Fields:
    """The boxes of an image in COCO's format, and the size of the image that they are for."""
    height, width = split.sizes[row].tolist()
    names = data.spec.class_names  # type: ignore[attr-defined]
    found = [
        {"bbox": [left, top, right - left, bottom - top], "category": names[label], "iscrowd": int(difficult)}
        for (left, top, right, bottom), label, difficult in zip(
            split.boxes[row].tolist(), split.labels[row].tolist(), split.difficult[row].tolist(), strict=True
        )
    ]
    return record({"width": width, "height": height, ANNOTATIONS: found})


def mask(split: MaskSplit, data: Data, row: int) -> Fields:
    """The numbers of the classes, with their colors; 255 for void."""
    found = Image.fromarray(split.read_masks(np.array([row]))[0])
    colors = list(data.spec.palette)  # type: ignore[attr-defined]
    found.putpalette([*colors, *voc_palette(256)[len(colors) :]])
    return {"mask.png": png(found)}


def tags(split: TagSplit, data: Data, row: int) -> Fields:
    """The names of the tags of an image."""
    names = data.spec.class_names  # type: ignore[attr-defined]
    return record({TAGS: [names[tag] for tag in np.flatnonzero(split.targets[row]).tolist()]})


def numbers(split: ImageRegressionSplit | TextRegressionSplit, data: Data, row: int) -> Fields:
    """The numbers of an example by name."""
    return record(dict(zip(data.spec.target_names, split.targets[row].tolist(), strict=True)))  # type: ignore[attr-defined]


def record(content: dict[str, Any]) -> Fields:
    """An object in JSON."""
    return {"json": json.dumps(content).encode()}


def png(picture: Image.Image) -> bytes:
    """The content of an image file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def text(split: TextSplit, data: Data, row: int) -> Fields:
    """A text as it was written."""
    return {"txt": split.texts[row].encode()}


def source(split: TranslationSplit, data: Data, row: int) -> Fields:
    """A sentence as it was written."""
    return {"source.txt": split.source_texts[row].encode()}


def translation(split: TranslationSplit, data: Data, row: int) -> Fields:
    """Its translation."""
    return {"target.txt": split.references[row].encode()}


def recording(split: AudioSplit | SpeechSplit, data: Data, row: int) -> Fields:
    """An audio file as it is, else WAV: of 16 bits where these say all, of 32 otherwise."""
    if split.audio.shape:
        raise RequestError("dataset.cache=features keeps no samples to write. Set dataset.cache=samples.")
    found = original(split.names[row]) if split.names[row] == split.paths[row] else None
    if found is not None:
        return found
    buffer = io.BytesIO()
    samples = packed(split.audio.read(np.array([row]))[0])
    kind = "PCM_16" if samples.dtype == np.int16 else "FLOAT"
    rate = int(data.spec.features["sample_rate"])  # type: ignore[attr-defined]
    soundfile.write(buffer, samples, rate, format="WAV", subtype=kind)
    return {"wav": buffer.getvalue()}


def transcript(split: SpeechSplit, data: Data, row: int) -> Fields:
    """What is said in a recording."""
    return {"txt": split.texts[row].encode()}


def label(split: Any, data: Data, row: int) -> Fields:
    """The number of a class."""
    return {"cls": str(int(split.labels[row])).encode()}


def documents(split: LanguageSplit, data: Data) -> Samples:
    """Running text cut at line ends. Raises RequestError where tokens do not say all of it."""
    tokenizer = tokenizer_from_dict(data.spec.tokenizer)  # type: ignore[attr-defined]
    if (split.tokens == UNK).any():
        raise RequestError("The text has unknown tokens, which would be lost. Set dataset.min_count=1 and vocab_size.")

    def samples(_: np.ndarray) -> Iterator[Fields]:
        held = ""
        for start in range(0, len(split.tokens), _DOCUMENT):
            held += tokenizer.decode(split.tokens[start : start + _DOCUMENT].tolist())
            whole = held.rfind("\n") + 1
            if whole:
                yield {"txt": held[:whole].encode()}
                held = held[whole:]
        if held:
            yield {"txt": held.encode()}

    return samples


def original(name: str) -> Fields | None:
    """A file as it is; None where the name is none of a file."""
    path = Path(name)
    if not path.suffix or not os.path.isfile(path):  # noqa: PTH113
        return None
    try:
        return {path.suffix[1:].lower(): path.read_bytes()}
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error


if __name__ == "__main__":
    main()
