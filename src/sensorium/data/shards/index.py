"""An index of shards: which members there are, where each lies, and which of them make a sample.

Read once from the heads of the tar archives and kept in SENSORIUM_CACHE/shard_index, as arrays: a member takes 30 bytes
and its name. Nothing is ever extracted. As webdataset has it, a sample is what follows one another under one key, the
path up to the first dot of the file's name; what is behind the dot is the field. S samples, M members.
"""

import json
import logging
import tarfile
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from sensorium.data.cache import Cache, Entry, key_of, packed_reasons, reasons
from sensorium.data.shards.addresses import Shard
from sensorium.data.shards.files import ShardFiles
from sensorium.data.shards.heads import DAMAGED, KEY, META, Heads, after, is_sparse, members, not_tar

INDEX = Cache("shard_index", content="indexes of shards")
_FORMAT = 2  # changes with what is taken for a sample, so that an index of before is made again
INDEX_LIMIT = 1 << 36  # bytes of all entries together
_ARRAYS = ("shard", "offset", "length", "field", "sample", "name_end", "kept_start")
_NARROW = ("shard", "field", "sample")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """M members of S samples, in the order of the shards.

    shard, field, sample: (M,) int32. offset, length: (M,) int64, where each lies. fields: what `field` counts in, such
    as "png". wrong: sample -> what is wrong with it. problems: of whole shards: which, and what. notes: lines worth
    telling. entry: its rows are the name of each member, which ends at name_end (M,), and its content from kept_start
    (M,) on, -1 where it is not kept.
    """

    shards: Sequence[Shard]
    shard: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    field: np.ndarray
    sample: np.ndarray
    fields: Sequence[str]
    wrong: dict[int, str]
    problems: Sequence[tuple[int, str]]
    notes: Sequence[str]
    name_end: np.ndarray
    kept_start: np.ndarray
    entry: Entry

    @property
    def num_samples(self) -> int:
        """S."""
        return int(self.sample[-1]) + 1 if len(self.sample) else 0

    def name(self, member: int) -> str:
        """SHARD/MEMBER."""
        end = int(self.name_end[member])
        start = self._end_of(member - 1) if member else 0
        name = self.entry.rows[start:end].tobytes().decode(errors="replace")
        return f"{self.shards[self.shard[member]].address}/{name}"

    def kept(self, member: int) -> bytes:
        """The content of a member of a field that is kept in the index."""
        start = int(self.kept_start[member])
        content = self.entry.rows[start : start + int(self.length[member])].tobytes()
        self.entry.touched(1, len(content))
        return content

    def _end_of(self, member: int) -> int:
        start = int(self.kept_start[member])
        return int(self.name_end[member]) if start < 0 else start + int(self.length[member])


def index_of(files: ShardFiles, *, keep: Collection[str]) -> Index:
    """The index, which is made first where the shards are new or changed. keep: fields whose content is kept in it."""

    def build(file: BinaryIO, _: int) -> dict[str, np.ndarray]:
        _log.info("indexing %s shards into %s", f"{len(files.shards):,}", INDEX.home)
        writer = _Writer(file, frozenset(keep))
        for number, shard in enumerate(files.shards):
            with files.opened(number) as content:
                writer.add(number, shard, content)
        return writer.facts()

    sources = (shard.source for shard in files.shards)
    entry = INDEX.entry(key_of([_FORMAT, sorted(keep)], sources), build, limit=INDEX_LIMIT)
    facts = dict(entry.facts)
    fields, problems, notes = json.loads(facts.pop("texts").tobytes())
    wrong = reasons(facts.pop("wrong"))
    return Index(
        shards=files.shards,
        entry=entry,
        fields=fields,
        wrong=wrong,
        problems=[(number, what) for number, what in problems],
        notes=notes,
        **{name: facts[name] for name in _ARRAYS},
    )


