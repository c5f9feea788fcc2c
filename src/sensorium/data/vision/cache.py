"""Image files decoded once, into a memory-mapped file that every later run reads.

An entry of SENSORIUM_CACHE/images keeps

    rows             (n, C, H, W) uint8, or uint16 with a pixel_range: the first n images; of a set that is too large,
                     the others are decoded at each read
    digests          (N, 32) uint8: SHA-256 of each file's content
    unreadable       which files are unreadable, and why
    statistics.json  mean and deviation of the channels, over the rows they were last asked for
"""

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL

from sensorium.data.cache import Cache, Entry, FixedRows, file_sources, key_of, packed_reasons, reasons
from sensorium.data.prefetch import in_chunks
from sensorium.data.rows import Source, Window
from sensorium.data.shards.index import INDEX, INDEX_LIMIT
from sensorium.data.shards.samples import Members
from sensorium.data.vision.store import channel_statistics
from sensorium.specs import Resize
from sensorium.vision.decode import UnreadableImage, decode_image, read_bytes
from sensorium.vision.depth import PixelRange

_IMAGES = Cache("images", content="images", instead="dataset.cache_bytes=0 to decode at each read")
_FORMAT = 2
_DIGEST_BYTES = 32
_CHUNK = 64  # images a thread decodes before it asks for more
_log = logging.getLogger(__name__)

Files = Sequence[Path] | Members
Statistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and standard deviation of each channel


@dataclass(frozen=True)
class CachedImages:
    """The images of some files.

    store: row i is file i; an unreadable file has no meaningful pixels. digests: (N, 32) uint8, SHA-256 of each file's
    content. unreadable: row -> what is wrong. cached: how many images, from the first, need no decoding. entry: None
    when nothing is kept.
    """

    store: Source
    digests: np.ndarray
    unreadable: dict[int, str]
    cached: int
    entry: Entry | None

    def statistics(self, rows: np.ndarray) -> Statistics:
        """Mean and deviation of each channel over these rows, worked out once and kept with the entry."""

        def work() -> Statistics:
            return channel_statistics(self.store.subset(rows))

        if self.entry is None:
            return work()
        mean, std = self.entry.worked_out("statistics", hashlib.sha256(rows.tobytes()).hexdigest(), work)
        return tuple(mean), tuple(std)


def cached_images(
    files: Files,
    *,
    image_size: tuple[int, int],
    in_channels: int,
    resize: Resize,
    pixel_range: PixelRange | None = None,
    cache_bytes: int,
) -> CachedImages:
    """The images of these files as (in_channels, *image_size), from the cache, which is filled first if needed; uint8,
    or uint16 with a pixel_range, as `decode_image` says.

    An entry belongs to the places, sizes and times of change of the files and to all settings, so that it is built
    again when one of them changes.

    cache_bytes: what the entries of all datasets together may hold; the longest unused ones that nobody reads make
    room. 0 keeps nothing. Raises RunError when the folder cannot be written.
    """
    decoder = _Decoder(files, image_size=image_size, in_channels=in_channels, resize=resize, pixel_range=pixel_range)
    wanted = FixedRows(len(files), decoder.row_bytes, _DIGEST_BYTES * len(files)).within(cache_bytes)
    if not wanted.count and not isinstance(files, Members):
        digests, unreadable = decoder.scan(lambda row, pixels: None)
        return CachedImages(_Pixels(decoder, None), digests, unreadable, 0, None)

    def build(file: BinaryIO, count: int) -> dict[str, np.ndarray]:
        _log.info("decoding %s images into %s", f"{len(files):,}", (_IMAGES if wanted.count else INDEX).home)

        def keep(row: int, pixels: np.ndarray) -> None:
            if row < count:
                # Written, not mapped: no pages in this process, and a full disk is an error instead of a signal.
                os.pwrite(file.fileno(), pixels.data, row * decoder.row_bytes)

        digests, unreadable = decoder.scan(keep)
        return {"digests": digests, "unreadable": packed_reasons(unreadable)}

    if not wanted.count:  # to read all shards takes long: what is known of their images is kept even so
        entry = INDEX.entry(decoder.key(0), build, limit=INDEX_LIMIT)
        facts = entry.facts
        return CachedImages(_Pixels(decoder, None), facts["digests"], reasons(facts["unreadable"]), 0, entry)
    entry = _IMAGES.entry(decoder.key(wanted.count), build, limit=cache_bytes, fixed=wanted)
    pixels = _Pixels(decoder, entry)
    return CachedImages(pixels, entry.facts["digests"], reasons(entry.facts["unreadable"]), pixels.cached, entry)


