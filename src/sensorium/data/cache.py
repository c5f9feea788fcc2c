"""Image files decoded once, into a memory-mapped file of unsigned bytes that every later run reads.

An entry of SENSORIUM_CACHE/images holds

    pixels           (n, C, H, W) uint8, or uint16 with a pixel_range: the first n images; of a set that is too large,
                     the others are decoded at each read
    digests.npy      (N, 32) uint8: SHA-256 of each file's content
    facts.json       which files are unreadable, and why
    statistics.json  mean and deviation of the channels, over the rows they were last asked for
"""

import hashlib
import json
import logging
import mmap
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from sensorium.data.download import cache_folder
from sensorium.data.entries import file_facts, locked, make_room, map_pixels, new_entry
from sensorium.data.vision.store import ImageStore, channel_statistics
from sensorium.errors import RunError
from sensorium.files import replacing, write_json
from sensorium.specs import Resize
from sensorium.vision.decode import UnreadableImage, decode_image, read_bytes
from sensorium.vision.depth import PixelRange

_FORMAT = 1
_DIGEST_BYTES = 32
_SLACK = 1 << 14  # bytes set aside for the two small files
_CHUNK = 64  # images a thread decodes before it asks for more
_RESIDENT_BYTES = 1 << 28  # of the mapping, that may stay in a process before they are handed back
_FAULT_BYTES = 1 << 15  # what the system maps around a row, on average
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedImages:
    """The images of some files.

    store: row i is file i; an unreadable file has no meaningful pixels. digests: (N, 32) uint8, SHA-256 of each file's
    content. unreadable: row -> what is wrong. cached: how many images, from the first, need no decoding. folder: the
    entry, None when nothing is kept.
    """

    store: ImageStore
    digests: np.ndarray
    unreadable: dict[int, str]
    cached: int
    folder: Path | None

    def statistics(self, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel over these rows, worked out once and kept with the entry."""
        key = hashlib.sha256(rows.tobytes()).hexdigest()
        path = self.folder / "statistics.json" if self.folder else None
        if path and path.is_file():
            known = json.loads(path.read_text())
            if known["rows"] == key:
                return tuple(known["mean"]), tuple(known["std"])
        mean, std = channel_statistics(self.store.subset(rows))
        if path:
            with locked(path.parent.parent / "lock"):
                if path.parent.is_dir():
                    write_json(path, {"rows": key, "mean": mean, "std": std})
        return mean, std


def cached_images(
    files: Sequence[Path],
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
    anew when one of them changes. Of processes that start together one builds, the others wait for it.

    cache_bytes: what the entries of all datasets together may hold; the longest unused ones that nobody reads make
    room. 0 keeps nothing. Raises RunError when the folder cannot be written.
    """
    decoder = _Decoder(files, image_size=image_size, in_channels=in_channels, resize=resize, pixel_range=pixel_range)
    wanted = min(len(files), (cache_bytes - decoder.fixed_bytes) // decoder.row_bytes)
    if wanted <= 0:
        digests, unreadable = decoder.scan(lambda row, pixels: None)
        return CachedImages(_Pixels(decoder, None, 0), digests, unreadable, 0, None)
    home, key = cache_folder("images"), decoder.key(wanted)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / f"{key}.lock"):
            found = _open(home, key, decoder, cache_bytes)
            if found is None:
                _build(home, key, decoder, wanted, cache_bytes)
                found = _open(home, key, decoder, cache_bytes)
    except OSError as error:
        raise RunError(
            f"Cannot keep images in {home}: {error.strerror or error}.\n"
            "Set SENSORIUM_CACHE to a folder with room, or dataset.cache_bytes=0 to decode at each read."
        ) from error
    if found is None:
        raise RunError(f"What was just written to {home / key} is not there. Does something else clean up this folder?")
    return found


class _Decoder:
    """The files and how they are decoded."""

    def __init__(
        self,
        files: Sequence[Path],
        *,
        image_size: tuple[int, int],
        in_channels: int,
        resize: Resize,
        pixel_range: PixelRange | None,
    ) -> None:
        self.files, self.shape = files, (in_channels, *image_size)
        self.dtype = np.dtype(np.uint8 if pixel_range is None else np.uint16)
        self.row_bytes = in_channels * image_size[0] * image_size[1] * self.dtype.itemsize
        self.fixed_bytes = _SLACK + _DIGEST_BYTES * len(files)
        self._settings: dict[str, Any] = {"image_size": image_size, "in_channels": in_channels, "resize": resize}
        if pixel_range is not None:  # not in the key without one, so that entries of 8 bits stay what they were
            self._settings["pixel_range"] = pixel_range

    def key(self, wanted: int) -> str:
        # Pillow is in it because another version may decode to other pixels.
        settings = [_FORMAT, PIL.__version__, wanted, self._settings]
        hashed, here = hashlib.sha256(json.dumps(settings).encode()), str(Path.cwd())
        for path in self.files:
            place = os.path.join(here, path)  # noqa: PTH118 (half the time of a new Path)
            hashed.update(os.fsencode(f"\n{place}\n{file_facts(path)}"))
        return hashed.hexdigest()[:32]

    def decode(self, row: int) -> np.ndarray:
        return decode_image(self.files[row], **self._settings)

    def scan(self, keep: Callable[[int, np.ndarray], None]) -> tuple[np.ndarray, dict[int, str]]:
        """Decodes every file, in threads, handing (row, pixels) to `keep`; returns digests and unreadable rows."""
        digests = np.zeros((len(self.files), _DIGEST_BYTES), dtype=np.uint8)
        unreadable: dict[int, str] = {}

        def work(start: int) -> None:
            for row in range(start, min(start + _CHUNK, len(self.files))):
                try:
                    data = read_bytes(self.files[row])
                    digests[row] = np.frombuffer(hashlib.sha256(data).digest(), dtype=np.uint8)
                    keep(row, decode_image(BytesIO(data), **self._settings))
                except UnreadableImage as error:
                    unreadable[row] = error.what

        pool = ThreadPoolExecutor(min(32, os.cpu_count() or 1))
        try:
            said = time.monotonic()
            for done, _ in enumerate(pool.map(work, range(0, len(self.files), _CHUNK)), start=1):
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    _log.info("decoded %s of %s images", f"{done * _CHUNK:,}", f"{len(self.files):,}")
        finally:
            pool.shutdown(cancel_futures=True)
        return digests, dict(sorted(unreadable.items()))


class _Pixels(ImageStore):
    """The store over an entry: the first rows from the mapping, the others decoded."""

    def __init__(self, decoder: _Decoder, mapping: mmap.mmap | None, cached: int) -> None:
        self.shape, self.dtype = decoder.shape, decoder.dtype
        self._decoder, self._mapping, self._cached = decoder, mapping, cached
        buffer = np.frombuffer(mapping, self.dtype) if mapping else np.empty(0, self.dtype)
        self._pixels = buffer.reshape(cached, *self.shape)
        self._touched, self._lock = 0, threading.Lock()

    def __len__(self) -> int:
        return len(self._decoder.files)

    def read(self, rows: np.ndarray) -> np.ndarray:
        inside = rows < self._cached
        if inside.all():
            images = self._pixels.take(rows, axis=0)
        else:
            images = np.empty((len(rows), *self.shape), self.dtype)
            images[inside] = self._pixels[rows[inside]]
            for i in np.flatnonzero(~inside):
                images[i] = self._decoder.decode(int(rows[i]))
        self._hand_back(len(rows) * (self._decoder.row_bytes + _FAULT_BYTES))
        return images

    def _hand_back(self, touched: int) -> None:
        """Now and then lets go of the mapping's pages, which then count for the system's file cache alone."""
        if self._mapping is None or self._pixels.nbytes <= _RESIDENT_BYTES:
            return
        with self._lock:
            self._touched += touched
            if self._touched < _RESIDENT_BYTES:
                return
            self._touched = 0
        self._mapping.madvise(mmap.MADV_DONTNEED)


def _open(home: Path, key: str, decoder: _Decoder, cache_bytes: int) -> CachedImages | None:
    """The entry; None when there is none, or a damaged one."""
    entry = home / key
    with locked(home / "lock"):
        if not (entry / "facts.json").is_file():
            return None
        facts = json.loads((entry / "facts.json").read_text())
        cached, digests = facts["cached"], np.load(entry / "digests.npy")
        if (entry / "pixels").stat().st_size != cached * decoder.row_bytes:
            return None
        mapping = map_pixels(entry)
        os.utime(entry)  # the entry used last is removed last
        make_room(home, 0, cache_bytes)
    unreadable = {int(row): what for row, what in facts["unreadable"].items()}
    return CachedImages(_Pixels(decoder, mapping, cached), digests, unreadable, cached, entry)


def _build(home: Path, key: str, decoder: _Decoder, wanted: int, cache_bytes: int) -> None:
    fixed, row_bytes = decoder.fixed_bytes, decoder.row_bytes
    _log.info("decoding %s images into %s", f"{len(decoder.files):,}", home)
    with new_entry(home, key, limit=cache_bytes, fixed=fixed, row_bytes=row_bytes, rows=wanted) as (folder, room):
        with (folder / "pixels").open("r+b") as file:
            cached = os.fstat(file.fileno()).st_size // row_bytes

            def keep(row: int, pixels: np.ndarray) -> None:
                if row < cached:
                    # Written, not mapped: no pages in this process, and a full disk is an error instead of a signal.
                    os.pwrite(file.fileno(), pixels.data, row * row_bytes)

            digests, unreadable = decoder.scan(keep)
            # A long list of unreadable files needs room too: it takes that of the last images.
            words = max(0, 2 * len(json.dumps(unreadable)) - _SLACK // 2)
            cached = max(0, min(cached, (room - fixed - words) // row_bytes))
            file.truncate(cached * row_bytes)
            os.fsync(file.fileno())
        with replacing(folder / "digests.npy") as array:
            np.save(array, digests)
        write_json(folder / "facts.json", {"cached": cached, "unreadable": unreadable})
