"""Samples of shards as examples: the member that a model is given, its label, and how messages name it."""

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np

from sensorium.data.base import Problem
from sensorium.data.cache import key_of
from sensorium.data.io.text_files import NotText, decoded, wrong_bytes
from sensorium.data.listing import Listing
from sensorium.data.rows import Window
from sensorium.data.settings import Settings
from sensorium.data.shards.addresses import beside, find_shards, missing_numbers
from sensorium.data.shards.fields import CLASSES, TARGETS
from sensorium.data.shards.files import ShardFiles
from sensorium.data.shards.index import INDEX, INDEX_LIMIT, Index, index_of
from sensorium.data.strings import Places
from sensorium.errors import RequestError, cut, listing, nearest
from sensorium.files import json_value
from sensorium.text.tokenizer import stripped

_DIGITS = 12  # of the number of a class
_LISTED = {CLASSES: ("class", "number from 0 on"), TARGETS: ("target", "number in KEY.json")}


@dataclass(frozen=True, kw_only=True)
class ShardSettings(Settings):
    """root: a folder of shards, a pattern, an address, or a list of these. shard_bytes: disk that fetched shards of
    all datasets together may take. shuffle_window: examples that are shuffled together, so that few shards are read at
    a time; None for all.
    """

    root: str | Sequence[str] | None
    shard_bytes: int
    shuffle_window: int | None

    def check(self) -> None:
        super().check()
        for key in ("shard_bytes", "shuffle_window"):
            value = getattr(self, key)
            if value is None and key == "shuffle_window":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise RequestError(f"dataset.{key}={value}: give a whole number, 1 or more.")

    def shards(self, *, keep: Collection[str]) -> "Shards":
        """The shards, indexed. keep: fields whose content is needed at every start."""
        found = find_shards(self.root)
        total = sum(shard.size for shard in found if shard.files is not None)
        if self.shuffle_window is None and total > self.shard_bytes:
            raise RequestError(
                f"The shards have {total:,} bytes, dataset.shard_bytes={self.shard_bytes} keeps fewer, and a shuffle of"
                " all examples would fetch them again and again.\nSet dataset.shuffle_window to the examples of a few"
                " shards, such as 10000, or give dataset.shard_bytes more."
            )
        files = ShardFiles(found, limit=self.shard_bytes)
        return Shards(_shown(self.root), files, index_of(files, keep=keep), self.shuffle_window)


def _shown(root: str | Sequence[str] | None) -> str:
    return cut(root if isinstance(root, str) else " ".join(map(str, root or ())))


