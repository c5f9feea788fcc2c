"""Which processes of a group are still there: each says so every second, and ends itself when another is silent.

A host that loses its power or its network closes no connection: those that wait for it in a collective would wait for
as long as TCP and gloo do, which is many minutes. They meet in the store where the group has met anyway.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from sensorium.errors import RunError, listing

EVERY = 1.0  # seconds between two signs of life
GONE_AFTER = 20.0  # seconds of silence
STALE_AFTER = 4.0  # seconds of silence of one that is looked for, because a connection was closed
_SEARCH = 4.0  # seconds more that a closed connection waits for its reason
_ASLEEP = 5.0  # seconds without a turn: this process itself was stopped meanwhile
LOST = "lost another"  # how a process ends that is not the reason


class Store(Protocol):
    """What is used of torch.distributed.Store."""

    def set(self, key: str, value: str, /) -> None:
        """Puts a value at a key."""

    def multi_get(self, keys: list[str], /) -> Sequence[bytes]:
        """The values at these keys."""


class Heartbeat:
    """Sends signs of life of a process and looks for those of the others, in two threads of its own.

    Two, because an exchange with a store that cannot be reached may take for ever.

    store: of this object alone. hosts: of each process, by rank. resume: what to do when another is gone. stale_after:
    seconds of silence that make one the reason for a closed connection.
    """

    def __init__(self, store: Store, *, rank: int, hosts: Sequence[str]) -> None:
        self.store, self.rank, self.hosts = store, rank, hosts
        self.resume = "Start the training again."
        self.stale_after = STALE_AFTER
        now = time.monotonic()
        self._keys = [f"sensorium/alive/{number}" for number in range(len(hosts))]
        self._numbers = [b""] * len(hosts)  # the last sign of life of each
        self._seen = [now] * len(hosts)  # when it came
        self._left = [""] * len(hosts)  # how it ended
        self._answered = now  # when the store last did
        self._mine = ""
        self._ended = threading.Event()
        self._beat(0)  # before any other looks for it
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._watch)]

    def start(self) -> None:
        """To be called once every process has made its own."""
        for thread in self._threads:
            thread.start()

    def leave(self, how: str) -> None:
        """Tells the others that this process ends, and how: "" for well."""
        self._mine = how or "well"
        self._ended.set()
        self._threads[0].join(timeout=2.0)

    def lost(self) -> RunError:
        """The error for a connection that was closed: who is gone, which takes some seconds to see."""
        until = time.monotonic() + self.stale_after + _SEARCH
        while time.monotonic() < until:
            if reason := self._failed() or self._gone(self.stale_after):
                return RunError(f"{reason}\n{self.resume}")
            time.sleep(0.2)
        return RunError(f"The connection to another process was lost.\n{self.resume}")

    def _send(self) -> None:
        number = 0
        while not self._ended.wait(EVERY):
            number += 1
            try:
                self._beat(number)
                self._look()
            except RuntimeError:  # whoever keeps the store is gone or silent, which the other thread sees
                continue
        with suppress(RuntimeError):  # the same, at the end
            self._beat(number)

    def _beat(self, number: int) -> None:
        self.store.set(self._keys[self.rank], f"{number}\n{self._mine}")

    def _look(self) -> None:
        found = self.store.multi_get(self._keys)
        self._answered = now = time.monotonic()
        for rank, value in enumerate(found):
            if value != self._numbers[rank]:
                self._numbers[rank], self._seen[rank] = value, now
                self._left[rank] = value.decode(errors="replace").partition("\n")[2]

    def _watch(self) -> None:
        turn = time.monotonic()
        while not self._ended.wait(EVERY / 2):
            now = time.monotonic()
            if now - turn > _ASLEEP:
                self._answered, self._seen = now, [now] * len(self._seen)
            turn = now
            if reason := self._gone(GONE_AFTER):
                self._end(reason)

    def _end(self, reason: str) -> None:
        """Ends this process, whose main thread waits in a collective that nothing can call it back from."""
        mine = [rank for rank, host in enumerate(self.hosts) if host == self.hosts[self.rank]]
        if not any(rank < self.rank and self._is_there(rank) for rank in mine):  # one of a host says so
            print(f"sensorium: {reason}\n{self.resume}", file=sys.stderr, flush=True)
        os._exit(RunError.exit_status)

    def _is_there(self, rank: int) -> bool:
        return time.monotonic() - self._seen[rank] <= STALE_AFTER

    def _failed(self) -> str | None:
        """Who ended with an error of its own, and which."""
        for rank, how in enumerate(self._left):
            if how not in ("", "well", LOST):
                return f"Process {rank} on {self.hosts[rank]} ended: {how}"
        return None

    def _gone(self, after: float) -> str | None:
        """Who has been silent for so long, in words."""
        now = time.monotonic()
        if now - self._answered > after:
            return (
                f"{self.hosts[0]}, where the processes meet, has not answered for {now - self._answered:.0f} seconds: "
                "the host or the network to it is down, or what ran there was killed."
            )
        gone = [rank for rank, seen in enumerate(self._seen) if now - seen > after and not self._left[rank]]
        if not gone:
            return None
        silent = listing(sorted({self.hosts[rank] for rank in gone}), limit=8)
        numbers = listing([str(rank) for rank in gone], limit=8)
        seconds = max(now - self._seen[rank] for rank in gone)
        return (
            f"{silent} (process{'es' if len(gone) > 1 else ''} {numbers} of {len(self.hosts)}) has not answered for "
            f"{seconds:.0f} seconds: the host or the network to it is down, or what ran there was killed."
        )