class _Decoder:
    """The files and how they are decoded."""

    def __init__(
        self,
        files: Files,
        *,
        image_size: tuple[int, int],
        in_channels: int,
        resize: Resize,
        pixel_range: PixelRange | None,
    ) -> None:
        self.files, self.shape = files, (in_channels, *image_size)
        self.dtype = np.dtype(np.uint8 if pixel_range is None else np.uint16)
        self.row_bytes = in_channels * image_size[0] * image_size[1] * self.dtype.itemsize
        self._settings: dict[str, Any] = {
            "image_size": image_size,
            "in_channels": in_channels,
            "resize": resize,
            "pixel_range": pixel_range,
        }

    def key(self, wanted: int) -> str:
        # Pillow is in it because another version may decode to other pixels.
        sources = self.files.sources() if isinstance(self.files, Members) else file_sources(self.files)
        return key_of([_FORMAT, PIL.__version__, wanted, self._settings], sources)

    def decode(self, row: int) -> np.ndarray:
        return decode_image(self.files[row], **self._settings)

    def scan(self, keep: Callable[[int, np.ndarray], None]) -> tuple[np.ndarray, dict[int, str]]:
        """Decodes every file, in threads, handing (row, pixels) to `keep`; returns digests and unreadable rows."""
        digests = np.zeros((len(self.files), _DIGEST_BYTES), dtype=np.uint8)
        unreadable: dict[int, str] = {}

        def work(rows: range) -> None:
            for row in rows:
                try:
                    data = read_bytes(self.files[row])
                    digests[row] = np.frombuffer(hashlib.sha256(data).digest(), dtype=np.uint8)
                    keep(row, decode_image(BytesIO(data), **self._settings))
                except UnreadableImage as error:
                    unreadable[row] = error.what

        threads = min(32, os.cpu_count() or 1)
        for _ in in_chunks(work, len(self.files), size=_CHUNK, threads=threads, what="images"):
            pass
        return digests, dict(sorted(unreadable.items()))


class _Pixels(Source):
    """The images of an entry: the first `cached` from the mapping, the others decoded. entry: None where all are."""

    def __init__(self, decoder: _Decoder, entry: Entry | None) -> None:
        self._decoder, self._entry, self.shape = decoder, entry, decoder.shape
        kept = entry.rows.view(decoder.dtype) if entry else np.empty(0, decoder.dtype)
        self._kept = kept.reshape(-1, *self.shape)
        self.cached = len(self._kept)

    def __len__(self) -> int:
        return len(self._decoder.files)

    @property
    def window(self) -> Window | None:
        return self._decoder.files.window if isinstance(self._decoder.files, Members) else None

    def read(self, rows: np.ndarray) -> np.ndarray:
        inside = rows < self.cached
        if inside.all():
            images = self._kept.take(rows, axis=0)
        else:
            images = np.empty((len(rows), *self.shape), dtype=self._kept.dtype)
            images[inside] = self._kept[rows[inside]]
            for i in np.flatnonzero(~inside):
                images[i] = self._decoder.decode(int(rows[i]))
        if self._entry:
            self._entry.touched(len(rows), self._decoder.row_bytes)
        return images