class Shards:
    """Opened shards. source: how messages call them."""

    def __init__(self, source: str, files: ShardFiles, index: Index, window: int | None) -> None:
        self.source, self.files, self.index, self.window = source, files, index, window

    def read(self, member: int) -> bytes:
        """The content of a member."""
        index = self.index
        return self.files.read(int(index.shard[member]), int(index.offset[member]), int(index.length[member]))

    def split_of(self, member: int) -> str:
        """train, val, test, or "" where the name of the shard does not say."""
        return self.files.shards[self.index.shard[member]].split

    def with_field(self, fields: Collection[str]) -> np.ndarray:
        """(S,) int64: the member of each sample whose extension is one of these; -1 for none, -2 for several."""
        index = self.index
        codes = [code for code, field in enumerate(index.fields) if field in fields]
        members = np.flatnonzero(np.isin(index.field, codes))
        found = np.full(index.num_samples, -1, np.int64)
        found[index.sample[members]] = members
        found[np.bincount(index.sample[members], minlength=index.num_samples) > 1] = -2
        return found

    def fields_of(self, sample: int) -> list[str]:
        """The extensions of a sample."""
        members = slice(*np.searchsorted(self.index.sample, [sample, sample + 1]).tolist())
        return [self.index.fields[code] for code in self.index.field[members].tolist()]

    def samples(self, found: Listing, *wanted: tuple[str, Collection[str]]) -> Iterator[tuple[int, ...]]:
        """The members of each sample that has all that is wanted, one each; what is wrong goes to `found`.

        wanted: what messages call it, and its extensions.
        """
        index = self.index
        found.notes += [*index.notes, *missing_numbers([shard.address for shard in index.shards])]
        found.problems += [Problem(index.shards[number].address, what) for number, what in index.problems]
        found.given |= {shard.split or "train" for shard in index.shards}
        firsts = np.searchsorted(index.sample, np.arange(index.num_samples))
        columns = [self.with_field(fields).tolist() for _, fields in wanted]
        for sample, members in enumerate(zip(*columns, strict=True)):
            wrong = index.wrong.get(sample) or self._lacks(sample, members, wanted)
            if wrong:
                name = index.name(int(firsts[sample]))
                found.problems.append(Problem(_without_fields(name), wrong))
            else:
                yield members

    def _lacks(self, sample: int, members: Sequence[int], wanted: Sequence[tuple[str, Collection[str]]]) -> str:
        for member, (what, fields) in zip(members, wanted, strict=True):
            if member == -1:
                there = listing(self.fields_of(sample), limit=5)
                return f"no {what} ({listing([f'.{field}' for field in fields], limit=4)}); it has {there}"
            if member == -2:
                there = listing([field for field in self.fields_of(sample) if field in fields])
                return f"more than one {what}: {there}"
        return ""

    def names(self, of: str = CLASSES) -> list[str] | None:
        """Those of classes.txt, a name a line, or classes.json, a list, beside the first shard; None without either.

        of: classes or targets.
        """
        for file in (f"{of}.txt", f"{of}.json"):
            content = beside(self.files.shards[0], file)
            if content is not None:
                return names_of(file, content)
        return None


def _without_fields(name: str) -> str:
    """SHARD/KEY of SHARD/KEY.png."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}"


def names_of(file: str, content: bytes) -> list[str]:
    """What classes.txt or classes.json says, or targets.txt or targets.json. Raises RequestError."""
    what, of = _LISTED[file.partition(".")[0]]
    try:
        text = content.decode("utf-8-sig")
        # At line feeds alone: other separators of lines may be part of a name.
        names = json_value(text) if file.endswith(".json") else [line.strip() for line in text.split("\n")]
    except ValueError as error:
        raise RequestError(f"{file} beside the shards is not read: {error}.") from error
    while isinstance(names, list) and names and names[-1] == "":
        names.pop()
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise RequestError(f"{file} beside the shards must list {what} names, one for each {of}.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(f"{file} beside the shards has the {what} {twice!r} twice.")
    return names


def text_of(data: bytes) -> str:
    """The text of a member, by the rules for text files. Raises ValueError that says what is wrong."""
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        pass  # UTF-16 with its mark, or what is wrong
    try:
        with decoded(BytesIO(data), None, key=None) as text:
            value, name = text.read(), text.encoding
    except NotText as error:
        raise ValueError(" ".join(str(error).removeprefix("standard input ").splitlines())) from None
    except UnicodeError as error:
        raise ValueError(f"cannot be decoded ({error})") from None
    if wrong := wrong_bytes(value, encoding=name, key=None):
        raise ValueError(wrong)
    return value


class Labels:
    """From what is in a .cls member to the name of a class. names: those there are; None takes what is written."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names
        self._known: dict[bytes, str] = {}

    def of(self, data: bytes) -> str:
        """Raises ValueError that says what is wrong with it."""
        if data not in self._known:
            self._known[data] = self._read(data)
        return self._known[data]

    def _read(self, data: bytes) -> str:
        label = stripped(text_of(data))
        if not label:
            raise ValueError("no label")
        if self._names is None or (label in self._names and not label.isdecimal()):
            return label
        count = len(self._names)
        if label.isdecimal() and label.isascii():
            digits = label.lstrip("0") or "0"
            if len(digits) < _DIGITS and int(digits) < count:
                return self._names[int(digits)]
            raise ValueError(f"label {cut(label)}, but there are {count} classes, 0 to {count - 1}")
        raise ValueError(f"label {not_listed(label, self._names)}")