class _Writer:
    """Takes the shards one by one. file: gets of each member its name, and its content where that is kept."""

    def __init__(self, file: BinaryIO, keep: frozenset[str]) -> None:
        self._file, self._keep, self._written = file, keep, 0
        self._arrays = {
            name: array("q" if name in ("offset", "length", "name_end", "kept_start") else "i") for name in _ARRAYS
        }
        self._fields: dict[str, int] = {}
        self._wrong: dict[int, str] = {}
        self._problems: list[tuple[int, str]] = []
        self._notes: list[str] = []
        self._sample = -1

    def add(self, number: int, shard: Shard, content: BinaryIO) -> None:
        """A shard. What is wrong with it is kept as a problem."""
        before = self._sample
        if wrong := _no_archive(shard, content):
            self._problems.append((number, wrong))
            return
        self._key, self._seen = "", set[str]()
        self._here: set[str] = set()
        others: dict[str, int] = {}
        try:
            with tarfile.open(fileobj=Heads(content, shard.address), mode="r:") as archive:  # type: ignore[call-overload]
                for member in members(archive, shard.size):
                    if not member.isreg():
                        if not member.isdir():
                            others["links or devices"] = others.get("links or devices", 0) + 1
                    elif not META.match(member.name) and not self._member(number, member, content):
                        others["files without an extension"] = others.get("files without an extension", 0) + 1
                wrong = after(content, archive.offset, shard.size)
        except DAMAGED as error:
            wrong = not_tar(error)
        if wrong:
            where = f"in or after sample {self._key!r}" if self._sample > before else "before its first sample"
            self._problems.append((number, f"{wrong} {where}"))
        elif self._sample == before:
            self._problems.append((number, "a tar archive without a sample"))
        self._notes += [f"{shard.address}: not read: {count:,} {what}" for what, count in others.items()]

    def _member(self, number: int, member: tarfile.TarInfo, content: BinaryIO) -> bool:
        """Takes a member; returns whether its name is one of a sample."""
        found = KEY.match(member.name)
        if not found:
            return False
        key, field = found[1], found[2].lower()
        if key != self._key:
            self._sample += 1
            if key in self._seen:
                self._wrong[self._sample] = (
                    "its key is in the shard twice; the members of a sample must follow one another"
                )
            self._seen.add(key)
            self._key, self._here = key, set()
        if field in self._here:
            self._wrong[self._sample] = f"two members with the extension {field!r}"
        if key.startswith("/") or ".." in key.split("/"):
            self._wrong[self._sample] = "its name leads out of the archive"
        sparse = is_sparse(member)
        if sparse:
            self._wrong[self._sample] = f"its {field} is a sparse member; pack it without tar --sparse (-S)"
        size = 0 if sparse else member.size
        self._here.add(field)
        name = member.name.encode(errors="surrogateescape")
        kept = field in self._keep
        values = (number, member.offset_data, size, self._fields.setdefault(field, len(self._fields)))
        ends = (self._written + len(name), self._written + len(name) if kept else -1)
        for column, value in zip(_ARRAYS, (*values, self._sample, *ends), strict=True):
            self._arrays[column].append(value)
        self._write(name)
        if kept:
            place = content.tell()
            content.seek(member.offset_data)
            self._write(content.read(size))
            content.seek(place)
        return True

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._written += len(data)

    def facts(self) -> dict[str, np.ndarray]:
        """The arrays of an index."""
        texts: list[Any] = [list(self._fields), self._problems, self._notes]
        return {
            **{name: np.array(values) for name, values in self._arrays.items()},
            "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
            "wrong": packed_reasons(self._wrong),
        }


def _no_archive(shard: Shard, content: BinaryIO) -> str:
    """What a file without one member is instead of an archive; "" for one that may be one."""
    if not shard.size:
        return "the file is empty"
    packed = content.read(2) == b"\x1f\x8b"
    content.seek(0)
    return "a compressed archive, whatever it is called; unpack it to a plain .tar first" if packed else ""
