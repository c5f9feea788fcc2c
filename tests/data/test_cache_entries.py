"""Entries of any cache: rows of any size and type, whole or built anew; what nobody needs any more is removed."""

import multiprocessing
import os
import signal
from functools import cached_property

import numpy as np
import pytest

from sensorium.data.cache import Cache, FixedRows, key_of, locked
from sensorium.errors import RunError

PLENTY = 1 << 30
ROWS = [np.arange(5, dtype=np.float32), np.arange(3, dtype=np.float32), np.empty(0, np.float32)]


class Things(Cache):
    """A cache with a plain entry for each key. built: their keys."""

    @cached_property
    def built(self) -> list[str]:
        return []

    def of(self, key, rows=ROWS, *, limit=PLENTY):
        def build(file, _):
            self.built.append(key)
            for row in rows:
                file.write(row.tobytes())
            return {"lengths": np.array([len(row) for row in rows])}

        return self.entry(key, build, limit=limit)


@pytest.fixture
def things():
    return Things("things", content="things")


def left(cache):
    return sorted(path.name for path in cache.home.iterdir() if not path.name.endswith("lock"))


def test_rows_of_different_lengths_and_their_facts_come_back(things):
    for _ in range(2):
        entry = things.of("a")
        numbers = entry.rows.view(np.float32)
        assert numbers.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
        assert not numbers.flags.writeable
        assert {name: array.tolist() for name, array in entry.facts.items()} == {"lengths": [5, 3, 0]}
    assert things.built == ["a"]
    assert len(things.of("nothing", rows=[]).rows) == 0
    assert left(things) == ["a", "nothing"]
    assert {path.name for path in (things.home / "a").iterdir()} == {"rows", "facts.npz"}


def _cut_off(path):
    os.truncate(path, path.stat().st_size - 1)


def _overwrite(path):
    path.write_bytes(b"PK" + bytes(path.stat().st_size))


@pytest.mark.parametrize("name", ["rows", "facts.npz"])
@pytest.mark.parametrize("damage", [_cut_off, os.unlink, lambda path: os.truncate(path, 0)])
def test_a_damaged_entry_is_built_anew(things, name, damage):
    things.of("a")
    damage(things.home / "a" / name)
    assert things.of("a").rows.view(np.float32).tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert things.built == ["a", "a"]


def test_facts_that_are_something_else_are_damage(things):
    things.of("a")
    _overwrite(things.home / "a" / "facts.npz")
    assert things.of("a").facts["lengths"].tolist() == [5, 3, 0]
    assert things.built == ["a", "a"]


def test_the_longest_unused_entry_that_nobody_reads_makes_room(things):
    row = [np.zeros(10_000, np.uint8)]  # and half a kilobyte of facts
    held = things.of("held", row)
    for key in ("b", "c", "b", "d"):  # b is used again
        things.of(key, row, limit=35_000)
    assert left(things) == ["b", "d", "held"]
    del held
    things.of("d", row, limit=25_000)
    assert left(things) == ["b", "d"]
    assert things.built == ["held", "b", "c", "d"]


def test_an_array_of_the_rows_keeps_the_entry(things):
    rows = things.of("a").rows.view(np.float32)[1:3]
    things.of("b", limit=1)
    assert left(things) == ["a", "b"]
    assert rows.tolist() == [1, 2]
    del rows
    things.of("b", limit=1)
    assert left(things) == ["b"]


def test_what_an_earlier_version_left_makes_room_first(things):
    old = things.home / "0123"
    old.mkdir(parents=True)
    (old / "pixels").write_bytes(bytes(20_000))
    for name in ("4567.flat", "4567.facts", ".89ab.flat.cdef.tmp"):
        (things.home / name).write_bytes(bytes(10_000))
    with locked(things.home / "89ab.lock"):
        things.of("a")
        assert ".89ab.flat.cdef.tmp" in left(things)
    things.of("a")
    assert left(things) == ["0123", "4567.facts", "4567.flat", "a"]  # nobody holds the lock of the half built one
    things.of("a", limit=15_000)
    assert len(left(things)) < 4
    things.of("a", limit=5_000)
    assert left(things) == ["a"]


@pytest.mark.parametrize("key", ["same", "other"])
def test_what_a_killed_process_left_half_built_is_removed(things, key):
    def killed(file, _):
        os.kill(os.getpid(), signal.SIGKILL)

    context = multiprocessing.get_context("fork")
    process = context.Process(target=things.entry, args=("same", killed), kwargs={"limit": PLENTY})
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    (half,) = left(things)
    assert half.startswith("same.")
    things.of(key)
    assert left(things) == [key]


def test_what_is_being_built_is_not_removed(things):
    def build(file, _):
        file.write(b"first half, ")
        file.flush()
        things.of("b", limit=1)
        file.write(b"second half")
        return {}

    assert things.entry("a", build, limit=PLENTY).rows.tobytes() == b"first half, second half"


def test_a_build_that_fails_leaves_nothing(things):
    def full(file, count):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError) as error:
        things.entry("a", full, limit=PLENTY)
    assert str(error.value) == (
        f"Cannot keep things in {things.home}: No space left on device.\nSet SENSORIUM_CACHE to a folder with room."
    )
    assert left(things) == []


@pytest.mark.parametrize("spare", [0, PLENTY])
def test_of_rows_of_one_size_the_first_are_kept_with_all_facts(things, spare):
    fixed = FixedRows(100, row_bytes=1000, facts_bytes=100)
    assert [fixed.within(room).count for room in (0, 1 << 14, fixed.total - 1, fixed.total, PLENTY)] == [
        0,
        0,
        99,
        100,
        100,
    ]

    def build(file, count):
        for row in reversed(range(count)):
            os.pwrite(file.fileno(), np.full(500, row, np.uint16).data, 1000 * row)
        return {"long": np.zeros(20_000, np.uint8)}  # which takes the room of the last rows

    entry = things.entry("a", build, limit=fixed.total + spare, fixed=fixed)
    rows = entry.rows.view(np.uint16).reshape(-1, 500)
    assert 80 <= len(rows) < 90
    assert (rows == np.arange(len(rows))[:, None]).all()
    assert len(entry.facts["long"]) == 20_000
    assert sum(path.stat().st_size for path in entry.folder.iterdir()) <= fixed.total


def test_what_is_worked_out_is_kept_for_one_key(things):
    asked = []
    for key in ("x", "x", "y", "x"):
        entry = things.of("a")
        assert entry.worked_out("sum", key, lambda key=key: asked.append(key) or [key, 0.1]) == [key, 0.1]
    assert asked == ["x", "y", "x"]


def test_keys():
    keys = [key_of([1, {"a": 2, "b": 3}]), key_of([1, {"b": 3, "a": 2}]), key_of([1, {"a": 2}]), key_of([1], [b"x"])]
    assert (keys[0] == keys[1], len(set(keys)), {len(key) for key in keys}) == (True, 3, {32})