def not_listed(name: str, names: Sequence[str]) -> str:
    """What is wrong with a name that is not among those of the classes."""
    guess = nearest(name, names)
    return f"{cut(name)!r} is none of the classes{f'; the nearest is {guess!r}' if guess else ''}"


class Member(BytesIO):
    """The content of a member, as a file in memory. name: for messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class Members(Sequence[Member]):
    """Members of shards as files, read when asked for. members: (N,) int64."""

    def __init__(self, shards: Shards, members: np.ndarray) -> None:
        self._shards, self.members = shards, members

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, row: int) -> Member:  # type: ignore[override]
        member = int(self.members[row])
        return Member(self._shards.read(member), self._shards.index.name(member))

    def subset(self, rows: np.ndarray) -> "Members":
        """These alone, in this order."""
        return Members(self._shards, self.members[rows])

    def sources(self) -> Iterator[bytes]:
        """What says that all are still the same."""
        yield from (shard.source for shard in self._shards.files.shards)
        yield self.members.tobytes()

    def worked_out(self, settings: Any, work: Callable[[], dict[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
        """What `work` finds in their content, kept with the indexes: to read all shards takes long. settings: all that
        it depends on besides, as JSON can hold it.
        """
        return INDEX.entry(key_of(settings, self.sources()), lambda *_: work(), limit=INDEX_LIMIT).facts

    @property
    def window(self) -> Window | None:
        """How they are shuffled, where not all together."""
        if self._shards.window is None:
            return None
        return Window(self._shards.window, self._shards.index.shard[self.members])


class MemberPlaces(Places):
    """SHARD/MEMBER of each of N examples. members: (N,) int64."""

    def __init__(self, index: Index, members: np.ndarray) -> None:
        self._index, self._members = index, members

    def __len__(self) -> int:
        return len(self._members)

    def at(self, row: int) -> str:
        return self._index.name(int(self._members[row]))

    def subset(self, rows: np.ndarray) -> "MemberPlaces":
        return MemberPlaces(self._index, self._members[rows])

    def origins(self) -> list[tuple[str, int]]:
        """Each of its own."""
        return [(self[row], 0) for row in range(len(self))]


class FromShards(Listing):
    """The base of listings of samples of shards; it comes before the listing of its modality."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards.source)
        self.shards = shards
        self._members = array("q")

    def take(self, member: int, target: Any) -> None:
        """The next example: the member that a model is given, and what is to be predicted for it."""
        self._members.append(member)
        self._append(target, self.shards.split_of(member), "", 0)

    def labeled(self, member: int, label: int, labels: Labels) -> None:
        """The next example, of the class that the member `label` says; a problem where it says none."""
        target = self.label(label, labels)
        if target is not None:
            self.take(member, target)

    def label(self, member: int, labels: Labels) -> str | None:
        """The class that a member says; None, and a problem, where it says none."""
        try:
            return labels.of(self.shards.index.kept(member))
        except ValueError as error:
            self.refuse(member, error)
            return None

    def text(self, member: int) -> str | None:
        """The text in a member that is kept in the index; None, and a problem, where it is none."""
        try:
            return text_of(self.shards.index.kept(member))
        except ValueError as error:
            self.refuse(member, error)
            return None

    def refuse(self, member: int, what: object) -> None:
        """Notes what is wrong with a member, whose sample is not listed."""
        self.refused(self.shards.index.name(member), 0, str(what), split=self.shards.split_of(member))

    @cached_property
    def members(self) -> Members:
        """All of them; nothing can be added after."""
        return Members(self.shards, np.array(self._members, np.int64))

    @cached_property
    def places(self) -> Places:
        """SHARD/MEMBER of each."""
        return MemberPlaces(self.shards.index, self.members.members)

    @property
    def names(self) -> Sequence[str]:
        return self.places
