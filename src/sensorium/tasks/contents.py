"""What `sensorium check` looks at, by modality: the three splits of a task's data as one `Contents`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from sensorium.audio.features import Features
from sensorium.audio.read import UnreadableAudio, probe
from sensorium.data.base import SPLITS, Data
from sensorium.files import is_file
from sensorium.inspection.contents import Contents, Table, split_numbers
from sensorium.inspection.images import ImageInputs
from sensorium.inspection.recordings import AudioInputs
from sensorium.inspection.texts import TextInputs, paragraphs
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import Tokenizer
from sensorium.vision.decode import UnreadableImage, probe_size

Cells = Callable[[int], Sequence[object]]  # row -> the cells of a table between the input and the split
_PIECE = 100_000  # tokens of running text that are decoded at once


def joined(data: Data) -> Any:
    """train, val and test as one split."""
    return data.train.joined([data.val, data.test])


def image_contents(data: Data, *, columns: Sequence[str] = (), cells: Cells | None = None, **facts: Any) -> Contents:
    """Contents of images. columns, cells: of the table that lists them, between path and split; without them there is
    no such table. facts: further fields.
    """
    whole = joined(data)
    splits = split_numbers(data)
    height, width = _image_sizes(whole)
    table = cells and partial(_table, "path", partial(_absolute, whole.names), columns, cells, splits)
    files = all(is_file(Path(name)) for name in whole.names[:3])
    return Contents(
        unit="image",
        names=whole.names,
        splits=splits,
        inputs=ImageInputs(whole.displayed, len(whole)),
        measures={"pixels of an image": height * width, "width / height": width / height},
        table=table if files else None,
        **facts if files or not cells else {**facts, "whynot": "these images are not files"},
    )


def text_contents(
    data: Data, texts: Sequence[str], *, columns: Sequence[str], cells: Cells, first: str = "text", **facts: Any
) -> Contents:
    """Contents of texts; as for images. first: the column of the text."""
    splits = split_numbers(data)
    return Contents(
        unit="text",
        names=joined(data).names,
        splits=splits,
        inputs=TextInputs(texts),
        table=partial(_table, first, texts.__getitem__, columns, cells, splits),
        **facts,
    )


def audio_contents(data: Data, *, columns: Sequence[str], cells: Cells, **facts: Any) -> Contents:
    """Contents of recordings; as for images."""
    whole = joined(data)
    splits = split_numbers(data)
    spec: Any = data.spec
    extract = Features(**{**spec.features, "normalise": "none"}).eval()

    def read(rows: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            found, lengths = extract(*whole.read(rows).inputs)
        return [spectrum[:length].numpy() for spectrum, length in zip(found, lengths.tolist(), strict=True)]

    def own_cells(row: int) -> Sequence[object]:
        return [*cells(row), whole.speakers[row]]

    whole_files = all(name == path for name, path in zip(whole.names, whole.paths, strict=True))
    listed = [*columns, "speaker"]
    return Contents(
        unit="recording",
        names=whole.names,
        splits=splits,
        inputs=AudioInputs(read, whole.durations),
        groups=whole.speakers,
        measures={"seconds": whole.durations},
        kinds={"sample rate in hertz": _rates(whole.paths)},
        table=partial(_table, "audio", partial(_absolute, whole.paths), listed, own_cells, splits)
        if whole_files
        else None,
        whynot="its recordings are not whole files",
        **facts,
    )


def running_contents(data: Data, *, unit: str = "paragraph") -> Contents:
    """Contents of running text: its paragraphs, as tokens write them."""
    tokenizer = tokenizer_from_dict(cast(dict[str, Any], data.spec.to_dict()["tokenizer"]))
    texts: list[str] = []
    splits: list[int] = []
    for number, split in enumerate(SPLITS):
        found = list(paragraphs(_decoded(getattr(data, split).tokens, tokenizer)))
        texts += found
        splits += [number] * len(found)
    return Contents(
        unit=unit,
        names=[f"{' '.join(text.split())[:60]!r}" for text in texts],
        splits=np.array(splits, dtype=np.int64),
        inputs=TextInputs(texts),
        measures={"characters of a paragraph": np.array([float(len(text)) for text in texts])},
        whynot="running text has no rows",
    )


def _decoded(tokens: np.ndarray, tokenizer: Tokenizer) -> Iterator[str]:
    for start in range(0, len(tokens), _PIECE):
        yield tokenizer.decode(tokens[start : start + _PIECE].tolist())


def _table(
    first: str,
    value: Callable[[int], object],
    columns: Sequence[str],
    cells: Cells,
    splits: np.ndarray,
    rows: np.ndarray,
) -> Table:
    """The rows of a table: input, targets, split."""
    lines = [[value(row), *cells(row), SPLITS[splits[row]]] for row in rows.tolist()]
    return [first, *columns, "split"], lines


def _absolute(names: Sequence[str], row: int) -> str:
    return str(Path(names[row]).absolute())


def _image_sizes(split: Any) -> tuple[np.ndarray, np.ndarray]:
    """Heights (N,) and widths (N,) of the files; NaN for what is none."""
    if hasattr(split, "sizes"):
        height, width = split.sizes.T.astype(np.float64)
        return height, width
    found = np.full((len(split), 2), np.nan)
    for row, name in enumerate(split.names):
        if is_file(Path(name)):
            with suppress(UnreadableImage, OSError), Path(name).open("rb") as head:
                found[row] = probe_size(head)
    return found[:, 0], found[:, 1]


def _rates(paths: Sequence[str]) -> np.ndarray:
    """(N,) int64 of the files; 0 for what is none."""
    known: dict[str, int] = {"": 0}
    for path in chain(paths):
        if path not in known:
            known[path] = 0
            with suppress(UnreadableAudio, OSError):
                known[path] = probe(path).sample_rate
    return np.array([known[path] for path in paths], dtype=np.int64)
